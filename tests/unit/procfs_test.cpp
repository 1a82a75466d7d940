#include "sys/procfs.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "support/temp_tree.h"
#include "sys/clock.h"
#include "sys/file.h"

namespace socktrace::sys {
namespace {

// Fields 3 to 22 of a stat file and a few more.
std::string stat_line(const std::string& name, const std::string& start = "3471") {
  return "1234 (" + name + ") S 77 1234 1234 0 -1 4194560 931 0 0 0 3 4 0 0 20 0 1 0 " + start +
         " 5988352 911 18446744073709551615 1 1\n";
}

TEST(Procfs, StatNameEndsAtTheLastParenthesis) {
  const auto stat = parse_process_stat(stat_line("a) R 1 (b"));
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->name, "a) R 1 (b");
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 77U);
  EXPECT_EQ(stat->start_ticks, 3471U);
}

TEST(Procfs, StatNameMayHoldAnyByte) {
  for (const std::string& name : {std::string("\n1 (x) R 9"), std::string("\x1b[31m\x07"), std::string(")"),
                                  std::string(""), std::string("\xff\xfe \t")}) {
    const auto stat = parse_process_stat(stat_line(name));
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->name, name);
    EXPECT_EQ(stat->start_ticks, 3471U);
  }
}

TEST(Procfs, DamagedStatIsRefused) {
  const std::string whole = stat_line("sh");
  ASSERT_TRUE(parse_process_stat(whole));
  for (const char* text : {"", "12", "12 (sh", "12 sh) S 1", "12 (sh) S", ") 12 ("})
    EXPECT_FALSE(parse_process_stat(text)) << text;
  EXPECT_FALSE(parse_process_stat(whole.substr(0, whole.find("3471"))));
  EXPECT_FALSE(parse_process_stat(stat_line("sh", "-1")));
  EXPECT_FALSE(parse_process_stat(stat_line("sh", "99999999999999999999999")));
}

TEST(Procfs, EffectiveUidIsTheSecondAndCannotBeForgedByTheName) {
  EXPECT_EQ(parse_effective_uid("Name:\tx\\nUid:\t0\t0\nUmask:\t0022\nUid:\t1000\t33\t33\t33\n"), 33U);
  EXPECT_FALSE(parse_effective_uid("Name:\tx\nState:\tS\n"));
  EXPECT_FALSE(parse_effective_uid("Name:\tx\nUid:\t1000\n"));
}

TEST(Procfs, InodeLinksAreParsedStrictly) {
  EXPECT_EQ(parse_inode_link("socket:[4294967295]", "socket"), 4294967295U);
  EXPECT_EQ(parse_inode_link("net:[4026531840]", "net"), 4026531840U);
  for (const char* text : {"socket:[4294967296]", "socket:[12", "socket:[]", "socket:[-1]", "/tmp/socket:[1]",
                           "socket:[1] (deleted)", "socket:", "pipe:[12]", ""})
    EXPECT_FALSE(parse_inode_link(text, "socket")) << text;
}

class ProcfsTree : public testing::Test {
 protected:
  Procfs open() { return std::move(Procfs::open(tree_.root().c_str()).value()); }
  test::TempTree tree_;
};

TEST_F(ProcfsTree, ReadsEverythingAboutAProcess) {
  tree_.file("1234/stat", stat_line("evil) \x1b[2J"))
      .file("1234/status", "Name:\tx\nUid:\t0\t1000\t0\t0\n")
      .file("1234/cgroup", "0::/system.slice/x.service\n")
      .file("1234/cmdline", std::string_view("x\0-f\0", 5))
      .link("1234/exe", "/usr/bin/x (deleted)")
      .link("1234/ns/net", "net:[4026531840]");
  const auto process = open().process(1234);
  ASSERT_TRUE(process);
  const auto stat = process->stat();
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->name, "evil) \x1b[2J");
  EXPECT_EQ(process->start_ns(*stat) + static_cast<uint64_t>(boottime_shift_ns()),
            3471 * (1'000'000'000ULL / static_cast<uint64_t>(sysconf(_SC_CLK_TCK))));
  EXPECT_EQ(process->effective_uid().value(), 1000U);
  EXPECT_EQ(process->cgroup().value(), "0::/system.slice/x.service\n");
  EXPECT_EQ(process->arguments().value(), std::string("x\0-f\0", 5));
  EXPECT_EQ(process->executable().value(), "/usr/bin/x (deleted)");
  EXPECT_EQ(process->net_namespace().value(), 4026531840U);
}

TEST_F(ProcfsTree, ListsOnlyProcesses) {
  tree_.directory("20").directory("3").directory("100").directory("self").directory("1x").file("uptime",
                                                                                               "1 1");
  EXPECT_EQ(open().pids().value(), (std::vector<uint32_t>{3, 20, 100}));
}

TEST_F(ProcfsTree, ListsSocketDescriptorsOnly) {
  tree_.link("7/fd/0", "/dev/null")
      .link("7/fd/3", "socket:[4099]")
      .link("7/fd/4", "socket:[12] or so")
      .link("7/fd/5", "/tmp/socket:[5]")
      .link("7/fd/17", "socket:[4100]");
  const auto process = open().process(7);
  ASSERT_TRUE(process);
  const auto fds = process->descriptors();
  ASSERT_TRUE(fds);
  EXPECT_EQ(fds->list().value(), (std::vector<int32_t>{0, 3, 4, 5, 17}));
  EXPECT_EQ(fds->socket_inode(3).value(), 4099U);
  EXPECT_EQ(fds->socket_inode(17).value(), 4100U);
  for (const int32_t other : {0, 4, 5}) EXPECT_EQ(fds->socket_inode(other).value(), 0U) << other;
  const auto closed = fds->socket_inode(6);
  ASSERT_FALSE(closed);
  EXPECT_TRUE(is_gone(closed.error()));
}

TEST_F(ProcfsTree, TellsGoneFromDenied) {
  const auto absent = open().process(5);
  ASSERT_FALSE(absent);
  EXPECT_TRUE(is_gone(absent.error()));
  EXPECT_FALSE(is_denied(absent.error()));

  tree_.directory("6/fd");
  const auto process = open().process(6);
  ASSERT_TRUE(process);
  tree_.remove("6");
  const auto stat = process->stat();
  ASSERT_FALSE(stat);
  EXPECT_TRUE(is_gone(stat.error()));
  EXPECT_EQ(stat.error().message, "process 6: open stat: No such file or directory");
  EXPECT_TRUE(is_denied(Error::system("x", EACCES)));
  EXPECT_FALSE(is_gone(Error::system("x", EACCES)));
}

TEST_F(ProcfsTree, OpenDirectoryNeverShowsALaterProcessWithTheNumber) {
  tree_.file("8/stat", stat_line("old"));
  const auto process = open().process(8);
  ASSERT_TRUE(process);
  tree_.remove("8").file("8/stat", stat_line("new"));
  EXPECT_FALSE(process->stat());
}

TEST(Procfs, SeesItsOwnSockets) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const UniqueFd first(pair[0]);
  const UniqueFd second(pair[1]);
  const auto procfs = Procfs::open();
  ASSERT_TRUE(procfs);
  const auto self = procfs->process(static_cast<uint32_t>(getpid()));
  ASSERT_TRUE(self);
  const auto fds = self->descriptors();
  ASSERT_TRUE(fds);
  struct stat status {};
  ASSERT_EQ(fstat(pair[1], &status), 0);
  EXPECT_EQ(fds->socket_inode(pair[1]).value(), status.st_ino);
  const auto list = fds->list();
  ASSERT_TRUE(list);
  EXPECT_TRUE(std::binary_search(list->begin(), list->end(), pair[0]));
  const auto stat = self->stat();
  ASSERT_TRUE(stat);
  EXPECT_GT(self->start_ns(*stat), 0U);
  EXPECT_LE(self->start_ns(*stat), boottime_ns());
  EXPECT_EQ(self->effective_uid().value(), geteuid());
}

}  // namespace
}  // namespace socktrace::sys
