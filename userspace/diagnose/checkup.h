#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/privileges.h"

namespace socktrace::diagnose {

enum class Verdict {
  works,
  off,       // tracing goes on without it
  missing,   // tracing cannot work without it
  untested,  // could not be tried, and says why
};

std::string_view name_of(Verdict verdict);  // "works", "off", "missing", "untested"

// One line of `socktrace doctor`: something that tracing on this host depends on.
struct Check {
  std::string_view section;  // "kernel", "privileges", "mounts", ...
  std::string name;
  Verdict verdict = Verdict::works;
  std::string found;  // what there is
  std::string cost;   // what is lost by that; empty: nothing
  std::string fix;    // what to do; empty: nothing can be done
};

// What a host provides, beside the hooks themselves.
struct HostCondition {
  std::string release;      // uname -r
  std::string btf_problem;  // of /sys/kernel/btf/vmlinux; empty: it is there and is BTF
  std::string
      lockdown;  // "none", "integrity", "confidentiality"; empty: not told (securityfs is not mounted)
  sys::Privileges privileges;
  std::string cgroup2;  // where it is mounted; empty: cgroup2_problem says why it is of no use
  std::string cgroup2_problem;
  std::string tracefs;
  std::string tracefs_problem;
  bool proc = true;                 // /proc is mounted
  bool processes_hidden = false;    // with hidepid
  bool whole_pid_namespace = true;  // all processes of the host are in our pid namespace
  std::optional<int64_t> perf_event_paranoid;
  std::optional<int64_t> unprivileged_bpf_disabled;
  std::optional<int64_t> bpf_jit_enable;
  uint64_t locked_memory = UINT64_MAX;  // RLIMIT_MEMLOCK, soft
  bool attached =
      false;  // hooks were attached here, so that the limit of locked memory is none (5.11) or suffices
  uint64_t descriptors = UINT64_MAX;  // RLIMIT_NOFILE, soft
};

// Of this process's host. What cannot be read counts as not there.
HostCondition read_host_condition();

// What that means for tracing, in the order of the fields.
std::vector<Check> check_host(const HostCondition& host);

}  // namespace socktrace::diagnose
