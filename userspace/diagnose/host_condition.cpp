#include <fcntl.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "diagnose/checkup.h"
#include "sys/file.h"
#include "sys/mounts.h"
#include "sys/procfs.h"

namespace socktrace::diagnose {
namespace {

std::optional<int64_t> read_number(const char* path) {
  const Result<std::string> text = sys::read_file_at(AT_FDCWD, path);
  int64_t value = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc())
    return std::nullopt;
  return value;
}

// "none [integrity] confidentiality": what stands in brackets.
std::string read_lockdown() {
  const Result<std::string> text = sys::read_file_at(AT_FDCWD, "/sys/kernel/security/lockdown");
  if (!text) return {};
  const size_t begin = text->find('[');
  const size_t end = text->find(']');
  return begin == text->npos || end == text->npos ? std::string() : text->substr(begin + 1, end - begin - 1);
}

uint64_t soft_limit(int resource) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return UINT64_MAX;
  return limit.rlim_cur;
}

std::string problem_of_btf() {
  constexpr uint16_t kMagic = 0xEB9F;  // BTF_MAGIC, include/uapi/linux/btf.h
  constexpr const char* kPath = "/sys/kernel/btf/vmlinux";
  const Result<sys::UniqueFd> file = sys::open_at(AT_FDCWD, kPath, O_RDONLY);
  if (!file && file.error().code == ENOENT) return std::string("no ") + kPath;
  if (!file) return file.error().message;
  uint16_t magic = 0;
  if (::read(file->get(), &magic, sizeof magic) != sizeof magic || magic != kMagic)
    return std::string(kPath) + " is not BTF";
  return {};
}

bool has_proc() {
  struct statfs filesystem {};
  return ::statfs("/proc", &filesystem) == 0 && filesystem.f_type == PROC_SUPER_MAGIC;
}

void take_mount(const Result<std::string>& point, std::string& where, std::string& problem) {
  if (point)
    where = *point;
  else
    problem = point.error().message;
}

}  // namespace

HostCondition read_host_condition() {
  HostCondition host;
  utsname names{};
  if (uname(&names) == 0) host.release = names.release;
  host.btf_problem = problem_of_btf();
  host.proc = has_proc();
  host.lockdown = read_lockdown();
  if (const Result<sys::Privileges> privileges = sys::current_privileges()) host.privileges = *privileges;
  if (const Result<std::vector<sys::Mount>> mounts = sys::read_mounts()) {
    take_mount(sys::locate_cgroup2(*mounts), host.cgroup2, host.cgroup2_problem);
    take_mount(sys::find_tracefs(*mounts), host.tracefs, host.tracefs_problem);
    host.processes_hidden = sys::hides_processes(*mounts);
  } else {
    host.cgroup2_problem = host.tracefs_problem = mounts.error().message;
  }
  host.whole_pid_namespace = sys::in_initial_pid_namespace();
  host.perf_event_paranoid = read_number("/proc/sys/kernel/perf_event_paranoid");
  host.unprivileged_bpf_disabled = read_number("/proc/sys/kernel/unprivileged_bpf_disabled");
  host.bpf_jit_enable = read_number("/proc/sys/net/core/bpf_jit_enable");
  host.locked_memory = soft_limit(RLIMIT_MEMLOCK);
  host.descriptors = soft_limit(RLIMIT_NOFILE);
  return host;
}

}  // namespace socktrace::diagnose
