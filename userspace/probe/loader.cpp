#include "probe/loader.h"

#include <unistd.h>

#include <cerrno>

#include "probe/hooks.h"
#include "probe/libbpf_log.h"

namespace socktrace::probe {
namespace {

constexpr char kKernelBtf[] = "/sys/kernel/btf/vmlinux";

bool wanted(HookGroup group, const Options& options) {
  if (group == HookGroup::cgroup) return options.cgroup_fd >= 0;
  if (group == HookGroup::syscall) return options.bind_result != BindResult::infer;
  return true;
}

Error load_error(int code, const LibbpfLog& log) {
  if (access(kKernelBtf, R_OK) != 0)
    return {"load BPF programs: this kernel has no BTF (/sys/kernel/btf/vmlinux): needs CONFIG_DEBUG_INFO_BTF",
            ErrorKind::unavailable, ENOENT};
  if (code == EPERM)
    return {"load BPF programs: run with sudo (needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN)", ErrorKind::privilege,
            EPERM};
  if (code == ENOSYS)
    return {"load BPF programs: this kernel has no bpf() system call: needs CONFIG_BPF_SYSCALL",
            ErrorKind::unavailable, ENOSYS};
  Error error = Error::system("load BPF programs", code, ErrorKind::unavailable);
  if (const std::string reason = log.reason(); !reason.empty()) error.message += " (" + reason + ")";
  return error;
}

// Helpers that some kernels or lockdown withhold, by their number in the verifier's message ("unknown func
// bpf_probe_read_kernel#113"), and the feature of st_config that stands for them.
struct Withheld {
  std::string_view helper;
  uint32_t feature;
};
constexpr Withheld kWithheld[] = {{"#46\n", ST_CFG_COOKIE}, {"#113\n", ST_CFG_PROBE_READ}, {"#158\n", ST_CFG_TASK_BTF}};

uint32_t withheld_features(const std::string& log) {
  uint32_t features = 0;
  for (const Withheld& row : kWithheld)
    if (log.find(row.helper) != log.npos) features |= row.feature;
  return features;
}

Result<Skeleton> open(const Options& options, uint32_t features, const LibbpfLog& log) {
  Skeleton skeleton(socktrace_bpf__open());
  if (!skeleton) return load_error(errno, log);
  st_config& config = skeleton->rodata->st_config;
  config.features = features;
  config.ignore_tgid = options.ignore_pid;
  config.wakeup_bytes = options.ring_bytes / 16;
  if (const int error = bpf_map__set_max_entries(skeleton->maps.st_ring, options.ring_bytes); error != 0)
    return Error::system("set ring size", -error, ErrorKind::usage);
  return skeleton;
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
      bpf_program__set_autoload(program, wanted(hook.group, options) && !loaded.refused.contains(name));
    }
    const int result = socktrace_bpf__load(skeleton->get());
    if (result == 0) {
      loaded.skeleton = std::move(*skeleton);
      return loaded;
    }
    const std::string program = log.failed_program();
    const uint32_t withheld = withheld_features(log.text()) & features;
    if (withheld != 0) {
      features &= ~withheld;
      continue;
    }
    if (program.empty() || program == "st_set_state" || loaded.refused.contains(program))
      return load_error(-result, log);
    const std::string reason = log.reason();
    loaded.refused[program] = reason.empty() ? Error::system("load", -result).message : reason;
  }
}

}  // namespace socktrace::probe
