#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "core/log/decode.h"
#include "sink/log_file.h"
#include "support/event_builder.h"

namespace socktrace::sink {

namespace fs = std::filesystem;

inline constexpr uint64_t kSecond = 1'000'000'000;

inline Moment moment(uint64_t seconds) {
  return {seconds * kSecond, (1'789'873'200 + seconds) * kSecond};
}

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

inline void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// A directory of its own, gone afterwards.
class LogFiles : public ::testing::Test {
 protected:
  LogFiles() {
    char name[] = "/tmp/socktrace-test-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~LogFiles() override { fs::remove_all(directory_); }
  [[nodiscard]] std::string path(const std::string& name = "socktrace.jsonl") const {
    return directory_ / name;
  }

  std::unique_ptr<LogFile> open(LogFileOptions options = {}) {
    if (options.path.empty()) options.path = path();
    options.header.session = "session";
    LogFileHooks hooks;
    hooks.warn = [this](const std::string& message) { warnings_.push_back(message); };
    if (!table_.empty())
      hooks.sockets = [this](const SocketVisitor& visit) {
        for (const Socket& socket : table_) visit(socket);
      };
    Result<std::unique_ptr<LogFile>> log = LogFile::open(std::move(options), std::move(hooks), moment(1));
    EXPECT_TRUE(log) << log.error().message;
    return log ? std::move(*log) : nullptr;
  }

  // "header event@1 loss@2:7 key begin" of the lines of a file; fails the test on a line that is not
  // readable.
  static std::string summary(const std::string& text) {
    LogDecoder decoder;
    std::string out;
    for (size_t start = 0; start < text.size();) {
      const size_t end = text.find('\n', start);
      EXPECT_NE(end, std::string::npos) << "torn: " << text.substr(start);
      const Result<LogRecord> record = decoder.decode(text.substr(start, end - start));
      EXPECT_TRUE(record) << record.error().message << ": " << text.substr(start, end - start);
      if (!record) return out;
      if (!out.empty()) out += ' ';
      out += describe(*record);
      start = end == std::string::npos ? text.size() : end + 1;
    }
    return out;
  }
  static std::string describe(const LogRecord& record) {
    const std::string seq = "@" + std::to_string(record.seq);
    if (const auto* header = std::get_if<LogHeader>(&record.body))
      return "header#" + std::to_string(header->segment) + ":" + std::to_string(header->next_seq);
    if (std::holds_alternative<Event>(record.body)) return "event" + seq;
    if (std::holds_alternative<KeyframeBegin>(record.body)) return "key" + seq;
    if (std::holds_alternative<KeyframeEnd>(record.body)) return "end" + seq;
    if (std::holds_alternative<SocketRow>(record.body)) return "row" + seq;
    if (const auto* loss = std::get_if<LogLoss>(&record.body))
      return loss->where + seq + ":" + std::to_string(loss->count);
    if (std::holds_alternative<LogTrailer>(record.body)) return "trailer" + seq;
    return "other" + seq;
  }

  fs::path directory_;
  std::vector<std::string> warnings_;
  std::vector<Socket> table_;
};

inline const Event kEvent = test::EventBuilder(EventKind::bind_ok);

}  // namespace socktrace::sink
