#include "cli/ss_withheld.h"

#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/packet_diag.h>

#include <string>

namespace socktrace::cli {
namespace {

using diag::bit;
using diag::Table;

struct Module {
  diag::TableSet tables;
  std::string_view protocol;
  std::string_view name;
};

constexpr Module kModules[] = {
    {bit(Table::netlink), "netlink", "netlink_diag"},
    {diag::kPacketTables, "packet", "af_packet_diag"},
    {diag::kUnixTables, "unix", "unix_diag"},
    {bit(Table::raw), "raw", "raw_diag"},
    {bit(Table::udp), "UDP", "udp_diag"},
    {bit(Table::udplite), "UDP-Lite", "udp_diag"},
    {bit(Table::tcp), "TCP", "tcp_diag"},
    {bit(Table::dccp), "DCCP", "dccp_diag"},
    {bit(Table::sctp), "SCTP", "sctp_diag"},
    {diag::kVsockTables, "vsock", "vsock_diag"},
    {bit(Table::tipc), "TIPC", "tipc_diag"},
    {bit(Table::xdp), "XDP", "xsk_diag"},
    {bit(Table::mptcp), "MPTCP", "mptcp_diag"},
};

// Mini-sockets (TIME_WAIT, requests) and rows from /proc/net have the fixed part alone.
bool is_full(const diag::Row& row) {
  const State state = row.socket.state;
  return row.socket.key.cookie != 0 && !row.timer.is_timewait() && state != State::syn_recv &&
         state != State::new_syn_recv;
}

}  // namespace

Result<void> SsWithheld::look_at(const diag::Row& row) {
  if (row.socket.state == State::bound_inactive ||
      (row.table == Table::tcp && row.socket.state == State::close))
    saw_bound_inactive_ = true;
  // Whom the kernel does not show filters, it shows empty ones; a socket without filter has no such attribute.
  if (row.socket.family == Family::packet && row.attributes.has(PACKET_DIAG_FILTER) &&
      row.attributes.bytes(PACKET_DIAG_FILTER).empty())
    packet_filters_ = true;
  if (!is_inet(row.socket) || !is_full(row)) return {};
  if (filter_.marks && !row.attributes.has(INET_DIAG_MARK))
    return Error{std::string(kMarksNeedPrivilege), ErrorKind::privilege};
  if (row.attributes.has(INET_DIAG_CGROUP_ID)) return {};
  cgroups_ = true;
  if (!filter_.cgroups) return {};
  return Error{"ss: cgroup: this kernel does not tell the cgroups of sockets (5.8 does)",
               ErrorKind::unavailable};
}

void SsWithheld::look_at(const source::DumpReport& report) {
  missing_ |= report.missing;
  from_proc_ |= report.from_proc;
}

void SsWithheld::tell(const std::function<void(std::string_view)>& message) const {
  const ss::Show& show = options_.show;
  const diag::TableSet named = options_.selection.named;
  for (const Module& module : kModules) {
    if (missing_ & named & module.tables)
      message(fmt::format("this kernel has no {} sockets, or no module that lists them ({})", module.protocol,
                          module.name));
    const bool details = show.extended || show.timer || show.memory || show.information || show.tos ||
                         show.cgroup || show.socket_options || show.bpf_maps;
    if ((from_proc_ & named & module.tables) && details)
      message(fmt::format("this kernel has no {}: {} sockets are read from /proc/net, which has no details",
                          module.name, module.protocol));
    if (from_proc_ & module.tables & bit(Table::tcp))
      message(
          "this kernel has no tcp_diag: TCP sockets are read from /proc/net, without the backlog of "
          "listeners");
  }
  if (packet_filters_ && show.packet_filter)
    message("-b: the kernel shows packet filters to CAP_NET_ADMIN only: run as root");
  if (cgroups_ && show.cgroup)
    message("--cgroup: this kernel does not tell the cgroups of sockets (5.8 does)");
  if (options_.selection.states == mask(State::bound_inactive) && !saw_bound_inactive_ && !options_.kill &&
      !source::lists_bound_inactive())
    message("-B: this kernel does not list sockets that are only bound (6.8 does)");
}

}  // namespace socktrace::cli
