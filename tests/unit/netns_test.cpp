#include "sys/netns.h"

#include <gtest/gtest.h>

#include "enrich/netns_name.h"
#include "support/temp_tree.h"
#include "sys/file.h"

namespace socktrace::sys {
namespace {

const std::string kId = "4f1c6a5b0e3d2c7f8a9b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b9c0d1e2f";

class NetnsTest : public testing::Test {
 protected:
  void process(uint32_t pid, uint32_t netns, const std::string& cgroup = "/") {
    const std::string dir = std::to_string(pid);
    tree_.link(dir + "/ns/net", "net:[" + std::to_string(netns) + "]")
        .file(dir + "/cgroup", "0::" + cgroup + "\n");
  }
  Procfs procfs() { return std::move(Procfs::open(tree_.root().c_str()).value()); }
  std::vector<NetNamespace> collect(const std::string& mountinfo, uint32_t own) {
    return collect_netns(procfs(), tree_.root(), parse_mountinfo(mountinfo), own);
  }
  // "INODE=NAME INODE=NAME ..." in the order of the list
  std::string names(const std::vector<NetNamespace>& list) {
    std::string text;
    for (const NetNamespace& netns : list)
      text += std::to_string(netns.inode) + "=" + enrich::netns_name(netns, procfs()) + " ";
    return text;
  }
  test::TempTree tree_;
};

TEST_F(NetnsTest, EachNamespaceIsListedOnceAndOursFirst) {
  process(1, 300);
  process(20, 200, "/system.slice/docker-" + kId + ".scope");
  process(21, 200);
  process(30, 100, "/system.slice/private.service");
  process(31, 500, "/user.slice");
  const auto list = collect(
      "1 1 0:4 net:[400] /run/netns/blue rw - nsfs nsfs rw\n"
      "2 1 0:4 net:[400] /var/run/netns/blue rw - nsfs nsfs rw\n"
      "3 1 0:4 net:[200] /run/docker/netns/1a2b3c rw - nsfs nsfs rw\n"
      "4 1 0:4 mnt:[999] /run/snapd/ns/x.mnt rw - nsfs nsfs rw\n",
      300);
  EXPECT_EQ(names(list), "300=host 100=private.service 200=4f1c6a5b0e3d 400=blue 500=500 ");
  EXPECT_EQ(list[2].paths, (std::vector<std::string>{"/run/docker/netns/1a2b3c", tree_.path("20/ns/net"),
                                                     tree_.path("21/ns/net")}));
  EXPECT_EQ(list[2].pid, 20U);
}

TEST_F(NetnsTest, InsideANamedNamespaceTheFirstIsCalledHost) {
  process(1, 300);
  process(40, 400);
  EXPECT_EQ(names(collect("1 1 0:4 net:[400] /run/netns/blue rw - nsfs nsfs rw\n", 400)),
            "400=blue 300=host ");
}

TEST_F(NetnsTest, TheInitialNamespaceIsKnownByItsFixedNumber) {
  process(40, 400);
  process(50, 4026531833);
  EXPECT_EQ(names(collect("", 400)), "400=400 4026531833=host ");
}

TEST_F(NetnsTest, ReusedPidDoesNotLendItsName) {
  process(1, 300);
  process(20, 200, "/system.slice/first.service");
  const auto list = collect("", 300);
  tree_.remove("20");
  process(20, 201, "/system.slice/second.service");
  EXPECT_EQ(names(list), "300=host 200=200 ");
}

TEST_F(NetnsTest, NumberOfPathsIsBounded) {
  for (uint32_t pid = 1; pid <= 9; ++pid) process(pid, 300);
  const auto list = collect("", 300);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].paths.size(), 4U);
}

TEST(Netns, OursIsRunInDirectly) {
  NetNamespace own;
  own.inode = current_netns().value();
  const auto answer = in_netns(own, []() -> Result<int> { return 42; });
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, 42);
  const auto failed = in_netns(own, []() -> Result<void> { return Error{"from inside"}; });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "from inside");
}

TEST(Netns, AVanishedNamespaceIsGoneAndItsWorkIsNotDone) {
  test::TempTree tree;
  tree.file("20/ns/net", "a file with another inode number than the namespace");
  NetNamespace vanished;
  vanished.inode = 1;
  vanished.paths = {tree.path("20/ns/net"), tree.path("21/ns/net")};
  bool called = false;
  const auto result = run_in_netns(vanished, [&] { called = true; });
  ASSERT_FALSE(result);
  EXPECT_TRUE(is_gone(result.error()));
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace socktrace::sys
