// Files that are put aside, by the recorder or by somebody else.
#include <gtest/gtest.h>

#include "support/log_files.h"

namespace socktrace::sink {
namespace {

TEST_F(LogFiles, ReopenGoesOnInTheFileThatIsNowAtThePath) {
  auto log = open();
  log->add(kEvent);
  log->flush(moment(2));
  ASSERT_TRUE(log->reopen(moment(3)));  // nobody moved it
  fs::rename(path(), path("moved"));
  log->add(kEvent);
  ASSERT_TRUE(log->reopen(moment(4)));
  log->add(kEvent);
  log->close(moment(5));
  EXPECT_EQ(summary(read_file(path("moved"))), "header#0:1 event@1 event@2 trailer@3");
  EXPECT_EQ(summary(read_file(path())), "header#1:4 event@4 trailer@5");
}

TEST_F(LogFiles, AFileThatWasRemovedIsMadeAnew) {
  auto log = open();
  log->add(kEvent);
  log->flush(moment(3));
  fs::remove(path());
  log->add(kEvent);
  log->flush(moment(5));
  log->add(kEvent);
  log->flush(moment(6));
  EXPECT_EQ(summary(read_file(path())), "header#1:4 event@4");
}

TEST_F(LogFiles, WhileItsDirectoryIsGoneRecordsAreCountedAsLost) {
  fs::create_directory(path("gone"));
  LogFileOptions options;
  options.path = path("gone/log.jsonl");
  auto log = open(options);
  log->flush(moment(3));
  fs::remove_all(path("gone"));
  log->flush(moment(5));
  for (int i = 0; i < 3; ++i) {
    log->add(kEvent);
    log->flush(moment(6 + i));
  }
  EXPECT_EQ(log->events_dropped(), 3u);
  fs::create_directory(path("gone"));
  log->flush(moment(20));
  log->add(kEvent);
  log->flush(moment(21));
  EXPECT_TRUE(summary(read_file(path("gone/log.jsonl"))).starts_with("header#1:1 disk@1:"))
      << summary(read_file(path("gone/log.jsonl")));
}

TEST_F(LogFiles, ReopenKeepsTheOldFileWhenTheNewOneIsRefused) {
  auto log = open();
  fs::rename(path(), path("moved"));
  fs::create_symlink(path("elsewhere"), path());
  EXPECT_FALSE(log->reopen(moment(2)));
  log->add(kEvent);
  log->flush(moment(3));
  EXPECT_EQ(summary(read_file(path("moved"))), "header#0:1 event@1");
  EXPECT_FALSE(fs::exists(path("elsewhere")));
}

TEST_F(LogFiles, LargeFilesArePutAsideWithoutLosingARecord) {
  LogFileOptions options;
  options.rotation.max_bytes = 1000;
  options.rotation.compress = false;
  auto log = open(options);
  for (uint64_t second = 2; second < 12; ++second) {
    log->add(kEvent);
    log->flush(moment(second));
  }
  log->close(moment(12));
  const std::vector<RotatedFile> files = *rotated_files(path());
  ASSERT_GE(files.size(), 2u);
  EXPECT_EQ(files[0].name, "socktrace-20260920T030001Z-000000.jsonl");
  std::string all;
  for (const RotatedFile& file : files) all += read_file(path(file.name));
  all += read_file(path());
  uint64_t expected_seq = 1;
  std::istringstream words(summary(all));
  for (std::string word; words >> word;) {
    if (word.starts_with("header")) continue;
    EXPECT_EQ(word.substr(word.find('@') + 1), std::to_string(expected_seq++)) << word;
  }
  EXPECT_EQ(expected_seq, 1 + 10 + files.size() + 1);
  EXPECT_NE(all.find("\"prev\":\"socktrace-20260920T030001Z-000000.jsonl\""), std::string::npos);
}

TEST_F(LogFiles, NumbersOfFilesPutAsideGoOnAfterARestart) {
  LogFileOptions options;
  options.rotation.max_age_ns = 10 * kSecond;
  options.rotation.compress = false;
  for (const uint64_t second : {11, 21}) {
    auto log = open(options);
    log->flush(moment(second));
    log->close(moment(second + 1));
  }
  const std::vector<RotatedFile> files = *rotated_files(path());
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].number, 0u);
  EXPECT_EQ(files[1].number, 1u);
}

TEST_F(LogFiles, OldFilesArePutAsideToo) {
  LogFileOptions options;
  options.rotation.max_age_ns = 10 * kSecond;
  auto log = open(options);
  log->flush(moment(5));
  EXPECT_TRUE(rotated_files(path())->empty());
  log->flush(moment(11));
  EXPECT_EQ(rotated_files(path())->size(), 1u);
  log->close(moment(12));
}

TEST_F(LogFiles, RotationNeverReplacesAFile) {
  const std::string taken = path("socktrace-20260920T030001Z-000000.jsonl");
  LogFileOptions options;
  options.rotation.max_age_ns = kSecond;
  auto log = open(options);
  write_file(taken, "mine");
  log->flush(moment(3));
  log->add(kEvent);
  log->close(moment(4));
  EXPECT_EQ(read_file(taken), "mine");
  EXPECT_EQ(summary(read_file(path())), "header#0:1 event@1 trailer@2");
  EXPECT_EQ(warnings_.size(), 1u);
}

}  // namespace
}  // namespace socktrace::sink
