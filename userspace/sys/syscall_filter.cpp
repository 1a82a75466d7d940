#include "sys/syscall_filter.h"

#include <asm/termbits.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

namespace socktrace::sys {
namespace {

constexpr int kAllowed[] = {
    // descriptors, and waiting for them
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(lseek),
    SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(fcntl), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    // files: /proc, cgroups, the log and its rotation
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(fstat), SCMP_SYS(lstat), SCMP_SYS(newfstatat),
    SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64),
    SCMP_SYS(open_by_handle_at), SCMP_SYS(flock), SCMP_SYS(ftruncate), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
    SCMP_SYS(utimensat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    // netlink, the service manager, name services
    SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg),
    SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    // memory and threads
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
    SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getcpu), SCMP_SYS(getpriority), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(restart_syscall),
    // signals; tgkill is how abort() ends us, and how one thread interrupts another
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending),
    SCMP_SYS(sigaltstack), SCMP_SYS(tgkill),
    // time, and who we are
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid),
    SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(uname), SCMP_SYS(sysinfo),
    SCMP_SYS(getrandom)};

scmp_arg_cmp equals(unsigned argument, uint64_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp has_none_of(unsigned argument, uint64_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, 0};
}
scmp_arg_cmp has_all_of(unsigned argument, uint64_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, bits};
}

struct Rule {
  int syscall;
  scmp_arg_cmp argument;
};

// Calls that are allowed with some values of one argument.
const Rule kConditional[] = {
    {SCMP_SYS(mmap), has_none_of(2, PROT_EXEC)},
    {SCMP_SYS(mprotect), has_none_of(2, PROT_EXEC)},
    {SCMP_SYS(clone), has_all_of(0, CLONE_THREAD)},
    {SCMP_SYS(prlimit64), equals(2, 0)},  // to read a limit, not to set one
    {SCMP_SYS(ioctl), equals(1, TCGETS)},
    {SCMP_SYS(ioctl), equals(1, TIOCGWINSZ)},
    {SCMP_SYS(ioctl), equals(1, SIOCGIFNAME)},
    {SCMP_SYS(ioctl), equals(1, PERF_EVENT_IOC_DISABLE)},  // libbpf, before it detaches a tracepoint
    {SCMP_SYS(bpf), equals(0, BPF_ITER_CREATE)},
    {SCMP_SYS(socket), equals(0, AF_UNIX)},
};

constexpr uint64_t kNetlinkProtocols[] = {NETLINK_SOCK_DIAG, NETLINK_ROUTE};

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};

class Filter {
 public:
  Filter() : filter_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {
    if (!filter_) error_ = ENOMEM;
  }

  template <typename... Conditions>
  void add(uint32_t action, int syscall, Conditions... conditions) {
    if (error_ == 0)
      error_ = -seccomp_rule_add(filter_.get(), action, syscall, sizeof...(conditions), conditions...);
    if (error_ == EDOM) error_ = 0;  // no such call on this architecture
  }

  void load() {
    if (error_ == 0) error_ = -seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_TSYNC, 1);
    (void)seccomp_attr_set(filter_.get(), SCMP_FLTATR_API_SYSRAWRC, 1);  // the kernel's own errno
    if (error_ == 0) error_ = -seccomp_load(filter_.get());
  }

  [[nodiscard]] int error() const { return error_; }

 private:
  std::unique_ptr<void, Release> filter_;
  int error_ = 0;
};

}  // namespace

Result<void> allow_only_needed_syscalls(const SyscallNeeds& needs) {
  Filter filter;
  for (const int syscall : kAllowed) filter.add(SCMP_ACT_ALLOW, syscall);
  for (const Rule& rule : kConditional) filter.add(SCMP_ACT_ALLOW, rule.syscall, rule.argument);
  for (const uint64_t protocol : kNetlinkProtocols)
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(socket), equals(0, AF_NETLINK), equals(2, protocol));
  filter.add(SCMP_ACT_ALLOW, SCMP_SYS(setpriority), equals(0, PRIO_PROCESS),
             equals(1, 0));  // of a thread itself
  if (needs.enter_namespaces) filter.add(SCMP_ACT_ALLOW, SCMP_SYS(setns), equals(1, CLONE_NEWNET));
  // Its flags are in memory, where no filter can look; libc then makes its threads by clone().
  filter.add(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));
  filter.load();
  if (filter.error() != 0)
    return Error::system("restrict our system calls (seccomp)", filter.error(), ErrorKind::unavailable);
  return {};
}

}  // namespace socktrace::sys
