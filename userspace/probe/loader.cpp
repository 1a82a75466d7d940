#include "probe/loader.h"

#include <linux/bpf.h>
#include <unistd.h>

#include <cerrno>

#include "probe/hooks.h"
#include "probe/libbpf_log.h"
#include "sys/privileges.h"

namespace socktrace::probe {
namespace {

constexpr char kKernelBtf[] = "/sys/kernel/btf/vmlinux";

bool wanted(const HookInfo& hook, const Options& options, uint32_t features) {
  const HookGroup group = hook.group;
  if (hook.of_connections && !options.connections) return false;
  if (group == HookGroup::cgroup) return options.cgroup_fd >= 0;
  if (group == HookGroup::stamp) return options.cgroup_fd >= 0 && !(features & ST_CFG_COOKIE);
  if (group == HookGroup::fexit) return options.bind_result == BindResult::fexit;
  if (group == HookGroup::unix_end) return options.unix_sockets && options.bind_result == BindResult::fexit;
  if (group == HookGroup::syscall) return options.bind_result == BindResult::tracepoint;
  return true;
}

std::string why_not_permitted() {
  const Result<sys::Privileges> privileges = sys::current_privileges();
  std::string missing;
  if (privileges)
    for (const std::string_view each : sys::missing_for_tracing(*privileges))
      missing += (missing.empty() ? "" : ", ") + std::string(each);
  if (!missing.empty()) return "run with sudo (missing: " + missing + ")";
  return "bpf() is not permitted, though no capability is missing: a container's seccomp filter, or a user "
         "namespace, forbids it";
}

Error load_error(int code, const LibbpfLog& log) {
  if (access(kKernelBtf, R_OK) != 0)
    return {
        "load BPF programs: this kernel has no BTF (/sys/kernel/btf/vmlinux): needs CONFIG_DEBUG_INFO_BTF",
        ErrorKind::unavailable, ENOENT};
  if (code == EPERM) return {"load BPF programs: " + why_not_permitted(), ErrorKind::privilege, EPERM};
  if (code == ENOSYS)
    return {"load BPF programs: this kernel has no bpf() system call: needs CONFIG_BPF_SYSCALL",
            ErrorKind::unavailable, ENOSYS};
  Error error = Error::system("load BPF programs", code, ErrorKind::unavailable);
  if (const std::string reason = log.reason(); !reason.empty()) error.message += " (" + reason + ")";
  return error;
}

// Helpers that some kernels or lockdown withhold, and the feature of st_config that stands for them.
uint32_t feature_of(int helper) {
  switch (helper) {
    case BPF_FUNC_get_socket_cookie:
      return ST_CFG_COOKIE;
    case BPF_FUNC_probe_read_kernel:
    case BPF_FUNC_probe_read:  // libbpf falls back to it when its own probe of the other fails, as under
                               // lockdown
      return ST_CFG_PROBE_READ;
    case BPF_FUNC_get_current_task_btf:
      return ST_CFG_TASK_BTF;
    default:
      return 0;
  }
}

Result<Skeleton> open(const Options& options, uint32_t features, const LibbpfLog& log) {
  Skeleton skeleton(socktrace_bpf__open());
  if (!skeleton) return load_error(errno, log);
  st_config& config = skeleton->rodata->st_config;
  config.features =
      features | (options.unix_sockets ? ST_CFG_UNIX : 0) | (options.connections ? ST_CFG_CONNECTIONS : 0);
  config.ignore_tgid = options.ignore_pid;
  config.wakeup_bytes = options.ring_bytes / 16;
  if (const int error = bpf_map__set_max_entries(skeleton->maps.st_ring, options.ring_bytes); error != 0)
    return Error::system("set ring size", -error, ErrorKind::usage);
  return skeleton;
}

// Programs that are known to be of no use, so that they need not be tried one by one.
void refuse_those_that_read_memory(Loaded& loaded) {
  for (const HookInfo& hook : kHooks)
    if (hook.reads_memory)
      loaded.refused[std::string(hook.program)] = "lockdown forbids reading kernel memory";
}

}  // namespace

Result<Loaded> load(const Options& options) {
  LibbpfLog log;
  Loaded loaded;
  uint32_t features = ST_CFG_COOKIE | ST_CFG_PROBE_READ | ST_CFG_TASK_BTF;
  // Each round drops a feature or a program, so this ends.
  while (true) {
    log.clear();
    Result<Skeleton> skeleton = open(options, features, log);
    if (!skeleton) return std::move(skeleton.error());
    for (const HookInfo& hook : kHooks) {
      const std::string name(hook.program);
      bpf_program* program = bpf_object__find_program_by_name((*skeleton)->obj, name.c_str());
      bpf_program__set_autoload(program, wanted(hook, options, features) && !loaded.refused.contains(name));
    }
    const int result = socktrace_bpf__load(skeleton->get());
    if (result == 0) {
      loaded.skeleton = std::move(*skeleton);
      return loaded;
    }
    const std::string program = log.failed_program();
    const uint32_t withheld = feature_of(log.refused_helper()) & features;
    if (withheld != 0) {
      features &= ~withheld;
      if (withheld == ST_CFG_PROBE_READ) refuse_those_that_read_memory(loaded);
      continue;
    }
    if (program.empty() || program == "st_set_state" || loaded.refused.contains(program))
      return load_error(-result, log);
    const std::string reason = log.reason();
    loaded.refused[program] = reason.empty() ? Error::system("load", -result).message : reason;
  }
}

}  // namespace socktrace::probe
