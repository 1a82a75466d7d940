#include "core/fields.h"

#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>

#include <algorithm>

#include "core/escape.h"
#include "core/log/words.h"

namespace socktrace {
namespace {

using diag::Row;

FieldValue text(std::string_view value) {
  if (value.empty()) return {};
  return std::string(value);
}

FieldValue unless_zero(uint64_t value) {
  if (value == 0) return {};
  return value;
}

FieldValue address(const Socket& socket, const Endpoint& end) {
  return is_inet(socket) ? text(to_string(socket.family, end.address)) : FieldValue();
}

bool has_peer(const Socket& socket) {
  return is_inet(socket) && socket.peer != Endpoint{};
}

const Owner* first_of(const std::vector<Owner>& owners) {
  const auto found = std::max_element(owners.begin(), owners.end(), [](const Owner& a, const Owner& b) {
    return a.process->pid < b.process->pid;
  });
  return found == owners.end() ? nullptr : &*found;
}

const Owner* first_owner(const Row& row) {
  return first_of(row.socket.owners);
}

template <typename Member>
FieldValue of_owner(const Row& row, Member member) {
  const Owner* owner = first_owner(row);
  return owner ? text((*owner->process).*member) : FieldValue();
}

FieldValue timer_name(const Row& row) {
  static constexpr std::array<std::string_view, 5> kNames = {"", "on", "keepalive", "timewait", "persist"};
  return text(row.timer.kind < kNames.size() ? kNames[row.timer.kind] : "unknown");
}

template <typename Member>
FieldValue tcp(const Row& row, Member member) {
  if (row.table != diag::Table::tcp) return {};
  const auto info = row.attributes.padded<tcp_info>(INET_DIAG_INFO);
  return info ? FieldValue(uint64_t{(*info).*member}) : FieldValue();
}

FieldValue congestion(const Row& row) {
  if (!is_inet(row.socket)) return {};
  const auto bytes = row.attributes.bytes(INET_DIAG_CONG);
  const auto* characters = reinterpret_cast<const char*>(bytes.data());
  return bytes.empty() ? FieldValue() : text({characters, strnlen(characters, bytes.size())});
}

FieldValue memory(const Row& row, size_t index) {
  if (!is_inet(row.socket)) return {};
  const auto bytes = row.attributes.bytes(INET_DIAG_SKMEMINFO);
  uint32_t value = 0;
  if (bytes.size() < (index + 1) * sizeof value) return {};
  std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
  return uint64_t{value};
}

constexpr FieldNeeds kNothing = FieldNeeds::nothing;
constexpr FieldNeeds kOwners = FieldNeeds::owners;
constexpr FieldNeeds kDescribed = FieldNeeds::described_owners;
constexpr FieldNeeds kInformation = FieldNeeds::information;
constexpr FieldNeeds kMemory = FieldNeeds::memory;

constexpr Field kFields[] = {
    {"network.transport", "proto", "Proto", false, kNothing,
     [](const Row& row) { return text(transport(row.socket)); }, "tcp, udp, unix …"},
    {"network.type", "type", "Type", false, kNothing,
     [](const Row& row) {
       return text(row.socket.family == Family::inet    ? "ipv4"
                   : row.socket.family == Family::inet6 ? "ipv6"
                                                        : "");
     },
     "ipv4 or ipv6"},
    {"network.local.address", "laddr", "Local Address", true, kNothing,
     [](const Row& row) { return address(row.socket, row.socket.local); }, "own address"},
    {"network.local.port", "lport", "LPort", true, kNothing,
     [](const Row& row) { return unless_zero(row.socket.local.port); }, "own port"},
    {"network.peer.address", "raddr", "Peer Address", true, kNothing,
     [](const Row& row) {
       return has_peer(row.socket) ? address(row.socket, row.socket.peer) : FieldValue();
     },
     "the peer's address"},
    {"network.peer.port", "rport", "RPort", true, kNothing,
     [](const Row& row) { return unless_zero(row.socket.peer.port); }, "the peer's port"},
    {"network.connection.state", "state", "State", false, kNothing,
     [](const Row& row) { return text(otel_name(row.socket.state)); }, "as the event log names it"},
    {"socket.netid", "netid", "Netid", false, kNothing,
     [](const Row& row) { return text(netid(row.socket)); }, "as ss names it"},
    {"socket.cookie", "cookie", "Cookie", true, kNothing,
     [](const Row& row) {
       return row.socket.key.cookie ? text(fmt::format("{:x}", row.socket.key.cookie)) : FieldValue();
     },
     "the kernel's identity of the socket, hexadecimal"},
    {"socket.netns", "netns", "Netns", true, kNothing,
     [](const Row& row) { return unless_zero(row.socket.netns); }, "inode number of the network namespace"},
    {"socket.netns_name", "nsname", "Netns", false, kNothing,
     [](const Row& row) { return text(row.netns_name); },
     "with --all-netns: its name (ip netns), else the container or unit in it"},
    {"socket.inode", "inode", "Inode", true, kNothing,
     [](const Row& row) { return unless_zero(row.socket.inode); }, "inode number of the socket"},
    {"socket.protocol", "protocol", "Protocol", true, kNothing,
     [](const Row& row) { return unless_zero(row.socket.protocol); }, "protocol number"},
    {"socket.type", "stype", "Type", false, kNothing,
     [](const Row& row) { return text(word_of(kTypeWords, row.socket.type)); }, "stream, dgram, raw …"},
    {"socket.uid", "uid", "Uid", true, kNothing,
     [](const Row& row) {
       return row.socket.uid == UINT32_MAX ? FieldValue() : FieldValue(uint64_t{row.socket.uid});
     },
     "user of the socket"},
    {"socket.cgroup_id", "cgroup", "Cgroup", true, kNothing,
     [](const Row& row) {
       return row.socket.cgroup_id ? text(std::to_string(row.socket.cgroup_id)) : FieldValue();
     },
     "id of the cgroup"},
    {"socket.shutdown", "shutdown", "Shutdown", true, kNothing,
     [](const Row& row) { return unless_zero(row.socket.shutdown); }, "1 receive, 2 send, 3 both"},
    {"socket.recv_q", "recvq", "Recv-Q", true, kNothing,
     [](const Row& row) { return FieldValue(uint64_t{row.socket.recv_q}); },
     "bytes unread, or connections waiting"},
    {"socket.send_q", "sendq", "Send-Q", true, kNothing,
     [](const Row& row) { return FieldValue(uint64_t{row.socket.send_q}); }, "bytes unsent, or the backlog"},
    {"socket.ifindex", "ifindex", "Ifindex", true, kNothing,
     [](const Row& row) { return unless_zero(row.socket.ifindex); }, "bound device"},
    {"socket.mark", "mark", "Mark", true, kNothing,
     [](const Row& row) { return unless_zero(row.socket.mark); }, "fwmark"},
    {"socket.name", "name", "Name", false, kNothing,
     [](const Row& row) { return row.socket.details ? text(row.socket.details->name) : FieldValue(); },
     "path or abstract name of a unix socket"},
    {"socket.peer_inode", "peer", "Peer", true, kNothing,
     [](const Row& row) {
       return row.socket.details ? unless_zero(row.socket.details->peer_inode) : FieldValue();
     },
     "inode number of a unix socket's peer"},
    {"timer.name", "timer", "Timer", false, kNothing, timer_name, "the running timer"},
    {"timer.expires_ms", "expires", "Expires", true, kNothing,
     [](const Row& row) {
       return row.timer.kind ? FieldValue(uint64_t{row.timer.expires_ms}) : FieldValue();
     },
     "milliseconds until it ends"},
    {"timer.retransmits", "retrans", "Retrans", true, kNothing,
     [](const Row& row) {
       return row.timer.kind ? FieldValue(uint64_t{row.timer.retransmits}) : FieldValue();
     },
     "how often it has ended so far"},
    {"process.pid", "pid", "Pid", true, kOwners,
     [](const Row& row) {
       const Owner* owner = first_owner(row);
       return owner ? FieldValue(uint64_t{owner->process->pid}) : FieldValue();
     },
     "the process that holds it; of several the highest pid"},
    {"process.name", "process", "Process", false, kOwners,
     [](const Row& row) { return of_owner(row, &Process::name); }, "its name"},
    {"process.fd", "fd", "Fd", true, kOwners,
     [](const Row& row) {
       const Owner* owner = first_owner(row);
       return owner && owner->fd >= 0 ? FieldValue(static_cast<uint64_t>(owner->fd)) : FieldValue();
     },
     "its descriptor"},
    {"process.executable", "exe", "Executable", false, kDescribed,
     [](const Row& row) { return of_owner(row, &Process::executable); }, "its program"},
    {"process.user", "user", "User", false, kDescribed,
     [](const Row& row) { return of_owner(row, &Process::user); }, "its user"},
    {"process.unit", "unit", "Unit", false, kDescribed,
     [](const Row& row) { return of_owner(row, &Process::unit); }, "its systemd unit"},
    {"process.container", "container", "Container", false, kDescribed,
     [](const Row& row) { return of_owner(row, &Process::container); }, "its container"},
    {"owner.absent", "absent", "Absent", false, kOwners,
     [](const Row& row) {
       return row.socket.owners.empty()
                  ? text(word_of(kNoOwnerWords, static_cast<size_t>(row.socket.no_owner)))
                  : FieldValue();
     },
     "why no process has it: permission, kernel, exited, unaccepted"},
    {"peer.process.pid", "peerpid", "Peer Pid", true, kOwners,
     [](const Row& row) {
       const Owner* owner = first_of(row.peer_owners);
       return owner ? FieldValue(uint64_t{owner->process->pid}) : FieldValue();
     },
     "the process at the other end of a unix socket"},
    {"peer.process.name", "peerprocess", "Peer Process", false, kOwners,
     [](const Row& row) {
       const Owner* owner = first_of(row.peer_owners);
       return owner ? text(owner->process->name) : FieldValue();
     },
     "its name"},
    {"tcp.rtt_us", "rtt", "Rtt", true, kInformation,
     [](const Row& row) { return tcp(row, &tcp_info::tcpi_rtt); },
     "smoothed round trip time in microseconds"},
    {"tcp.cwnd", "cwnd", "Cwnd", true, kInformation,
     [](const Row& row) { return tcp(row, &tcp_info::tcpi_snd_cwnd); }, "congestion window in segments"},
    {"tcp.retransmits", "retransmits", "Retransmits", true, kInformation,
     [](const Row& row) { return tcp(row, &tcp_info::tcpi_total_retrans); }, "segments sent again"},
    {"tcp.bytes_sent", "sent", "Sent", true, kInformation,
     [](const Row& row) { return tcp(row, &tcp_info::tcpi_bytes_sent); }, "bytes sent"},
    {"tcp.bytes_received", "received", "Received", true, kInformation,
     [](const Row& row) { return tcp(row, &tcp_info::tcpi_bytes_received); }, "bytes received"},
    {"tcp.delivery_rate", "rate", "Rate", true, kInformation,
     [](const Row& row) { return tcp(row, &tcp_info::tcpi_delivery_rate); }, "bytes per second, most recent"},
    {"tcp.congestion", "congestion", "Congestion", false, kInformation, congestion, "congestion control"},
    {"memory.rmem_alloc", "rmem", "Rmem", true, kMemory, [](const Row& row) { return memory(row, 0); },
     "receive memory in use"},
    {"memory.rcvbuf", "rcvbuf", "Rcvbuf", true, kMemory, [](const Row& row) { return memory(row, 1); },
     "its limit"},
    {"memory.wmem_queued", "wmem", "Wmem", true, kMemory, [](const Row& row) { return memory(row, 5); },
     "send memory in use"},
    {"memory.sndbuf", "sndbuf", "Sndbuf", true, kMemory, [](const Row& row) { return memory(row, 3); },
     "its limit"},
    {"memory.drops", "drops", "Drops", true, kMemory, [](const Row& row) { return memory(row, 8); },
     "packets dropped for want of memory"},
};

}  // namespace

std::span<const Field> fields() {
  return kFields;
}

const Field* find_field(std::string_view name) {
  if (name == "port") name = "lport";
  for (const Field& field : kFields)
    if (field.key == name || field.name == name) return &field;
  return nullptr;
}

std::string cell_text(const Field& field, const diag::Row& row) {
  const FieldValue value = field.get(row);
  if (field.name == "process" && std::holds_alternative<std::monostate>(value))
    if (const std::string_view why = word_of(kNoOwnerWords, static_cast<size_t>(row.socket.no_owner));
        !why.empty())
      return '?' + std::string(why);
  return column_text(value);
}

std::string column_text(const FieldValue& value) {
  if (const auto* number = std::get_if<uint64_t>(&value)) return std::to_string(*number);
  if (const auto* characters = std::get_if<std::string>(&value)) return escape(*characters);
  return "-";
}

bool less(const FieldValue& a, const FieldValue& b) {
  return a < b;  // by alternative, then by value
}

}  // namespace socktrace
