// A loss of power leaves any beginning of what was written, over all the files that it was written to.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/log/reader.h"
#include "sink/log_file.h"
#include "support/event_builder.h"

namespace socktrace::sink {
namespace {

namespace fs = std::filesystem;

Moment moment(uint64_t seconds) {
  return {seconds * 1'000'000'000, (1'789'873'200 + seconds) * 1'000'000'000};
}

// The files of a recording in the order in which they were written.
std::vector<std::string> record(const std::string& path) {
  LogFileOptions options;
  options.path = path;
  options.header.session = "session";
  options.rotation.max_bytes = 1500;
  options.rotation.compress = false;
  LogFileHooks hooks;
  hooks.sockets = [](const SocketVisitor& visit) { visit(Socket{}); };
  std::unique_ptr<LogFile> log = std::move(*LogFile::open(std::move(options), std::move(hooks), moment(1)));
  for (uint64_t second = 2; second < 40; ++second) {
    log->add(test::EventBuilder(EventKind::bind_ok));
    log->flush(moment(second));
  }
  log->close(moment(40));
  std::vector<std::string> texts;
  std::vector<fs::path> paths;
  const std::vector<RotatedFile> rotated = *rotated_files(path);
  for (const RotatedFile& file : rotated) paths.push_back(fs::path(path).replace_filename(file.name));
  paths.emplace_back(path);
  for (const fs::path& file : paths) {
    std::ifstream in(file, std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return texts;
}

TEST(LogPowerCut, EveryBeginningOfWhatWasWrittenIsReadToItsLastWholeLine) {
  char directory[] = "/tmp/socktrace-test-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::vector<std::string> texts = record(std::string(directory) + "/socktrace.jsonl");
  fs::remove_all(directory);
  ASSERT_GT(texts.size(), 3u);
  for (size_t last = 0; last < texts.size(); ++last) {
    for (size_t cut = 0; cut <= texts[last].size(); ++cut) {
      LogReader reader;
      uint64_t records = 0;
      uint64_t lines = 0;
      const auto read = [&](const std::string& text) {
        reader.feed(text, [&](LogRecord&&) { ++records; });
        reader.end_file();
        lines += static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
      };
      std::for_each_n(texts.begin(), last, read);
      const std::string torn = texts[last].substr(0, cut);
      read(torn);
      ASSERT_EQ(records, lines) << "file " << last << " cut at " << cut;
      ASSERT_EQ(reader.report().torn_bytes, cut - (torn.rfind('\n') + 1))
          << "file " << last;  // npos + 1 is 0
      ASSERT_EQ(reader.report().damaged_lines, 0u);
      ASSERT_EQ(reader.report().missing_records, 0u);
    }
  }
}

}  // namespace
}  // namespace socktrace::sink
