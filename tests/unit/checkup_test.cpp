#include "diagnose/checkup.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace socktrace::diagnose {
namespace {

// A host where a root shell has everything.
HostCondition good_host() {
  HostCondition host;
  host.release = "6.1.0";
  host.lockdown = "none";
  host.privileges = {.root = true,
                     .net_admin = true,
                     .bpf = true,
                     .perfmon = true,
                     .sys_admin = true,
                     .sys_ptrace = true,
                     .dac_read_search = true,
                     .net_bind_service = true,
                     .sys_resource = true};
  host.cgroup2 = "/sys/fs/cgroup";
  host.tracefs = "/sys/kernel/tracing";
  host.perf_event_paranoid = 3;  // Debian's
  host.unprivileged_bpf_disabled = 2;
  host.bpf_jit_enable = 1;
  host.descriptors = 1024;
  return host;
}

// "NAME verdict: found; costs ...; fix ..." of all that does not work.
std::string problems(const HostCondition& host) {
  std::string text;
  for (const Check& check : check_host(host)) {
    if (check.verdict == Verdict::works) {
      EXPECT_EQ(check.cost + check.fix, "") << check.name;
      continue;
    }
    EXPECT_NE(check.cost, "") << check.name;
    EXPECT_NE(check.fix, "") << check.name;
    text += check.name + " " + std::string(name_of(check.verdict)) + ": " + check.found + '\n';
  }
  return text;
}

std::string fix_of(const HostCondition& host, std::string_view name) {
  const std::vector<Check> checks = check_host(host);
  const auto found = std::ranges::find(checks, name, &Check::name);
  return found == checks.end() ? "no such check" : found->fix;
}

TEST(Checkup, AGoodHostHasNoProblems) {
  EXPECT_EQ(problems(good_host()), "");
}

TEST(Checkup, WithoutBtfNothingWorks) {
  HostCondition host = good_host();
  host.btf_problem = "no /sys/kernel/btf/vmlinux";
  EXPECT_EQ(problems(host), "BTF missing: no /sys/kernel/btf/vmlinux\n");
}

TEST(Checkup, OnlyConfidentialityTakesSomethingAway) {
  HostCondition host = good_host();
  host.lockdown = "integrity";
  EXPECT_EQ(problems(host), "");
  host.lockdown = "confidentiality";
  EXPECT_EQ(problems(host), "lockdown off: confidentiality\n");
}

TEST(Checkup, EachCapabilityIsMissed) {
  HostCondition host = good_host();
  host.privileges = {};
  host.perf_event_paranoid = 2;
  host.tracefs_problem = "tracefs is not mounted; mount it: mount -t tracefs none /sys/kernel/tracing";
  EXPECT_EQ(problems(host),
            "CAP_BPF missing: not ours\nCAP_PERFMON missing: not ours\nCAP_NET_ADMIN off: not ours\n"
            "CAP_SYS_PTRACE off: not ours\nCAP_SYS_ADMIN off: not ours\n");
  EXPECT_NE(fix_of(host, "CAP_PERFMON").find("CAP_PERFMON"), std::string::npos);
}

TEST(Checkup, SysAdminStandsForBpfAndPerfmon) {
  HostCondition host = good_host();
  host.privileges.bpf = host.privileges.perfmon = false;
  EXPECT_EQ(problems(host), "");
}

TEST(Checkup, SysAdminStandsForNetAdminAtCgroupHooksOnly) {
  const auto cost_of_net_admin = [](const HostCondition& host) {
    const std::vector<Check> checks = check_host(host);
    return std::ranges::find(checks, "CAP_NET_ADMIN", &Check::name)->cost;
  };
  HostCondition host = good_host();
  host.privileges.net_admin = false;
  EXPECT_EQ(problems(host), "CAP_NET_ADMIN off: not ours\n");
  EXPECT_EQ(cost_of_net_admin(host), "sock_diag hides details of other users' sockets");
  host.privileges.sys_admin = false;
  EXPECT_NE(cost_of_net_admin(host).find("no cgroup hook"), std::string::npos);
}

TEST(Checkup, WithoutProcNothingWorks) {
  HostCondition host = good_host();
  host.proc = false;
  EXPECT_EQ(problems(host), "/proc missing: not mounted\n");
}

TEST(Checkup, AMountThatIsMissingSaysHowToMountIt) {
  HostCondition host = good_host();
  host.cgroup2.clear();
  host.cgroup2_problem = "cgroup2 is not mounted; mount it: mount -t cgroup2 none /run/cgroup2";
  EXPECT_EQ(problems(host), "cgroup2 off: cgroup2 is not mounted\n");
  EXPECT_EQ(fix_of(host, "cgroup2"), "mount it: mount -t cgroup2 none /run/cgroup2");
}

TEST(Checkup, TracefsIsMissedOnlyByThoseWhoCannotMountIt) {
  HostCondition host = good_host();
  host.tracefs.clear();
  host.tracefs_problem = "tracefs is not mounted; mount it: mount -t tracefs none /sys/kernel/tracing";
  EXPECT_EQ(problems(host), "");
  host.privileges.sys_admin = false;
  host.perf_event_paranoid = 2;
  EXPECT_EQ(problems(host), "CAP_SYS_ADMIN off: not ours\ntracefs off: tracefs is not mounted\n");
}

TEST(Checkup, ParanoidPerfEventsConcernThoseWithoutSysAdmin) {
  HostCondition host = good_host();
  host.privileges.sys_admin = false;
  EXPECT_EQ(problems(host), "CAP_SYS_ADMIN off: not ours\nkernel.perf_event_paranoid off: 3\n");
  host.perf_event_paranoid = 2;
  EXPECT_EQ(problems(host), "CAP_SYS_ADMIN off: not ours\n");
}

TEST(Checkup, ProcessesThatAreNotInOurProcAreSaid) {
  HostCondition host = good_host();
  host.processes_hidden = true;
  EXPECT_EQ(problems(host), "") << "not from us";
  host.privileges.sys_ptrace = false;
  EXPECT_EQ(problems(host), "CAP_SYS_PTRACE off: not ours\n/proc off: mounted with hidepid\n");
  host = good_host();
  host.whole_pid_namespace = false;
  EXPECT_EQ(problems(host), "/proc off: a pid namespace of its own\n");
}

TEST(Checkup, AnInterpreterForProgramsIsSaid) {
  HostCondition host = good_host();
  host.bpf_jit_enable = 0;
  EXPECT_EQ(problems(host), "net.core.bpf_jit_enable off: 0\n");
}

TEST(Checkup, LockedMemoryMattersOnlyWhereItStoppedUs) {
  HostCondition host = good_host();
  host.locked_memory = 64 << 10;
  host.release = "5.10.0-30-amd64";
  EXPECT_EQ(problems(host), "");  // may be raised
  host.privileges.sys_resource = false;
  EXPECT_EQ(problems(host), "locked memory (ulimit -l) off: 64 KiB\n");
  host.attached = true;
  EXPECT_EQ(problems(host), "");
  host.attached = false;
  host.release = "5.11.0";
  EXPECT_EQ(problems(host), "");
  host.release = "6.1.0";
  EXPECT_EQ(problems(host), "");
}

TEST(Checkup, FewDescriptorsAreSaid) {
  HostCondition host = good_host();
  host.descriptors = 64;
  EXPECT_EQ(problems(host), "open files (ulimit -n) off: 64\n");
}

}  // namespace
}  // namespace socktrace::diagnose
