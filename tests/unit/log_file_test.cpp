#include "sink/log_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "sink/append_file.h"
#include "support/log_files.h"
#include "support/rounds.h"

namespace socktrace::sink {
namespace {

// Lets files of this process grow to `bytes` only: write() then takes less, and fails with EFBIG.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_;
};

TEST_F(LogFiles, AFileBeginsWithItsHeaderAndEndsWithItsTrailer) {
  auto log = open();
  log->add(kEvent);
  log->add(kEvent);
  log->flush(moment(2));
  EXPECT_EQ(summary(read_file(path())), "header#0:1 event@1 event@2");
  log->close(moment(3));
  EXPECT_EQ(summary(read_file(path())), "header#0:1 event@1 event@2 trailer@3");
  EXPECT_EQ(log->events_written(), 2u);
}

TEST_F(LogFiles, ARestartAppendsANewSession) {
  open()->close(moment(2));
  auto log = open();
  log->add(kEvent);
  log->close(moment(3));
  EXPECT_EQ(summary(read_file(path())), "header#0:1 trailer@1 header#0:1 event@1 trailer@2");
}

TEST_F(LogFiles, ATornLastLineIsCutOffWhenTheFileIsOpened) {
  auto log = open();
  log->add(kEvent);
  log->close(moment(2));
  log.reset();
  const std::string whole = read_file(path());
  write_file(path(), whole + R"({"k":"event","seq":3,"ts")");
  log = open();
  EXPECT_EQ(warnings_,
            std::vector<std::string>{"event log " + path() +
                                     ": 25 bytes of a torn last line cut off: its writer was killed"});
  log->close(moment(3));
  EXPECT_EQ(summary(read_file(path())), "header#0:1 event@1 trailer@2 header#0:1 trailer@1");
}

TEST_F(LogFiles, AFileTornInItsHeaderOrLongAfterALineIsRepairedToo) {
  write_file(path(), R"({"k":"hea)");
  open()->close(moment(2));
  const std::string whole = read_file(path());
  EXPECT_EQ(summary(whole), "header#0:1 trailer@1");
  write_file(path(), whole + std::string(200'000, 'x'));
  EXPECT_EQ(AppendFile::open(path())->trimmed_bytes(), 200'000u);
  EXPECT_EQ(read_file(path()), whole);
}

// A power cut leaves any beginning of what was written.
TEST_F(LogFiles, EveryBeginningOfAFileIsContinuedBehindItsLastWholeLine) {
  table_.resize(2);
  auto log = open();
  log->add(kEvent);
  log->close(moment(2));
  log.reset();
  const std::string whole = read_file(path());
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    write_file(path(), whole.substr(0, cut));
    const size_t newline = cut == 0 ? std::string::npos : whole.rfind('\n', cut - 1);
    const size_t kept = newline == std::string::npos ? 0 : newline + 1;
    Result<AppendFile> file = AppendFile::open(path());
    ASSERT_TRUE(file) << cut << ": " << file.error().message;
    ASSERT_EQ(file->trimmed_bytes(), cut - kept);
    ASSERT_EQ(file->write("more\n").error, 0);
    ASSERT_EQ(read_file(path()), whole.substr(0, kept) + "more\n") << cut;
  }
}

// copytruncate of logrotate(8), which we advise against.
TEST_F(LogFiles, AFileThatWasTruncatedBeginsAnewAndStaysUsable) {
  table_.resize(1);
  auto log = open();
  log->add(kEvent);
  log->flush(moment(3));
  fs::resize_file(path(), 0);
  log->add(kEvent);
  log->flush(moment(3));
  log->add(kEvent);
  log->flush(moment(5));
  log->close(moment(6));
  EXPECT_EQ(summary(read_file(path())), "event@5 event@6 header#1:7 key@7 row@8 end@9 trailer@10");
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_[0].find("was truncated by somebody"), std::string::npos) << warnings_[0];
  log.reset();
  open()->close(moment(7));
  EXPECT_TRUE(summary(read_file(path())).ends_with("trailer@10 header#0:1 key@1 row@2 end@3 trailer@4"));
}

TEST_F(LogFiles, AFileThatMayNotGrowAnyMoreIsPutAside) {
  LogFileOptions options;
  options.rotation.max_bytes = 100 << 20;
  options.rotation.compress = false;
  auto log = open(options);
  const FileSizeLimit limit(100'000);
  uint64_t second = 2;
  for (; rotated_files(path())->size() < 2 && second < 100'000; ++second) {
    log->add(kEvent);
    log->flush(moment(second));
  }
  log->close(moment(second));
  const std::vector<RotatedFile> files = *rotated_files(path());
  ASSERT_EQ(files.size(), 2u);
  EXPECT_LE(files[0].bytes, 100'000u);
  EXPECT_GT(files[0].bytes, 90'000u);
  EXPECT_EQ(log->last_error(), 0);
  // Every number is in a file, or in a loss between them.
  std::istringstream words(
      summary(read_file(path(files[0].name)) + read_file(path(files[1].name)) + read_file(path())));
  uint64_t expected_seq = 1;
  for (std::string word; words >> word;) {
    if (word.starts_with("header")) continue;
    const size_t at = word.find('@');
    ASSERT_EQ(std::strtoull(word.c_str() + at + 1, nullptr, 10), expected_seq) << word;
    const size_t count = word.find(':');
    expected_seq += count == std::string::npos ? 1 : std::strtoull(word.c_str() + count + 1, nullptr, 10);
  }
}

TEST_F(LogFiles, NewFilesAreNotForEverybody) {
  const mode_t before = umask(0);
  open();
  umask(before);
  struct stat info {};
  ASSERT_EQ(stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
}

TEST_F(LogFiles, EveryUnsafeTargetIsRefusedWithItsReason) {
  write_file(path("other"), "");
  fs::create_symlink(path("other"), path("link"));
  fs::create_hard_link(path("other"), path("second"));
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  fs::create_directory(path("sub"));
  fs::create_directory(path("open"));
  fs::permissions(path("open"), fs::perms::all);
  write_file(path("notes"), "dear diary");
  fs::create_symlink(path("nowhere"), path("dangling"));
  fs::create_directory_symlink(path("open"), path("way"));
  write_file(path("foreign"), "");
  const bool is_root = chown(path("foreign").c_str(), 1234, 1234) == 0;
  if (!is_root) write_file(path("foreign"), "not ours");
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{AF_UNIX, {}};
  path("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(listener);
  const struct {
    std::string name;
    std::string reason;
  } cases[] = {
      {path("link"), "it is a symbolic link"},
      {path("second"), "the file has a second name"},
      {path("fifo"), "it is a FIFO"},
      {path("sub"), "it is a directory"},
      {path("open/x.jsonl"), "is writable by everybody"},
      {path("none/x.jsonl"), "does not exist"},
      {path("notes"), "is not a socktrace event log"},
      {path("dangling"), "it is a symbolic link"},
      {path("way/x.jsonl"), "is writable by everybody"},
      {path("foreign"), is_root ? "the file belongs to user 1234" : "is not a socktrace event log"},
      {path("socket"), "No such device or address"},
      {"/dev/null", "it is not a regular file"},
  };
  for (const auto& [name, reason] : cases) {
    const Result<AppendFile> file = AppendFile::open(name);
    ASSERT_FALSE(file) << name;
    EXPECT_NE(file.error().message.find(reason), std::string::npos) << file.error().message;
    EXPECT_TRUE(file.error().message.starts_with("open event log " + name)) << file.error().message;
  }
  EXPECT_EQ(read_file(path("notes")), "dear diary");
  EXPECT_EQ(fs::file_size(path("other")), 0u);
  EXPECT_FALSE(fs::exists(path("nowhere")));
}

// Somebody exchanges the file for a link to another, again and again.
TEST_F(LogFiles, ALinkThatTakesThePlaceOfTheFileIsNeverFollowed) {
  write_file(path("victim"), "");
  fs::create_symlink(path("victim"), path("link"));
  write_file(path(), "");
  std::atomic<bool> over = false;
  std::thread attacker([&] {
    while (!over)
      syscall(SYS_renameat2, AT_FDCWD, path().c_str(), AT_FDCWD, path("link").c_str(), RENAME_EXCHANGE);
  });
  int opened = 0;
  int refused = 0;
  // Until both have happened at least, should the attacker lack a processor for so long.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  const auto is_enough = [&] {
    return (opened > 0 && refused > 0) || std::chrono::steady_clock::now() > deadline;
  };
  for (int left = test::rounds("SWAPS", 3000); left > 0 || !is_enough(); --left) {
    Result<AppendFile> file = AppendFile::open(path());
    ++(file ? opened : refused);
    if (file) file->write("{\"k\":\"header\"}\n");
  }
  over = true;
  attacker.join();
  EXPECT_EQ(fs::file_size(path("victim")), 0u);
  EXPECT_GT(opened, 0);
  EXPECT_GT(refused, 0);
}

TEST_F(LogFiles, ASecondWriterIsRefused) {
  const auto log = open();
  const Result<AppendFile> second = AppendFile::open(path());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another socktrace is writing to it"), std::string::npos);
}

TEST_F(LogFiles, AShortWriteLeavesWholeLines) {
  Result<AppendFile> file = AppendFile::open(path());
  ASSERT_TRUE(file);
  const FileSizeLimit limit(10);
  const AppendFile::Wrote wrote = file->write("1234\n1234\n1234\n");
  EXPECT_EQ(wrote.bytes, 10u);
  EXPECT_EQ(wrote.error, EFBIG);
  EXPECT_EQ(read_file(path()), "1234\n1234\n");
}

TEST_F(LogFiles, AShortWriteWithinALineIsTakenBack) {
  Result<AppendFile> file = AppendFile::open(path());
  ASSERT_TRUE(file);
  {
    const FileSizeLimit limit(8);
    EXPECT_EQ(file->write("1234\n1234\n").bytes, 5u);
    EXPECT_EQ(read_file(path()), "1234\n");
    EXPECT_EQ(file->write("a line that does not fit\n").bytes, 0u);
    EXPECT_EQ(read_file(path()), "1234\n");
  }
  EXPECT_EQ(file->write("abcd\n").error, 0);
  EXPECT_EQ(read_file(path()), "1234\nabcd\n");
}

TEST_F(LogFiles, AFullDiskDropsCountsAndTellsOnceItIsOver) {
  auto log = open();
  log->add(kEvent);
  log->flush(moment(2));
  {
    const FileSizeLimit limit(fs::file_size(path()));
    for (uint64_t second = 3; second < 23; ++second) {
      log->add(kEvent);
      log->add(kEvent);
      log->flush(moment(second));
    }
    EXPECT_EQ(log->last_error(), EFBIG);
    EXPECT_EQ(log->events_dropped(), 40u);
    EXPECT_EQ(warnings_.size(), 2u);  // 20 s
    EXPECT_NE(warnings_.at(0).find("File too large; tracing goes on"), std::string::npos) << warnings_.at(0);
  }
  log->add(kEvent);
  log->flush(moment(40));
  log->close(moment(41));
  EXPECT_EQ(summary(read_file(path())), "header#0:1 event@1 disk@2:40 event@42 trailer@43");
  EXPECT_EQ(warnings_.size(), 3u);
  EXPECT_EQ(log->events_written(), 2u);
}

TEST_F(LogFiles, RecordsThatFitBeforeTheDiskWasFullStay) {
  auto log = open();
  log->add(kEvent);
  log->flush(moment(2));
  const uint64_t size = fs::file_size(path());
  log->add(kEvent);
  log->flush(moment(3));
  const uint64_t line = fs::file_size(path()) - size;
  {
    const FileSizeLimit limit(fs::file_size(path()) + line + line / 2);
    for (int i = 0; i < 3; ++i) log->add(kEvent);
    log->flush(moment(4));
  }
  log->add(kEvent);
  log->flush(moment(5));
  EXPECT_EQ(summary(read_file(path())), "header#0:1 event@1 event@2 event@3 disk@4:2 event@6");
}

TEST_F(LogFiles, TheDiskIsNotTriedAgainAtOnce) {
  auto log = open();
  {
    const FileSizeLimit limit(fs::file_size(path()));
    log->add(kEvent);
    log->flush(moment(2));
  }
  log->add(kEvent);
  log->flush({moment(2).boottime_ns + 50'000'000, moment(2).realtime_ns});
  EXPECT_EQ(log->events_dropped(), 2u);
  log->flush({moment(2).boottime_ns + 100'000'000, moment(2).realtime_ns});
  EXPECT_EQ(summary(read_file(path())), "header#0:1 disk@1:2");
}

TEST_F(LogFiles, AHeaderThatDidNotFitIsWrittenFirstLater) {
  std::unique_ptr<LogFile> log;
  {
    const FileSizeLimit limit(20);
    log = open();
    log->add(kEvent);
    log->flush(moment(2));
    EXPECT_EQ(read_file(path()), "");
  }
  log->flush(moment(3));
  EXPECT_EQ(summary(read_file(path())), "header#0:1 disk@1:1");
}

TEST_F(LogFiles, AKeyframeHoldsTheTableAndComesAgainAfterTheInterval) {
  table_ = {test::holder("127.0.0.1:80", State::listen, test::process(1, "a"), 3, kSecond),
            test::holder("127.0.0.1:81", State::listen, test::process(2, "b"), 3, kSecond)};
  auto log = open();
  EXPECT_EQ(summary(read_file(path())), "header#0:1 key@1 row@2 row@3 end@4");
  log->flush(moment(302));
  EXPECT_EQ(summary(read_file(path())),
            "header#0:1 key@1 row@2 row@3 end@4");  // at most a fifth of the bytes
  for (int i = 0; i < 30; ++i) log->add(kEvent);
  log->flush(moment(303));
  log->flush(moment(304));
  log->flush(moment(305));
  EXPECT_TRUE(summary(read_file(path())).ends_with(" event@34 key@35 row@36 row@37 end@38"));
}

TEST_F(LogFiles, AKeyframeComesSoonerAfterManyEvents) {
  table_ = {test::holder("127.0.0.1:80", State::listen, test::process(1, "a"), 3, kSecond)};
  LogFileOptions options;
  options.keyframe_every_bytes = 16 << 10;
  auto log = open(std::move(options));
  for (int i = 0; i < 8; ++i) log->add(kEvent);
  log->flush(moment(2));
  log->flush(moment(3));
  EXPECT_EQ(summary(read_file(path())).find(" key@", 12), std::string::npos);
  for (int i = 0; i < 60; ++i) log->add(kEvent);
  log->flush(moment(4));
  log->flush(moment(5));
  EXPECT_TRUE(summary(read_file(path())).ends_with(" event@71 key@72 row@73 end@74"));
}

}  // namespace
}  // namespace socktrace::sink
