#include "diagnose/checkup.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace socktrace::diagnose {
namespace {

constexpr std::string_view kKernel = "kernel";
constexpr std::string_view kPrivileges = "privileges";
constexpr std::string_view kMounts = "mounts";
constexpr std::string_view kSettings = "settings";
constexpr std::string_view kLimits = "limits";

Check works(std::string_view section, std::string name, std::string found) {
  return {section, std::move(name), Verdict::works, std::move(found), "", ""};
}

Check check_btf(const HostCondition& host) {
  if (host.btf_problem.empty()) return works(kKernel, "BTF", "/sys/kernel/btf/vmlinux");
  return {kKernel,
          "BTF",
          Verdict::missing,
          host.btf_problem,
          "nothing can be traced",
          "boot a kernel with CONFIG_DEBUG_INFO_BTF=y (all distributions since 2021), or mount sysfs"};
}

Check check_lockdown(const HostCondition& host) {
  if (host.lockdown == "confidentiality")
    return {kKernel,
            "lockdown",
            Verdict::off,
            host.lockdown,
            "programs may not read kernel memory: no listen and accept results, less is known of sockets",
            "boot without lockdown=confidentiality (integrity takes nothing away)"};
  return works(kKernel, "lockdown", host.lockdown.empty() ? "not told" : host.lockdown);
}

// A capability that matters: what it is for, and whether tracing can do without.
struct Need {
  const char* name;
  bool sys::Privileges::*has;
  Verdict without;
  const char* cost;
  bool in_sys_admin;              // what it is for, but for what follows
  const char* cost_beside_admin;  // what CAP_SYS_ADMIN does not give; null: nothing
};

constexpr Need kNeeds[] = {
    {"CAP_BPF", &sys::Privileges::bpf, Verdict::missing, "no BPF program can be loaded", true, nullptr},
    {"CAP_PERFMON", &sys::Privileges::perfmon, Verdict::missing, "no tracing program can be loaded", true,
     nullptr},
    {"CAP_NET_ADMIN", &sys::Privileges::net_admin, Verdict::off,
     "no cgroup hook can be attached, and sock_diag hides details of other users' sockets", true,
     "sock_diag hides details of other users' sockets"},
    {"CAP_SYS_PTRACE", &sys::Privileges::sys_ptrace, Verdict::off,
     "a scan of /proc does not show who owns other users' sockets", false, nullptr},
    {"CAP_SYS_ADMIN", &sys::Privileges::sys_admin, Verdict::off,
     "other network namespaces cannot be entered; tracepoints may be out of reach", false, nullptr},
};

Check check_capability(const HostCondition& host, const Need& need) {
  const sys::Privileges& privileges = host.privileges;
  if (privileges.*need.has) return works(kPrivileges, need.name, "");
  const bool by_admin = need.in_sys_admin && privileges.sys_admin;
  if (by_admin && !need.cost_beside_admin) return works(kPrivileges, need.name, "by CAP_SYS_ADMIN");
  return {kPrivileges,
          need.name,
          need.without,
          "not ours",
          by_admin ? need.cost_beside_admin : need.cost,
          fmt::format("run with sudo, or give it: AmbientCapabilities={} in a unit, setcap on the binary",
                      need.name)};
}

Check check_cgroup2(const HostCondition& host) {
  if (!host.cgroup2.empty()) return works(kMounts, "cgroup2", host.cgroup2);
  const size_t split = host.cgroup2_problem.find("; ");
  return {kMounts,
          "cgroup2",
          Verdict::off,
          host.cgroup2_problem.substr(0, split),
          "failed binds are not seen; UDP and raw sockets come late",
          split == std::string::npos ? "" : host.cgroup2_problem.substr(split + 2)};
}

// Not being mounted costs nothing where we may mount it for ourselves.
Check check_tracefs(const HostCondition& host) {
  if (!host.tracefs.empty()) return works(kMounts, "tracefs", host.tracefs);
  if (host.privileges.sys_admin) return works(kMounts, "tracefs", "not mounted; we mount it for ourselves");
  const size_t split = host.tracefs_problem.find("; ");
  return {kMounts,
          "tracefs",
          Verdict::off,
          host.tracefs_problem.substr(0, split),
          "no tracepoints: where fexit is refused, bind, listen and accept results are inferred",
          split == std::string::npos ? "" : host.tracefs_problem.substr(split + 2)};
}

Check check_proc(const HostCondition& host) {
  if (!host.proc)
    return {kMounts,
            "/proc",
            Verdict::missing,
            "not mounted",
            "network namespaces and processes are not known: nothing can be traced",
            "mount it: mount -t proc proc /proc"};
  if (host.processes_hidden && !host.privileges.sys_ptrace)
    return {kMounts,
            "/proc",
            Verdict::off,
            "mounted with hidepid",
            "processes of others stay nameless",
            "CAP_SYS_PTRACE, or the group of its gid= option"};
  if (!host.whole_pid_namespace)
    return {kMounts,
            "/proc",
            Verdict::off,
            "a pid namespace of its own",
            "processes outside of it are ?kernel in `ss`; events have the pids of the host",
            "run outside the container, or with --pid=host"};
  return works(kMounts, "/proc", "all processes");
}

std::string text(const std::optional<int64_t>& value) {
  return value ? std::to_string(*value) : "not there";
}

Check check_perf_event_paranoid(const HostCondition& host) {
  constexpr int64_t kAnyUser = 2;  // beyond it some distributions ask for CAP_SYS_ADMIN, CAP_PERFMON or not
  const char* name = "kernel.perf_event_paranoid";
  if (!host.perf_event_paranoid || *host.perf_event_paranoid <= kAnyUser || host.privileges.sys_admin)
    return works(kSettings, name, text(host.perf_event_paranoid));
  return {kSettings,
          name,
          Verdict::off,
          text(host.perf_event_paranoid),
          "no tracepoints without CAP_SYS_ADMIN: where fexit is refused, bind, listen and accept results are "
          "inferred",
          "sysctl kernel.perf_event_paranoid=2"};
}

Check check_jit(const HostCondition& host) {
  const char* name = "net.core.bpf_jit_enable";
  if (!host.bpf_jit_enable || *host.bpf_jit_enable != 0)
    return works(kSettings, name, text(host.bpf_jit_enable));
  return {kSettings,
          name,
          Verdict::off,
          "0",
          "programs are interpreted: each event costs several times as much, and there is no fexit",
          "sysctl net.core.bpf_jit_enable=1"};
}

// "6.1.0-37-amd64" is 6.1.
bool is_at_least(std::string_view release, int major, int minor) {
  int numbers[2] = {};
  const char* cursor = release.data();
  const char* const end = cursor + release.size();
  for (int& number : numbers) {
    const auto [next, failure] = std::from_chars(cursor, end, number);
    if (failure != std::errc()) return false;
    cursor = next == end ? next : next + 1;
  }
  return std::pair(numbers[0], numbers[1]) >= std::pair(major, minor);
}

Check check_locked_memory(const HostCondition& host) {
  constexpr uint64_t kEnough = uint64_t{32} << 20;
  const char* name = "locked memory (ulimit -l)";
  if (host.locked_memory == UINT64_MAX) return works(kLimits, name, "unlimited");
  std::string found = fmt::format("{} KiB", host.locked_memory >> 10);
  if (host.locked_memory >= kEnough || host.privileges.sys_resource || host.attached ||
      is_at_least(host.release, 5, 11))
    return works(kLimits, name, std::move(found));
  return {kLimits,
          name,
          Verdict::off,
          std::move(found),
          "before 5.11 it bounds BPF maps: nothing can be loaded there",
          "ulimit -l unlimited, LimitMEMLOCK=infinity in a unit, or CAP_SYS_RESOURCE"};
}

Check check_descriptors(const HostCondition& host) {
  constexpr uint64_t kEnough = 256;
  const char* name = "open files (ulimit -n)";
  std::string found = host.descriptors == UINT64_MAX ? "unlimited" : std::to_string(host.descriptors);
  if (host.descriptors >= kEnough) return works(kLimits, name, std::move(found));
  return {kLimits,
          name,
          Verdict::off,
          std::move(found),
          "hooks may not attach: each takes a descriptor or two",
          "ulimit -n 1024, LimitNOFILE=1024 in a unit"};
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  constexpr std::string_view kNames[] = {"works", "off", "missing", "untested"};
  return kNames[static_cast<size_t>(verdict)];
}

std::vector<Check> check_host(const HostCondition& host) {
  std::vector<Check> checks;
  checks.push_back(works(kKernel, "Linux", host.release));
  checks.push_back(check_btf(host));
  checks.push_back(check_lockdown(host));
  for (const Need& need : kNeeds) checks.push_back(check_capability(host, need));
  checks.push_back(check_cgroup2(host));
  checks.push_back(check_tracefs(host));
  checks.push_back(check_proc(host));
  checks.push_back(check_perf_event_paranoid(host));
  checks.push_back(
      works(kSettings, "kernel.unprivileged_bpf_disabled", text(host.unprivileged_bpf_disabled)));
  checks.push_back(check_jit(host));
  checks.push_back(check_locked_memory(host));
  checks.push_back(check_descriptors(host));
  return checks;
}

}  // namespace socktrace::diagnose
