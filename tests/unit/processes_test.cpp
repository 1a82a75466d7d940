#include "enrich/processes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/temp_tree.h"
#include "sys/clock.h"

namespace socktrace::enrich {
namespace {

constexpr uint64_t kTick_ns = 10'000'000;

class ProcessesTest : public testing::Test {
 protected:
  // A process that started at `ticks` clock ticks after boot, as /proc shows it.
  void live(uint32_t pid, const std::string& name, uint64_t ticks, const std::string& cgroup = "/") {
    const std::string dir = "proc/" + std::to_string(pid);
    ticks += static_cast<uint64_t>(sys::boottime_shift_ns()) / kTick_ns;
    tree_.remove(dir)
        .file(dir + "/stat", std::to_string(pid) + " (" + name +
                                 ") S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 " + std::to_string(ticks) +
                                 " 0\n")
        .file(dir + "/status", "Name:\tx\nUid:\t0\t33\t0\t0\n")
        .file(dir + "/cgroup", "0::" + cgroup + "\n")
        .link(dir + "/exe", "/usr/bin/" + name);
  }

  static Task task(uint32_t pid, const std::string& name, uint64_t start_ns, uint64_t cgroup_id = 0) {
    Task task;
    task.pid = task.tid = pid;
    task.comm = name;
    task.start_ns = start_ns;
    task.uid = 33;
    task.cgroup_id = cgroup_id;
    return task;
  }

  Processes processes(size_t capacity = 64) {
    tree_.directory("proc").directory("cgroup");
    sys::UniqueFd cgroups(open(tree_.path("cgroup").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    Users users([this](uint32_t uid) {
      ++user_look_ups_;
      return uid == 33 ? "www-data" : "";
    });
    return Processes(std::move(sys::Procfs::open(tree_.path("proc").c_str()).value()),
                     sys::CgroupTree(std::move(cgroups), 0), std::move(users), capacity);
  }

  uint64_t cgroup_id(const std::string& path) {
    tree_.directory("cgroup" + path);
    struct stat status {};
    EXPECT_EQ(stat(tree_.path("cgroup" + path).c_str(), &status), 0);
    return status.st_ino;
  }

  test::TempTree tree_;
  int user_look_ups_ = 0;
};

TEST_F(ProcessesTest, DescribesALivingProcess) {
  live(991, "nginx", 500, "/system.slice/nginx.service");
  auto known = processes();
  const ProcessRef process = known.find(task(991, "nginx", 500 * kTick_ns + 1234));
  EXPECT_EQ(process->pid, 991U);
  EXPECT_EQ(process->start_ns, 500 * kTick_ns + 1234);
  EXPECT_EQ(process->name, "nginx");
  EXPECT_EQ(process->executable, "/usr/bin/nginx");
  EXPECT_EQ(process->uid, 33U);
  EXPECT_EQ(process->user, "www-data");
  EXPECT_EQ(process->cgroup, "/system.slice/nginx.service");
  EXPECT_EQ(process->unit, "nginx.service");
  EXPECT_EQ(process->container, "");
}

TEST_F(ProcessesTest, AHitIsTheSameObjectAndLooksAtNothing) {
  live(991, "nginx", 500);
  auto known = processes();
  const ProcessRef process = known.find(task(991, "nginx", 500 * kTick_ns + 1234));
  tree_.remove("proc/991");
  EXPECT_EQ(known.find(task(991, "nginx", 500 * kTick_ns + 1234)), process);
  EXPECT_EQ(known.find(991, 500 * kTick_ns + 1234, "nginx"), process);
  EXPECT_EQ(known.find(991, 500 * kTick_ns), process);  // as a scan of /proc knows it
  EXPECT_EQ(user_look_ups_, 1);
}

TEST_F(ProcessesTest, AGoneProcessIsBuiltFromTheKernelsFacts) {
  auto known = processes();
  const uint64_t id = cgroup_id("/system.slice/job.service");
  const ProcessRef process = known.find(task(4242, "job\x1b[31m", 777'777'777, id));
  EXPECT_EQ(process->pid, 4242U);
  EXPECT_EQ(process->start_ns, 777'777'777U);
  EXPECT_EQ(process->name, "job\x1b[31m");
  EXPECT_EQ(process->executable, "");
  EXPECT_EQ(process->user, "www-data");
  EXPECT_EQ(process->cgroup, "/system.slice/job.service");
  EXPECT_EQ(process->unit, "job.service");
  EXPECT_EQ(known.find(task(4242, "job\x1b[31m", 777'777'777, id)), process);
}

TEST_F(ProcessesTest, ALaterProcessWithTheNumberIsNeverMixedIn) {
  live(50, "later", 900, "/system.slice/later.service");
  auto known = processes();
  const ProcessRef earlier = known.find(task(50, "earlier", 500 * kTick_ns + 1));
  EXPECT_EQ(earlier->name, "earlier");
  EXPECT_EQ(earlier->executable, "");
  EXPECT_EQ(earlier->unit, "");
  const ProcessRef later = known.find(task(50, "later", 900 * kTick_ns + 1));
  EXPECT_EQ(later->executable, "/usr/bin/later");
  EXPECT_EQ(later->unit, "later.service");
  EXPECT_EQ(known.find(task(50, "earlier", 500 * kTick_ns + 1))->executable, "");
}

TEST_F(ProcessesTest, ReuseOfANumberWithinOneClockTickIsSeen) {
  auto known = processes();
  const ProcessRef first = known.find(task(50, "job", 500 * kTick_ns + 1));
  const ProcessRef second = known.find(task(50, "job", 500 * kTick_ns + 2));
  EXPECT_NE(first, second);
  EXPECT_EQ(second->start_ns, 500 * kTick_ns + 2);
}

TEST_F(ProcessesTest, ExecIsSeenByTheName) {
  live(60, "sh", 500);
  auto known = processes();
  EXPECT_EQ(known.find(task(60, "sh", 500 * kTick_ns))->executable, "/usr/bin/sh");
  live(60, "nginx", 500, "/system.slice/nginx.service");
  const ProcessRef after = known.find(task(60, "nginx", 500 * kTick_ns));
  EXPECT_EQ(after->executable, "/usr/bin/nginx");
  EXPECT_EQ(after->unit, "nginx.service");
}

TEST_F(ProcessesTest, ARecordFromBeforeTheExecGetsNoPathFromAfterIt) {
  live(60, "nginx", 500);
  auto known = processes();
  const ProcessRef before = known.find(task(60, "sh", 500 * kTick_ns));
  EXPECT_EQ(before->name, "sh");
  EXPECT_EQ(before->executable, "");
  EXPECT_EQ(known.find(task(60, "sh", 500 * kTick_ns)), before);  // not read again and again
}

TEST_F(ProcessesTest, ChangesOfUidAndCgroupAreSeen) {
  const uint64_t first = cgroup_id("/first.scope");
  const uint64_t second = cgroup_id("/second.scope");
  live(70, "d", 500, "/first.scope");
  auto known = processes();
  EXPECT_EQ(known.find(task(70, "d", 500 * kTick_ns, first))->unit, "first.scope");
  live(70, "d", 500, "/second.scope");
  Task changed = task(70, "d", 500 * kTick_ns, second);
  EXPECT_EQ(known.find(changed)->unit, "second.scope");
  changed.uid = 1000;
  EXPECT_EQ(known.find(changed)->uid, 1000U);
  EXPECT_EQ(known.find(changed)->user, "");
}

TEST_F(ProcessesTest, WithoutAStartTimeTheLivingProcessIsMeant) {
  live(80, "web) 1", 500);
  auto known = processes();
  const ProcessRef process = known.find(80, 0);
  EXPECT_EQ(process->start_ns, 500 * kTick_ns);
  EXPECT_EQ(process->name, "web) 1");
  EXPECT_EQ(process->uid, 33U);
  live(80, "other", 600);
  EXPECT_EQ(known.find(80, 0)->name, "other");
  tree_.remove("proc/80");
  const ProcessRef gone = known.find(80, 0, "hint");
  EXPECT_EQ(gone->start_ns, 0U);
  EXPECT_EQ(gone->name, "hint");
  EXPECT_EQ(gone->user, "");
}

TEST_F(ProcessesTest, AUserThatIsNotKnownIsNotClaimedToBeRoot) {
  auto known = processes();
  const ProcessRef gone = known.find(81, 500 * kTick_ns, "x");
  EXPECT_EQ(gone->uid, UINT32_MAX);
}

TEST_F(ProcessesTest, SizeIsBoundedAndUsedProcessesStay) {
  auto known = processes(8);
  const Task busy = task(1, "busy", 1);
  const ProcessRef process = known.find(busy);
  for (uint32_t pid = 2; pid < 200; ++pid) {
    (void)known.find(task(pid, "short", pid));
    EXPECT_EQ(known.find(busy), process);
    EXPECT_LE(known.size(), 8U);
  }
}

TEST(Users, KnowsRootAndAsksOncePerUid) {
  EXPECT_EQ(look_up_user(0), "root");
  EXPECT_EQ(look_up_user(3'999'999'999U), "");
  int asked = 0;
  Users users([&](uint32_t) { return ++asked, ""; });
  EXPECT_EQ(users.name(5), "");
  EXPECT_EQ(users.name(5), "");
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace socktrace::enrich
