#include "sys/mounts.h"

#include <gtest/gtest.h>

#include "support/temp_tree.h"

namespace socktrace::sys {
namespace {

constexpr const char* kHybrid =
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 master:1 - cgroup2 cgroup2 rw\n";

TEST(Mounts, TagsBeforeTheDashAreOptional) {
  const auto mounts = parse_mountinfo(kHybrid);
  ASSERT_EQ(mounts.size(), 4U);
  EXPECT_EQ(mounts[1].type, "tmpfs");
  EXPECT_EQ(mounts[1].super_options, "rw,mode=755");
  EXPECT_EQ(mounts[3].type, "cgroup2");
  EXPECT_EQ(mounts[3].point, "/sys/fs/cgroup/unified");
}

TEST(Mounts, OctalEscapesAreUndone) {
  const auto mounts = parse_mountinfo("1 1 0:1 /a\\134b /my\\040dir\\011x\\012- rw - ext4 /dev/x rw\n");
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].root, "/a\\b");
  EXPECT_EQ(mounts[0].point, "/my dir\tx\n-");
  EXPECT_EQ(parse_mountinfo("1 1 0:1 / /x\\09 rw - t s o")[0].point, "/x\\09");
  EXPECT_EQ(parse_mountinfo("1 1 0:1 / /x\\04 rw - t s o")[0].point, "/x\\04");
}

TEST(Mounts, MalformedLinesArePassedOver) {
  EXPECT_TRUE(parse_mountinfo("").empty());
  EXPECT_TRUE(parse_mountinfo("\n\n1 2 3\n1 2 0:1 / /x rw shared:1\n1 2 0:1 / /x rw -\n").empty());
}

TEST(Mounts, FindsCgroup2WhereverItIs) {
  EXPECT_EQ(find_cgroup2(parse_mountinfo(kHybrid)).value(), "/sys/fs/cgroup/unified");
  EXPECT_EQ(find_cgroup2(parse_mountinfo("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw")).value(),
            "/sys/fs/cgroup");
}

TEST(Mounts, PrefersTheMountOfTheWholeHierarchy) {
  const auto mounts = parse_mountinfo(
      "50 23 0:26 /docker/abc /var/lib/x/cgroup rw - cgroup2 cgroup rw\n"
      "51 23 0:26 / /mnt/c rw - cgroup2 none rw\n");
  EXPECT_EQ(find_cgroup2(mounts).value(), "/mnt/c");
}

TEST(Mounts, SaysWhatToDoWithoutCgroup2) {
  const auto absent = find_cgroup2(parse_mountinfo("22 27 0:21 / /proc rw - proc proc rw\n"));
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(absent.error().message,
            "cgroup2 is not mounted; mount it: mkdir -p /run/cgroup2 && mount -t cgroup2 none /run/cgroup2");
  const auto part =
      find_cgroup2(parse_mountinfo("50 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n"));
  ASSERT_FALSE(part);
  EXPECT_EQ(part.error().message,
            "only a part of cgroup2 (/docker/abc) is mounted, at /sys/fs/cgroup; run outside the container, "
            "or mount "
            "all of it: mount -t cgroup2 none /mnt");
}

TEST(Mounts, FindsTracefsInEitherPlace) {
  const std::string debugfs = "60 23 0:7 / /sys/kernel/debug rw - debugfs debugfs rw\n";
  EXPECT_EQ(
      find_tracefs(parse_mountinfo(debugfs + "61 23 0:8 / /sys/kernel/tracing rw - tracefs tracefs rw\n"))
          .value(),
      "/sys/kernel/tracing");
  EXPECT_EQ(find_tracefs(parse_mountinfo(debugfs)).value(), "/sys/kernel/debug/tracing");
  EXPECT_FALSE(find_tracefs({}));
}

TEST(Mounts, KnowsWhenProcessesAreHidden) {
  const auto with = [](const std::string& options) {
    return hides_processes(parse_mountinfo("22 27 0:21 / /proc rw - proc proc " + options + "\n"));
  };
  EXPECT_FALSE(with("rw"));
  EXPECT_FALSE(with("rw,hidepid=0"));
  EXPECT_FALSE(with("rw,hidepid=off"));
  EXPECT_TRUE(with("rw,hidepid=2"));
  EXPECT_TRUE(with("rw,gid=4,hidepid=invisible"));
}

TEST(Mounts, ReadsTheListOfAnyProcess) {
  test::TempTree tree;
  tree.file("mountinfo", kHybrid);
  EXPECT_EQ(read_mounts(tree.path("mountinfo").c_str()).value().size(), 4U);
  const auto absent = read_mounts(tree.path("none").c_str());
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().message,
            "list of mounts: open " + tree.path("none") + ": No such file or directory");
}

}  // namespace
}  // namespace socktrace::sys
