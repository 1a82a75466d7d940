// A disk that lets writers wait: tracing must not wait with them for long.
#include <gtest/gtest.h>
#include <malloc.h>

#include <filesystem>
#include <fstream>

#include "sink/log_file.h"
#include "support/event_builder.h"

namespace socktrace::sink {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1000 * kMillisecond;

class SlowDisk : public ::testing::Test {
 protected:
  SlowDisk() {
    char name[] = "/tmp/socktrace-test-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~SlowDisk() override { fs::remove_all(directory_); }

  // Whoever asks for the time finds that `step_ns_` have passed: a write takes as long.
  std::unique_ptr<LogFile> open(size_t most_waiting_bytes) {
    LogFileOptions options;
    options.path = directory_ / "socktrace.jsonl";
    options.header.session = "session";
    options.most_waiting_bytes = most_waiting_bytes;
    LogFileHooks hooks;
    hooks.warn = [this](const std::string& message) { warnings_.push_back(message); };
    hooks.clock = [this] { return now_ns_ += step_ns_; };
    return *LogFile::open(std::move(options), std::move(hooks), moment());
  }
  [[nodiscard]] Moment moment() const { return {now_ns_, now_ns_ + 1'789'873'200 * kSecond}; }
  void add_and_flush(LogFile& log) {
    log.add(test::EventBuilder(EventKind::bind_ok));
    log.flush(moment());
  }
  // So that it is left alone for half a second.
  void tire(LogFile& log) {
    step_ns_ = 1100 * kMillisecond;
    add_and_flush(log);
  }
  [[nodiscard]] size_t count(const std::string& part) const {
    std::ifstream in(directory_ / "socktrace.jsonl");
    size_t found = 0;
    for (std::string line; std::getline(in, line);) found += line.find(part) != std::string::npos;
    return found;
  }

  fs::path directory_;
  std::vector<std::string> warnings_;
  uint64_t now_ns_ = kSecond;
  uint64_t step_ns_ = 0;
};

TEST_F(SlowDisk, MayTakeASecondAtAnyTime) {
  const auto log = open(1 << 20);
  for (size_t bout = 1; bout <= 3; ++bout) {
    step_ns_ = 100 * kMillisecond;
    for (size_t write = 1; write <= 10; ++write) {
      add_and_flush(*log);
      EXPECT_EQ(count("bind.ok"), (bout - 1) * 10 + write);
    }
    step_ns_ = 0;
    now_ns_ += 5 * kSecond;
  }
}

TEST_F(SlowDisk, IsLeftAloneForFiveTimesAsLongAsItTookBeyondThat) {
  const auto log = open(1 << 20);
  tire(*log);
  step_ns_ = kMillisecond;
  const uint64_t rested_ns = now_ns_ + 500 * kMillisecond;
  size_t added = 1;
  for (; now_ns_ + kMillisecond < rested_ns; ++added) add_and_flush(*log);
  EXPECT_EQ(count("bind.ok"), 1U);
  for (int i = 0; i < 3; ++i, ++added) add_and_flush(*log);
  EXPECT_EQ(count("bind.ok"), added) << "late, and whole";
  EXPECT_EQ(count("\"loss\""), 0U);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(SlowDisk, IsTriedAgainAfterTwoSecondsHoweverLongItTook) {
  const auto log = open(1 << 20);
  step_ns_ = 60 * kSecond;
  add_and_flush(*log);
  step_ns_ = 0;
  add_and_flush(*log);
  EXPECT_EQ(count("bind.ok"), 1U);
  now_ns_ += 2 * kSecond;
  add_and_flush(*log);
  EXPECT_EQ(count("bind.ok"), 3U);
  now_ns_ += 5 * kSecond;  // it may take a second again
  step_ns_ = 100 * kMillisecond;
  for (size_t write = 4; write <= 13; ++write) {
    add_and_flush(*log);
    EXPECT_EQ(count("bind.ok"), write);
  }
}

size_t allocated_bytes() {
  const struct mallinfo2 info = mallinfo2();  // all 0 under the sanitizers
  return info.uordblks + info.hblkhd;
}

TEST_F(SlowDisk, GivesBackTheMemoryInWhichLinesWaited) {
  const auto log = open(64 << 20);
  add_and_flush(*log);
  const size_t before = allocated_bytes();
  tire(*log);
  step_ns_ = 0;
  for (int i = 0; i < 100'000; ++i) add_and_flush(*log);
  const size_t waiting = allocated_bytes();
  EXPECT_EQ(count("bind.ok"), 2U);
  now_ns_ += kSecond;
  add_and_flush(*log);
  EXPECT_EQ(count("bind.ok"), 100'003U);
  EXPECT_LE(allocated_bytes(), before + (1 << 20)) << "of " << waiting;
}

TEST_F(SlowDisk, WhatIsTooMuchToKeepIsCountedAsLost) {
  const auto log = open(1500);
  tire(*log);
  step_ns_ = 0;
  for (int i = 0; i < 40; ++i) add_and_flush(*log);
  EXPECT_EQ(count("bind.ok"), 1U);
  EXPECT_GT(log->events_dropped(), 30U);
  ASSERT_FALSE(warnings_.empty());
  EXPECT_NE(warnings_.front().find("the disk is too slow; tracing goes on"), std::string::npos);
  step_ns_ = kSecond;
  add_and_flush(*log);
  EXPECT_EQ(count("\"where\":\"disk\""), 1U);
  EXPECT_EQ(count("bind.ok") + log->events_dropped(), 42U);
}

TEST_F(SlowDisk, IsWaitedForAtTheEnd) {
  const auto log = open(1 << 20);
  tire(*log);
  step_ns_ = 0;
  add_and_flush(*log);
  log->close(moment());
  EXPECT_EQ(count("bind.ok"), 2U);
  EXPECT_EQ(count("\"trailer\""), 1U);
}

}  // namespace
}  // namespace socktrace::sink
