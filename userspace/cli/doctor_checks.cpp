#include "cli/doctor_checks.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "source/dump.h"
#include "sys/file.h"

namespace socktrace::cli {
namespace {

using diagnose::Check;
using diagnose::Verdict;

constexpr std::string_view kHooks = "hooks";
constexpr std::string_view kTables = "tables";
constexpr std::string_view kSelfTest = "self-test";

Check result_check(const probe::Tracer& tracer, const std::vector<probe::Hook>& hooks) {
  Check check{kHooks, "bind, listen, accept results", Verdict::works, "fexit", "", ""};
  if (tracer.bind_result() == probe::BindResult::fexit) return check;
  check.verdict = Verdict::off;
  for (const probe::Hook& hook : hooks)
    if (hook.attached && hook.name == "tracepoint/syscalls/sys_enter_bind") {
      check.found = fmt::format("tracepoints (fexit: {})", tracer.fexit_refusal());
      check.cost = "every system call of this host takes some 40 ns longer";
      check.fix = "--bind-result=infer attaches nothing to system calls and infers errors";
      return check;
    }
  check.found = fmt::format("inferred (fexit: {})", tracer.fexit_refusal());
  check.cost = "errors are worked out from the table and marked as inferred";
  return check;
}

// What to do about a hook that is off, from what it is and what the host lacks.
std::string fix_for(const probe::Hook& hook, const diagnose::HostCondition& host) {
  const auto is_of = [&](std::string_view kind) { return hook.name.starts_with(kind); };
  if (host.lockdown == "confidentiality" && !is_of("cgroup/")) return "boot without lockdown=confidentiality";
  if (is_of("cgroup/") && host.cgroup2.empty()) return "mount all of cgroup2, see mounts";
  if (is_of("tracepoint/") && !host.privileges.dac_read_search)
    return "CAP_DAC_READ_SEARCH (tracefs is closed to others than root), or see mounts and settings";
  if (is_of("tp_btf/inet_sk_error_report")) return "a kernel from 5.14";
  return "";
}

Check hook_check(const probe::Hook& hook, const diagnose::HostCondition& host) {
  Check check{kHooks, hook.name, Verdict::works, "", "", ""};
  if (hook.attached) return check;
  check.verdict = Verdict::off;
  check.found = hook.error.empty() ? "not tried" : hook.error;
  if (hook.error.empty() && hook.name.starts_with("cgroup/"))
    check.found = "there is no cgroup2 to attach to";
  check.cost = hook.cost;
  check.fix = fix_for(hook, host);
  return check;
}

// A table, its protocol in /proc/net/protocols, and the module that lists it.
struct TableModule {
  diag::Table table;
  const char* name;
  const char* protocol;
  const char* module;
};

constexpr TableModule kModules[] = {
    {diag::Table::tcp, "TCP", "TCP", "tcp_diag"},
    {diag::Table::udp, "UDP", "UDP", "udp_diag"},
    {diag::Table::unix_stream, "unix", "UNIX", "unix_diag"},
    {diag::Table::raw, "raw", "RAW", "raw_diag"},
    {diag::Table::mptcp, "MPTCP", "MPTCP", "mptcp_diag"},
    {diag::Table::sctp, "SCTP", "SCTP", "sctp_diag"},
    {diag::Table::packet_raw, "packet", "PACKET", "af_packet_diag"},
    {diag::Table::netlink, "netlink", "NETLINK", "netlink_diag"},
    {diag::Table::vsock_stream, "vsock", "AF_VSOCK", "vsock_diag"},
    {diag::Table::tipc, "TIPC", "TIPC", "tipc"},
    {diag::Table::xdp, "XDP", "XDP", "xsk_diag"},
};

// The kernel has such sockets, or none of that kind can exist.
bool has_protocol(std::string_view protocols, const char* name) {
  return protocols.find(fmt::format("\n{} ", name)) != protocols.npos;
}

Check table_check(const TableModule& module, std::string_view protocols) {
  Check check{kTables, module.name, Verdict::works, "sock_diag", "", ""};
  const Result<source::TableAccess> access = source::table_access(module.table);
  if (!access) {
    check.verdict = Verdict::untested;
    check.found = access.error().message;
    return check;
  }
  if (*access == source::TableAccess::sock_diag) return check;
  if (!has_protocol(protocols, module.protocol)) {
    check.found = "this kernel has no such sockets now";
    return check;
  }
  check.verdict = Verdict::off;
  const bool listed = *access == source::TableAccess::proc;
  check.found = listed ? "from /proc/net" : "no sock_diag";
  check.cost = listed ? "fewer details, and a dump does not know the cookies" : "its sockets are not listed";
  check.fix = fmt::format("modprobe {}", module.module);
  return check;
}

}  // namespace

std::vector<Check> hook_checks(const probe::Tracer& tracer, const diagnose::HostCondition& host) {
  std::vector<Check> checks{result_check(tracer, tracer.hooks())};
  for (const probe::Hook& hook : tracer.hooks()) checks.push_back(hook_check(hook, host));
  return checks;
}

std::vector<Check> table_checks() {
  std::vector<Check> checks;
  const Result<std::string> protocols = sys::read_file_at(AT_FDCWD, "/proc/net/protocols");
  for (const TableModule& module : kModules)
    checks.push_back(table_check(module, protocols ? std::string_view(*protocols) : ""));
  return checks;
}

std::vector<Check> self_test_checks(const source::SelfTest& test) {
  std::vector<Check> checks;
  for (const source::Sighting& step : test.steps) {
    Check check{kSelfTest, std::string(step.what), Verdict::works, "seen", "", ""};
    switch (step.sight) {
      case source::Sight::seen:
        break;
      case source::Sight::off:
        check.verdict = Verdict::off;
        check.found = "not seen: its hooks are off";
        break;
      case source::Sight::missed:
        check.verdict = step.vital ? Verdict::missing : Verdict::off;
        check.found = "NOT SEEN though its hook is attached";
        check.cost = step.vital ? "tracing is blind" : "this will be missed on this host";
        check.fix = "please report this with the output of  socktrace doctor --json";
        break;
      case source::Sight::untested:
        check.verdict = Verdict::untested;
        check.found = test.trouble;
        break;
    }
    checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace socktrace::cli
