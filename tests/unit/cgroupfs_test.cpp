#include "sys/cgroupfs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/temp_tree.h"

namespace socktrace::sys {
namespace {

// A directory tree stands in for cgroup2: there too a directory's inode number is the cgroup's id.
class CgroupTreeTest : public testing::Test {
 protected:
  UniqueFd open() { return UniqueFd(::open(tree_.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }
  uint64_t id(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(stat(tree_.path(path).c_str(), &status), 0);
    return status.st_ino;
  }
  test::TempTree tree_;
};

TEST_F(CgroupTreeTest, NamesCgroupsByTheirId) {
  tree_.directory("system.slice/nginx.service")
      .directory("user.slice")
      .file("system.slice/cgroup.procs", "1\n");
  CgroupTree cgroups(open());
  EXPECT_EQ(cgroups.path(id("system.slice/nginx.service")), "/system.slice/nginx.service");
  EXPECT_EQ(cgroups.path(id("user.slice")), "/user.slice");
  EXPECT_EQ(cgroups.path(id(".")), "/");
  EXPECT_EQ(cgroups.path(0), "");
}

TEST_F(CgroupTreeTest, ARemovedCgroupKeepsItsName) {
  tree_.directory("a/b");
  const uint64_t removed = id("a/b");
  CgroupTree cgroups(open());
  EXPECT_EQ(cgroups.path(removed), "/a/b");
  tree_.remove("a");
  EXPECT_EQ(cgroups.path(removed), "/a/b");
}

TEST_F(CgroupTreeTest, FindsACgroupMadeLater) {
  CgroupTree cgroups(open(), 0);
  EXPECT_EQ(cgroups.path(1), "");
  tree_.directory("late");
  EXPECT_EQ(cgroups.path(id("late")), "/late");
}

TEST_F(CgroupTreeTest, UnknownIdsDoNotCauseAWalkEach) {
  CgroupTree cgroups(open(), UINT64_MAX);
  EXPECT_EQ(cgroups.path(1), "");
  tree_.directory("late");
  EXPECT_EQ(cgroups.path(id("late")), "");
}

TEST_F(CgroupTreeTest, RemembersOnlyWhatIsTrue) {
  tree_.directory("a").directory("b");
  CgroupTree cgroups(open(), UINT64_MAX);
  cgroups.remember(id("a"), "/b");  // the process had moved between the event and the look into /proc
  EXPECT_EQ(cgroups.path(id("a")), "/a");
  CgroupTree without_cgroup2;
  without_cgroup2.remember(7, "/x");
  EXPECT_EQ(without_cgroup2.path(7), "/x");
  EXPECT_EQ(without_cgroup2.path(8), "");
}

}  // namespace
}  // namespace socktrace::sys
