#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/log/encode.h"
#include "core/time.h"
#include "sink/compress.h"
#include "source/recording.h"
#include "support/event_builder.h"

namespace socktrace::source {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kBoot_ns = 500 * kSecond;
constexpr uint64_t kWall_ns = 1'789'873'200 * kSecond;  // at kBoot_ns

uint64_t wall(int64_t second) {
  return kWall_ns + static_cast<uint64_t>(second * static_cast<int64_t>(kSecond));
}

// What one run of a recorder writes, file after file; a keyframe begins each.
class Recorder {
 public:
  explicit Recorder(std::string session, std::string boot = "b") {
    header_.session = std::move(session);
    header_.boot_id = std::move(boot);
    header_.host_id = "h";
  }

  void begin_file(uint64_t second) {
    text.clear();
    header_.boottime_ns = kBoot_ns + second * kSecond;
    if (header_.t0_ns == 0) header_.t0_ns = header_.boottime_ns;
    header_.realtime_ns = header_.boottime_ns + offset_ns_;
    encoder_.header(text, header_);
    ++header_.segment;
    encoder_.keyframe_begin(text, {at(second), "rotate", open_.size()});
    for (const uint64_t port : open_) encoder_.row(text, listening(port, second).socket, at(second));
    encoder_.keyframe_end(text, {at(second), open_.size()});
  }
  void open(uint64_t port, uint64_t second) {
    open_.push_back(port);
    encoder_.event(text, listening(port, second));
  }
  void close(uint64_t port, uint64_t second) {
    std::erase(open_, port);
    Event event = listening(port, second);
    event.kind = EventKind::tcp_closed;
    event.previous = State::listen;
    event.socket.state = State::close;
    event.gone = true;
    encoder_.event(text, event);
  }
  void set_clock(int64_t step_s, uint64_t second) {
    offset_ns_ += static_cast<uint64_t>(step_s * static_cast<int64_t>(kSecond));
    encoder_.clock(text,
                   {at(second), step_s * static_cast<int64_t>(kSecond), at(second) + offset_ns_, at(second)});
  }
  void trailer(uint64_t second) { encoder_.trailer(text, {at(second), 0, 0}); }

  std::string text;  // of the present file

 private:
  static uint64_t at(uint64_t second) { return kBoot_ns + second * kSecond; }
  static Event listening(uint64_t port, uint64_t second) {
    Event event = test::EventBuilder(EventKind::tcp_listen).by(test::process(7, "nginx", "root"));
    event.socket.key = {port, 0};
    event.socket.local.port = static_cast<uint16_t>(port);
    event.socket.state = State::listen;
    event.time_ns = at(second);
    return event;
  }

  LogHeader header_;
  LogEncoder encoder_;
  std::vector<uint64_t> open_;
  uint64_t offset_ns_ = kWall_ns - kBoot_ns;
};

using Ports = std::vector<uint64_t>;

// A directory of its own, gone afterwards.
class Recordings : public ::testing::Test {
 protected:
  Recordings() {
    char name[] = "/tmp/socktrace-test-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~Recordings() override { fs::remove_all(directory_); }

  [[nodiscard]] std::string path(const std::string& name) const { return directory_ / name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }
  void compress(const std::string& name) const {
    ASSERT_TRUE(sink::compress_log(path(name), path(name + ".zst")));
  }
  void touch(const std::string& name, uint64_t wall_ns) const {
    const timespec time{static_cast<time_t>(wall_ns / kSecond), 0};
    const timespec times[] = {time, time};
    ASSERT_EQ(utimensat(AT_FDCWD, path(name).c_str(), times, 0), 0);
  }

  Recording open() {
    Result<Recording> recording = Recording::open({directory_});
    EXPECT_TRUE(recording) << recording.error().message;
    return std::move(*recording);
  }
  // Ports of the events of a time, in their order.
  Ports read(const Recording& recording, uint64_t from_ns = 0, uint64_t until_ns = 0,
             const std::function<bool()>& more = nullptr) {
    damage_ = {};
    Ports ports;
    Result<void> read = recording.read(
        from_ns, until_ns, damage_,
        [&](LogRecord&& record, const LogReader&) {
          if (const auto* event = std::get_if<Event>(&record.body)) ports.push_back(event->socket.local.port);
          return true;
        },
        more);
    EXPECT_TRUE(read) << read.error().message;
    return ports;
  }
  Ports table(Recording& recording, std::optional<uint64_t> at_ns) {
    damage_ = {};
    Result<LogReplay> replay = recording.table_at(at_ns, damage_);
    EXPECT_TRUE(replay) << replay.error().message;
    Ports ports;
    if (replay) replay->table().for_each([&](const Socket& socket) { ports.push_back(socket.local.port); });
    std::ranges::sort(ports);
    return ports;
  }

  // The files 0..2 of a run: 1 opens and closes again, and each file opens another.
  void write_three() {
    Recorder run("s");
    const auto put = [&](const std::string& name) { write(name, run.text); };
    run.begin_file(0);
    run.open(1, 1);
    run.trailer(9);
    put(kFirst);
    run.begin_file(10);
    run.open(2, 12);
    run.close(1, 13);
    run.trailer(19);
    put(kNext);
    run.begin_file(20);
    run.open(3, 21);
    put(kLive);
  }

  static constexpr const char* kFirst = "socktrace-20260920T030000Z-000000.jsonl";
  static constexpr const char* kNext = "socktrace-20260920T030010Z-000001.jsonl";
  static constexpr const char* kThird = "socktrace-20260920T030020Z-000002.jsonl";
  static constexpr const char* kLive = "socktrace.jsonl";

  fs::path directory_;
  Recording::Damage damage_;
};

TEST_F(Recordings, AFileThatIsCompressedBeforeItIsReadIsFound) {
  write_three();
  Recording recording = open();
  compress(kFirst);
  compress(kNext);
  EXPECT_EQ(read(recording), Ports({1, 2, 1, 3}));
  EXPECT_EQ(table(recording, wall(11)), Ports({1}));
  EXPECT_FALSE(damage_.found);
}

TEST_F(Recordings, AFileThatIsPutAsideBeforeItIsReadIsFound) {
  write_three();
  Recording recording = open();
  fs::rename(path(kLive), path(kThird));
  Recorder next("s");
  next.begin_file(30);
  next.open(4, 31);
  write(kLive, next.text);
  EXPECT_EQ(read(recording), Ports({1, 2, 1, 3}));
  EXPECT_EQ(table(recording, {}), Ports({2, 3}));
  compress(kThird);
  EXPECT_EQ(read(recording), Ports({1, 2, 1, 3}));
  EXPECT_EQ(table(recording, {}), Ports({2, 3}));
  EXPECT_FALSE(damage_.found);
}

TEST_F(Recordings, AFileThatIsDeletedBeforeItIsReadIsSaid) {
  write_three();
  Recording recording = open();
  fs::remove(path(kFirst));
  EXPECT_EQ(read(recording), Ports({2, 1, 3}));
  EXPECT_FALSE(damage_.found);
  ASSERT_EQ(damage_.messages.size(), 1u);
  EXPECT_EQ(damage_.messages[0],
            path(kFirst) + ": the recorder has deleted it meanwhile, to keep within --keep or --min-free");
}

TEST_F(Recordings, WhenTheFileOfTheTableIsDeletedTheNewestIsAsked) {
  write_three();
  Recording recording = open();
  Recorder next("t");
  next.begin_file(30);
  next.open(4, 31);
  write(kLive, next.text);
  EXPECT_EQ(table(recording, {}), Ports({4}));
  EXPECT_FALSE(damage_.found);
}

TEST_F(Recordings, WhatWasPutAsideWhileNobodyFollowedIsReadInOrder) {
  Recorder run("s");
  run.begin_file(0);
  run.open(1, 1);
  write(kLive, run.text);
  int asked = 0;
  const auto more = [&] {
    if (++asked == 1) {
      run.trailer(9);
      std::ofstream(path(kLive), std::ios::app) << run.text.substr(run.text.rfind("{\"k\":\"trailer\""));
      fs::rename(path(kLive), path(kFirst));
      run.begin_file(10);
      run.open(2, 11);
      write(kNext, run.text);
      compress(kNext);
      run.begin_file(20);
      run.open(3, 21);
      write(kThird, run.text);
      run.begin_file(30);
      run.open(4, 31);
      write(kLive, run.text);
    }
    return asked < 5;
  };
  const Recording recording = open();
  EXPECT_EQ(read(recording, 0, 0, more), Ports({1, 2, 3, 4}));
  EXPECT_FALSE(damage_.found) << damage_.messages[0];
}

TEST_F(Recordings, DamageIsToldBeforeMoreIsWaitedFor) {
  Recorder run("s");
  run.begin_file(0);
  write(kLive, run.text + "damaged\n");
  const Recording recording = open();
  bool told = false;
  read(recording, 0, 0, [&] {
    told = damage_.found && damage_.messages.size() == 1;
    return false;
  });
  EXPECT_TRUE(told);
  EXPECT_EQ(damage_.messages.size(), 1u);
}

TEST_F(Recordings, WhatIsNoRegularFileInADirectoryIsPassedOver) {
  write_three();
  fs::create_symlink("nowhere", path("q.jsonl"));
  fs::create_directory(path("x.jsonl"));
  ASSERT_EQ(mkfifo(path("y.jsonl").c_str(), 0600), 0);
  EXPECT_EQ(read(open()), Ports({1, 2, 1, 3}));
  EXPECT_FALSE(damage_.found);
}

TEST_F(Recordings, AFileThatMayNotBeReadIsSaidAndTheOthersAreRead) {
  write_three();
  fs::permissions(path(kNext), fs::perms::none);
  const uid_t user = geteuid();
  if (user == 0) {
    constexpr uid_t kNobody = 65534;
    for (const char* name : {".", kFirst, kNext, kLive}) ASSERT_EQ(chown(path(name).c_str(), kNobody, 0), 0);
    ASSERT_EQ(seteuid(kNobody), 0);
  }
  read(open());
  ASSERT_EQ(seteuid(user), 0);
  EXPECT_TRUE(damage_.found);
  ASSERT_GE(damage_.messages.size(), 1u);
  EXPECT_EQ(damage_.messages[0], "read event log " + path(kNext) + ": Permission denied");
}

TEST_F(Recordings, ARunThatWasKilledIsToldOfAMomentBeforeTheNext) {
  Recorder killed("a");
  killed.begin_file(0);
  killed.open(1, 1);
  write("a.jsonl", killed.text);
  Recorder next("b");
  next.begin_file(10);
  write("b.jsonl", next.text);
  const auto broke_off_before_ns = [this](std::optional<uint64_t> at_ns) {
    Result<LogReplay> replay = open().table_at(at_ns, damage_);
    EXPECT_TRUE(replay);
    return replay ? replay->broke_off_before_ns() : 0;
  };
  EXPECT_EQ(broke_off_before_ns(wall(5)), wall(10));
  EXPECT_EQ(broke_off_before_ns(wall(10)), 0u);
  EXPECT_EQ(broke_off_before_ns({}), 0u);
  killed.trailer(2);
  write("a.jsonl", killed.text);
  EXPECT_EQ(broke_off_before_ns(wall(5)), 0u);
}

TEST_F(Recordings, AFileWithADamagedHeaderIsReadInItsPlaceAndSaid) {
  write_three();
  std::fstream(path(kNext), std::ios::in | std::ios::out | std::ios::binary).put('\0');
  Recording recording = open();
  EXPECT_EQ(read(recording), Ports({1, 2, 1, 3}));
  EXPECT_TRUE(damage_.found);
  EXPECT_EQ(table(recording, wall(12)), Ports({1, 2}));
  EXPECT_TRUE(damage_.found);
  EXPECT_EQ(table(recording, wall(14)), Ports({2}));
  EXPECT_TRUE(damage_.found);
  EXPECT_EQ(table(recording, wall(21)), Ports({2, 3}));
  EXPECT_FALSE(damage_.found);
}

TEST_F(Recordings, TheClockSetBackInAFileDoesNotHideIt) {
  Recorder run("s");
  run.begin_file(0);
  run.open(1, 10);
  write(kFirst, run.text);
  run.begin_file(1000);
  run.open(2, 1001);
  run.set_clock(-3600, 1002);
  run.open(3, 1003);
  run.close(1, 1004);
  write(kNext, run.text);
  run.begin_file(2000);
  run.open(4, 2001);
  write(kLive, run.text);
  Recording recording = open();
  EXPECT_EQ(read(recording, wall(1003 - 3600), wall(1004 - 3600)), Ports({3, 1}));
  EXPECT_EQ(read(recording, wall(1001)), Ports({2}));
  EXPECT_EQ(table(recording, wall(1003 - 3600)), Ports({1, 2, 3}));
  EXPECT_EQ(table(recording, wall(2001 - 3600)), Ports({2, 3, 4}));
}

TEST_F(Recordings, RunsOfABootAreInTheOrderOfItsOwnClock) {
  Recorder ahead("z");
  ahead.begin_file(0);
  ahead.open(1, 1);
  write("a.jsonl", ahead.text);
  Recorder right("a");
  right.begin_file(100);
  right.set_clock(-86400, 101);
  right.begin_file(102);
  right.open(2, 103);
  write("b.jsonl", right.text);
  Recording recording = open();
  EXPECT_EQ(read(recording), Ports({1, 2}));
  EXPECT_EQ(table(recording, {}), Ports({2}));
}

TEST_F(Recordings, TheTimeOfAFileDoesNotMatter) {
  write_three();
  compress(kFirst);
  compress(kNext);
  for (const std::string& name : {std::string(kFirst) + ".zst", std::string(kNext) + ".zst"})
    touch(name, wall(-86400));
  Recording recording = open();
  EXPECT_EQ(read(recording, wall(12)), Ports({2, 1, 3}));
  fs::remove(path(kLive));
  Recording compressed = open();
  EXPECT_EQ(compressed.ended_ns(), wall(19));
}

}  // namespace
}  // namespace socktrace::source
