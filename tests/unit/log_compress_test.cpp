#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sink/compress.h"
#include "sink/rotation.h"
#include "sys/log_bytes.h"

namespace socktrace::sink {
namespace {

namespace fs = std::filesystem;

class CompressedLogs : public ::testing::Test {
 protected:
  CompressedLogs() {
    char name[] = "/tmp/socktrace-test-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~CompressedLogs() override { fs::remove_all(directory_); }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  [[nodiscard]] bool exists(const std::string& name) const { return fs::exists(path(name)); }

  struct Text {
    std::string text;
    uint64_t damaged_frames = 0;
    uint64_t skipped_bytes = 0;
  };
  [[nodiscard]] Text text(const std::string& name) const {
    Result<sys::LogBytes> bytes = sys::LogBytes::open(path(name));
    EXPECT_TRUE(bytes);
    Text result;
    std::string_view before;  // a piece is valid until the call after the next
    for (;;) {
      const Result<std::string_view> piece = bytes->next();
      EXPECT_TRUE(piece);
      result.text += before;
      if (piece->empty()) break;
      before = *piece;
    }
    result.damaged_frames = bytes->damaged_frames();
    result.skipped_bytes = bytes->skipped_bytes();
    return result;
  }

  fs::path directory_;
};

// Lines that zstd cannot make much smaller, so that frames are large.
std::string lines(int count) {
  std::string text;
  uint64_t state = 1;
  for (int i = 0; i < count; ++i) {
    text += std::to_string(i) + ":";
    for (int j = 0; j < 5; ++j)
      text += std::to_string(state = state * 6364136223846793005u + 1442695040888963407u);
    text += '\n';
  }
  return text;
}

TEST_F(CompressedLogs, CompressedTextIsTheSameAndTheOriginalIsGone) {
  const std::string original = lines(30'000);  // about 3 MB
  write("a.jsonl", original);
  ASSERT_TRUE(compress_log(path("a.jsonl"), path("a.jsonl.zst")));
  EXPECT_FALSE(exists("a.jsonl"));
  EXPECT_FALSE(exists("a.jsonl.zst.part"));
  const Text read_back = text("a.jsonl.zst");
  EXPECT_EQ(read_back.text, original);
  EXPECT_EQ(read_back.damaged_frames, 0u);
}

TEST_F(CompressedLogs, AnEmptyFileStaysEmpty) {
  write("a.jsonl", "");
  ASSERT_TRUE(compress_log(path("a.jsonl"), path("a.jsonl.zst")));
  EXPECT_EQ(text("a.jsonl.zst").text, "");
}

TEST_F(CompressedLogs, AFifoInItsPlaceIsNotWaitedFor) {
  const std::string fifo = directory_ / "fifo.jsonl";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const Result<void> done = compress_log(fifo, fifo + ".zst");
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("not a regular file"), std::string::npos);
  EXPECT_TRUE(fs::exists(fifo));
}

TEST_F(CompressedLogs, ADamagedFrameCostsItsOwnLinesOnly) {
  const std::string original = lines(30'000);
  write("a.jsonl", original);
  ASSERT_TRUE(compress_log(path("a.jsonl"), path("a.jsonl.zst")));
  std::string bytes = read("a.jsonl.zst");
  const size_t second = bytes.find("\x28\xb5\x2f\xfd", 4);
  const size_t third = bytes.find("\x28\xb5\x2f\xfd", second + 4);
  ASSERT_NE(third, std::string::npos);
  for (const size_t at : {second + 1, second + 8, second + 5000, third - 1}) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    write("b.jsonl.zst", damaged);
    const Text read_back = text("b.jsonl.zst");
    EXPECT_EQ(read_back.damaged_frames, 1u) << at;
    EXPECT_EQ(read_back.skipped_bytes, third - second) << at;
    const size_t gap = read_back.text.find("\n\n");
    ASSERT_NE(gap, std::string::npos);
    EXPECT_EQ(read_back.text.substr(0, gap + 1), original.substr(0, gap + 1));
    const std::string rest = read_back.text.substr(gap + 2);
    EXPECT_EQ(rest, original.substr(original.size() - rest.size()));
    EXPECT_GT(rest.size(), 500'000u);
  }
}

TEST_F(CompressedLogs, ACutFileLosesItsLastFrame) {
  const std::string original = lines(30'000);
  write("a.jsonl", original);
  ASSERT_TRUE(compress_log(path("a.jsonl"), path("a.jsonl.zst")));
  const std::string bytes = read("a.jsonl.zst");
  write("b.jsonl.zst", bytes.substr(0, bytes.size() - 10));
  const Text read_back = text("b.jsonl.zst");
  EXPECT_EQ(read_back.damaged_frames, 1u);
  EXPECT_GT(read_back.text.size(), 2'000'000u);
  EXPECT_EQ(read_back.text.substr(0, read_back.text.size() - 1),
            original.substr(0, read_back.text.size() - 1));
}

TEST_F(CompressedLogs, PlainTextIsReadAsItIs) {
  write("a.jsonl", lines(10'000));
  EXPECT_EQ(text("a.jsonl").text, lines(10'000));
  const Result<sys::LogBytes> none = sys::LogBytes::open(path("none"));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "read event log " + path("none") + ": No such file or directory");
}

TEST_F(CompressedLogs, TidyCompressesAllButTheNewestAndDeletesTheOldest) {
  const std::string text = lines(1000);
  for (const char* name : {"log-20260920T030000Z-000001.jsonl", "log-20260921T030000Z-000002.jsonl",
                           "log-20260922T030000Z-000003.jsonl", "log.jsonl", "log-notes.jsonl",
                           "log2-20260919T030000Z-000001.jsonl", "log-20260919T030000Z-000001.jsonl.part"})
    write(name, text);
  Rotation rotation;
  rotation.total_bytes = text.size() * 8 / 5;  // the newest and one that is compressed
  ASSERT_TRUE(tidy(path("log.jsonl"), rotation));
  const std::vector<RotatedFile> left = *rotated_files(path("log.jsonl"));
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[0].name, "log-20260921T030000Z-000002.jsonl.zst");
  EXPECT_TRUE(left[0].compressed);
  EXPECT_EQ(left[1].name, "log-20260922T030000Z-000003.jsonl");
  for (const char* name : {"log.jsonl", "log-notes.jsonl", "log2-20260919T030000Z-000001.jsonl"})
    EXPECT_EQ(read(name), text) << name;
}

TEST_F(CompressedLogs, TheOldestIsTheOneOfTheLeastNumberWhateverTheClockSaid) {
  const std::string text = lines(1000);
  for (const char* name : {"log-20260921T030000Z-000001.jsonl", "log-20260920T030000Z-000002.jsonl",
                           "log-20260920T030001Z-999999.jsonl", "log-20260920T030002Z-1000000.jsonl"})
    write(name, text);
  Rotation rotation;
  rotation.compress = false;
  rotation.total_bytes = text.size() * 2;
  ASSERT_TRUE(tidy(path("log.jsonl"), rotation));
  const std::vector<RotatedFile> left = *rotated_files(path("log.jsonl"));
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[0].name, "log-20260920T030001Z-999999.jsonl");
  EXPECT_EQ(left[1].name, "log-20260920T030002Z-1000000.jsonl");
}

TEST_F(CompressedLogs, TheTimeOfTheFileStays) {
  write("log.jsonl", lines(10));
  const fs::file_time_type before = fs::last_write_time(path("log.jsonl")) - std::chrono::hours(5);
  fs::last_write_time(path("log.jsonl"), before);
  ASSERT_TRUE(compress_log(path("log.jsonl"), path("log.jsonl.zst")));
  EXPECT_EQ(fs::last_write_time(path("log.jsonl.zst")), before);
}

}  // namespace
}  // namespace socktrace::sink
