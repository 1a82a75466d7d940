// The filter is loaded in a child, which tries what a recorder that was taken over would.
#include "sys/syscall_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <future>
#include <thread>

namespace socktrace::sys {
namespace {

// The errno of `attempt`, whose value is that of a system call, in a process that has the filter; 0: it succeeded.
int attempted(const std::function<long()>& attempt, const SyscallNeeds& needs = {}) {
  constexpr int kNoFilter = 254;
  const pid_t child = fork();
  if (child == 0) {
    if (!allow_only_needed_syscalls(needs)) _exit(kNoFilter);
    errno = 0;
    _exit(attempt() < 0 ? errno : 0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_NE(WEXITSTATUS(status), kNoFilter);
  return WEXITSTATUS(status);
}

long mapped(int protection) {
  return mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

TEST(SyscallFilter, RefusesWhatARecorderNeverDoes) {
  char name[] = "/bin/true";
  char* arguments[] = {name, nullptr};
  EXPECT_EQ(attempted([&] { return execve(name, arguments, nullptr); }), EPERM);
  EXPECT_EQ(attempted([] { return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }), EPERM);
  EXPECT_EQ(attempted([] { return mount("none", "/nowhere", "tmpfs", 0, nullptr); }), EPERM);
  EXPECT_EQ(attempted([] { return socket(AF_INET, SOCK_STREAM, 0); }), EPERM);
  EXPECT_EQ(attempted([] { return socket(AF_INET6, SOCK_DGRAM, 0); }), EPERM);
  EXPECT_EQ(attempted([] { return socket(AF_PACKET, SOCK_RAW, 0); }), EPERM);
  EXPECT_EQ(attempted([] { return socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT); }), EPERM);
  EXPECT_EQ(attempted([] { return fork(); }), EPERM);
  EXPECT_EQ(attempted([] { return kill(getppid(), 0); }), EPERM);
  EXPECT_EQ(attempted([] { return chmod("/nowhere", 0777); }), EPERM);
  EXPECT_EQ(attempted([] { return mkdir("/nowhere/at/all", 0777); }), EPERM);
  EXPECT_EQ(attempted([] { return link("/nowhere", "/nowhere2"); }), EPERM);
  EXPECT_EQ(attempted([] { return syscall(SYS_perf_event_open, nullptr, 0, 0, -1, 0); }), EPERM);
  EXPECT_EQ(attempted([] { return syscall(SYS_process_vm_writev, 1, nullptr, 0, nullptr, 0, 0); }), EPERM);
  EXPECT_EQ(attempted([] { return syscall(SYS_io_uring_setup, 1, nullptr); }), EPERM);
}

TEST(SyscallFilter, LooksAtArguments) {
  bpf_attr attributes{};
  const auto bpf = [&](int command) { return syscall(SYS_bpf, command, &attributes, sizeof attributes); };
  EXPECT_EQ(attempted([&] { return bpf(BPF_PROG_LOAD); }), EPERM);
  EXPECT_EQ(attempted([&] { return bpf(BPF_MAP_UPDATE_ELEM); }), EPERM);
  EXPECT_EQ(attempted([] { return mapped(PROT_READ | PROT_EXEC); }), EPERM);
  EXPECT_EQ(attempted([] { return mapped(PROT_READ | PROT_WRITE); }), 0);
  EXPECT_EQ(attempted([] { return setpriority(PRIO_PROCESS, 0, 5); }), 0);
  EXPECT_EQ(attempted([] { return setpriority(PRIO_PROCESS, 1, 0); }), EPERM);
  EXPECT_EQ(attempted([] { return setpriority(PRIO_USER, 0, 5); }), EPERM);
  const rlimit limit{0, 0};
  EXPECT_EQ(attempted([&] { return setrlimit(RLIMIT_NOFILE, &limit); }), EPERM);
  const auto enter = [] { return setns(-1, CLONE_NEWNET); };
  const auto enter_mounts = [] { return setns(-1, CLONE_NEWNS); };
  EXPECT_EQ(attempted(enter), EPERM);
  EXPECT_EQ(attempted(enter, {.enter_namespaces = true}), EBADF);
  EXPECT_EQ(attempted(enter_mounts, {.enter_namespaces = true}), EPERM);
}

TEST(SyscallFilter, LeavesWhatARecorderDoes) {
  EXPECT_EQ(attempted([] { return socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG); }), 0);
  EXPECT_EQ(attempted([] { return socket(AF_UNIX, SOCK_DGRAM, 0); }), 0);
  EXPECT_EQ(attempted([] { return open("/proc/self/stat", O_RDONLY | O_CLOEXEC); }), 0);
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kInstrumented = true;
#else
constexpr bool kInstrumented = false;
#endif

TEST(SyscallFilter, LeavesThreads) {
  if (kInstrumented) GTEST_SKIP() << "the sanitizers look at memory by system calls of their own";
  EXPECT_EQ(attempted([] {
              long seen = -1;
              std::thread([&] { seen = open("/proc/self/stat", O_RDONLY | O_CLOEXEC); }).join();
              return seen;
            }),
            0);
}

TEST(SyscallFilter, BindsThreadsThatRunAlready) {
  const pid_t child = fork();
  if (child == 0) {
    std::promise<void> filtered;
    int seen = 0;
    std::thread older([&] {
      filtered.get_future().wait();
      seen = socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
    });
    const Result<void> done = allow_only_needed_syscalls({});
    filtered.set_value();
    older.join();
    _exit(done ? seen : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), EPERM);
}

}  // namespace
}  // namespace socktrace::sys
