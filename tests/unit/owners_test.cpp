#include "source/owners.h"

#include <gtest/gtest.h>
#include <linux/in.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "support/temp_tree.h"
#include "sys/clock.h"

namespace socktrace::source {
namespace {

st_open_socket open_socket(uint32_t pid, int32_t fd, uint32_t inode, uint64_t cookie,
                           const char* comm = "app") {
  st_open_socket socket{};
  socket.pid = pid;
  socket.fd = fd;
  socket.inode = inode;
  socket.cookie = cookie;
  socket.start_ns = 1000 + pid;
  std::strncpy(reinterpret_cast<char*>(socket.comm), comm, sizeof socket.comm - 1);
  return socket;
}

// "pid/fd pid/fd ..."
std::string text(const OwnerMap& owners, std::span<const SocketOwner> found) {
  std::string text;
  for (const SocketOwner& owner : found) {
    if (!text.empty()) text += ' ';
    text += std::to_string(owners.holder(owner).pid) + "/" + std::to_string(owner.fd);
  }
  return text;
}

Socket tcp(State state, uint32_t inode) {
  Socket socket;
  socket.family = Family::inet;
  socket.protocol = IPPROTO_TCP;
  socket.state = state;
  socket.inode = inode;
  return socket;
}

ProcessRef describe(const SocketHolder& holder) {
  Process process;
  process.pid = holder.pid;
  process.start_ns = holder.start_ns;
  process.name = holder.comm();
  return std::make_shared<Process>(std::move(process));
}

TEST(Owners, FindsAllDescriptorsOfASharedSocket) {
  OwnerMap owners;
  owners.add(open_socket(10, 3, 700, 1));
  owners.add(open_socket(10, 5, 701, 2));
  owners.add(open_socket(10, 9, 700, 1));
  owners.add(open_socket(20, 3, 700, 1));
  owners.add(open_socket(20, 4, 699, 3));
  owners.seal();
  EXPECT_EQ(text(owners, owners.find(700, 1)), "10/3 10/9 20/3");
  EXPECT_EQ(text(owners, owners.find(701, 2)), "10/5");
  EXPECT_EQ(text(owners, owners.find(698, 2)), "");
  EXPECT_EQ(text(owners, owners.find(702, 2)), "");
}

TEST(Owners, CookieDecidesWhereAnInodeIsAmbiguous) {
  OwnerMap owners;
  owners.add(open_socket(10, 3, 700, 5));
  owners.add(open_socket(20, 3, 700, 6));
  owners.seal();
  EXPECT_EQ(text(owners, owners.find(700, 6)), "20/3");
  EXPECT_EQ(text(owners, owners.find(700, 5)), "10/3");
}

TEST(Owners, MptcpSubflowIsFoundByTheInodeOfItsSocket) {
  OwnerMap owners;
  owners.add(open_socket(10, 3, 700, 5));
  owners.seal();
  EXPECT_EQ(text(owners, owners.find(700, 77)), "10/3");
}

TEST(Owners, WithoutCookiesTheInodeIsEnough) {
  OwnerMap owners;
  owners.add({10, 1, {'a'}}, std::vector<SocketDescriptor>{{3, 700}, {4, 701}});
  owners.add({11, 1, {'b'}}, {});
  owners.seal();
  EXPECT_EQ(text(owners, owners.find(700, 99)), "10/3");
  EXPECT_EQ(text(owners, owners.find(701, 0)), "10/4");
  EXPECT_EQ(owners.size(), 2U);
}

TEST(Owners, SocketsWithoutInodeShareNothing) {
  OwnerMap owners;
  owners.add(open_socket(10, 3, 0, 5));
  owners.seal();
  EXPECT_TRUE(owners.find(0, 5).empty());
}

TEST(Owners, SamePidWithAnotherStartIsAnotherHolder) {
  OwnerMap owners;
  st_open_socket first = open_socket(10, 3, 700, 1, "first");
  st_open_socket second = open_socket(10, 3, 701, 2, "second");
  second.start_ns = first.start_ns + 1;
  owners.add(first);
  owners.add(second);
  owners.seal();
  EXPECT_EQ(owners.holder(owners.find(700, 1)[0]).comm(), "first");
  EXPECT_EQ(owners.holder(owners.find(701, 2)[0]).comm(), "second");
}

TEST(Owners, EntriesStaySmall) {
  EXPECT_LE(sizeof(SocketOwner), 24U);
}

TEST(Owners, ExplainsWhyThereIsNone) {
  OwnerMap owners;
  owners.seal();
  EXPECT_EQ(owners.why_none(tcp(State::established, 0)), NoOwner::unaccepted);
  EXPECT_EQ(owners.why_none(tcp(State::close_wait, 0)), NoOwner::unaccepted);
  EXPECT_EQ(owners.why_none(tcp(State::syn_recv, 0)), NoOwner::unaccepted);
  EXPECT_EQ(owners.why_none(tcp(State::time_wait, 0)), NoOwner::exited);
  EXPECT_EQ(owners.why_none(tcp(State::fin_wait_1, 0)), NoOwner::exited);
  EXPECT_EQ(owners.why_none(tcp(State::last_ack, 0)), NoOwner::exited);
  EXPECT_EQ(owners.why_none(tcp(State::established, 700)), NoOwner::kernel);
  owners.add_unreadable_process();
  EXPECT_EQ(owners.why_none(tcp(State::established, 700)), NoOwner::permission);
  EXPECT_EQ(owners.why_none(tcp(State::time_wait, 0)), NoOwner::exited);  // no permission would help
  Socket udp = tcp(State::close, 0);
  udp.protocol = IPPROTO_UDP;
  EXPECT_EQ(owners.why_none(udp), NoOwner::kernel);
}

TEST(Owners, AttributionSetsOwnersAndOptions) {
  OwnerMap owners;
  st_open_socket listener = open_socket(10, 6, 700, 5, "nginx");
  listener.options = ST_O_KNOWN | ST_O_REUSEADDR;
  owners.add(listener);
  owners.add(open_socket(11, 6, 700, 5, "nginx"));
  owners.seal();
  Socket socket = tcp(State::listen, 700);
  socket.key.cookie = 5;
  attribute(socket, owners, describe);
  ASSERT_EQ(socket.owners.size(), 2U);
  EXPECT_EQ(socket.owners[0].process->name, "nginx");
  EXPECT_EQ(socket.owners[0].fd, 6);
  EXPECT_EQ(socket.owners[0].source, OwnerSource::descriptor);
  EXPECT_EQ(socket.owners[1].process->pid, 11U);
  EXPECT_TRUE(socket.options.known);
  EXPECT_TRUE(socket.options.reuse_address);
  EXPECT_FALSE(socket.options.reuse_port);
}

TEST(Owners, AttributionTakesNoOptionsFromTheParentOfASubflow) {
  OwnerMap owners;
  st_open_socket parent = open_socket(10, 6, 700, 5);
  parent.options = ST_O_KNOWN | ST_O_REUSEADDR;
  owners.add(parent);
  owners.seal();
  Socket subflow = tcp(State::established, 700);
  subflow.key.cookie = 6;
  attribute(subflow, owners, describe);
  EXPECT_EQ(subflow.owners.size(), 1U);
  EXPECT_FALSE(subflow.options.known);
}

TEST(Owners, AttributionReplacesWhatWasThere) {
  OwnerMap owners;
  owners.seal();
  Socket socket = tcp(State::time_wait, 0);
  socket.owners.resize(3);
  attribute(socket, owners, describe);
  EXPECT_TRUE(socket.owners.empty());
  EXPECT_EQ(socket.no_owner, NoOwner::exited);
}

TEST(Owners, AFailedFeedIsNoMap) {
  const auto owners = owners_from([](const auto&) -> Result<void> { return Error{"no iterator"}; });
  ASSERT_FALSE(owners);
  EXPECT_EQ(owners.error().message, "owners of sockets: no iterator");
  const auto fed = owners_from([](const auto& add) -> Result<void> {
    add(open_socket(10, 3, 700, 1));
    return {};
  });
  ASSERT_TRUE(fed);
  EXPECT_EQ(text(*fed, fed->find(700, 1)), "10/3");
}

TEST(Owners, ScanReadsAFakeProc) {
  test::TempTree tree;
  const std::string rest = " S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 500 0\n";
  tree.file("30/stat", "30 (we) b\x1b[0m)" + rest)
      .link("30/fd/0", "/dev/null")
      .link("30/fd/3", "socket:[700]")
      .link("30/fd/4", "anon_inode:[eventpoll]")
      .file("4/stat", "4 (a name of a kernel worker)" + rest)
      .link("4/fd/7", "socket:[700]")
      .file("5/stat", "5 (noth)" + rest)
      .directory("5/fd")
      .link("6/fd/3", "socket:[701]")  // ended before its stat file was read
      .file("7/stat", "7 (gone)" + rest);
  const auto owners = scan_owners(*sys::Procfs::open(tree.root().c_str()));
  ASSERT_TRUE(owners);
  EXPECT_EQ(text(*owners, owners->find(700, 9)), "4/7 30/3");
  EXPECT_EQ(owners->size(), 2U);
  EXPECT_EQ(owners->unreadable_processes(), 0U);
  const auto found = owners->find(700, 9);
  EXPECT_EQ(owners->holder(found[0]).comm(), "a name of a ker");
  EXPECT_EQ(owners->holder(found[1]).comm(), "we) b\x1b[0m");
  EXPECT_EQ(owners->holder(found[1]).start_ns + static_cast<uint64_t>(sys::boottime_shift_ns()),
            5'000'000'000U);
}

TEST(Owners, ScanSharesLargeProcessesAmongThreads) {
  test::TempTree tree;
  for (int fd = 0; fd < 1100; ++fd) {
    tree.link("30/fd/" + std::to_string(fd),
              fd % 2 == 0 ? "socket:[" + std::to_string(9000 + fd) + "]" : "pipe:[1]");
  }
  tree.file("30/stat", "30 (big) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 500 0\n")
      .file("31/stat", "31 (small) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 500 0\n")
      .link("31/fd/9", "socket:[9000]");
  for (const unsigned threads : {1U, 3U}) {
    const auto owners = scan_owners(*sys::Procfs::open(tree.root().c_str()), threads);
    ASSERT_TRUE(owners);
    EXPECT_EQ(owners->size(), 551U);
    EXPECT_EQ(text(*owners, owners->find(9000, 0)), "30/0 31/9");
    EXPECT_EQ(text(*owners, owners->find(9000 + 1098, 0)), "30/1098");
    EXPECT_EQ(text(*owners, owners->find(9001, 0)), "");
  }
}

// They would look like processes without sockets.
TEST(Owners, ScanWithoutDescriptorsIsAnError) {
  test::TempTree tree;
  tree.file("30/stat", "30 (holds) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 500 0\n")
      .link("30/fd/0", "socket:[9000]");
  const Result<sys::Procfs> procfs = sys::Procfs::open(tree.root().c_str());
  ASSERT_TRUE(procfs);
  rlimit usual{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
  const rlimit none{0, usual.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const Result<OwnerMap> owners = scan_owners(*procfs);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
  ASSERT_FALSE(owners);
  EXPECT_EQ(owners.error().code, EMFILE);
}

TEST(Owners, ScanCountsProcessesItMayNotRead) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  test::TempTree tree;
  tree.directory("30/fd");
  ASSERT_EQ(chmod(tree.path("30/fd").c_str(), 0), 0);
  const auto owners = scan_owners(*sys::Procfs::open(tree.root().c_str()));
  ASSERT_TRUE(owners);
  EXPECT_EQ(owners->unreadable_processes(), 1U);
}

}  // namespace
}  // namespace socktrace::source
