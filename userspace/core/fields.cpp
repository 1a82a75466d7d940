#include "core/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/escape.h"
#include "core/field_rows.h"
#include "core/log/words.h"
#include "core/ss/upper.h"

namespace socktrace {
namespace {

using diag::Row;

FieldValue address(const Socket& socket, const Endpoint& end) {
  return is_inet(socket) ? field_text(to_string(socket.family, end.address)) : FieldValue();
}

// Addresses by number, those of IPv4 first, and not by their text.
FieldValue address_order(const Socket& socket, const Endpoint& end) {
  if (!is_inet(socket)) return {};
  const size_t length = socket.family == Family::inet ? 4 : 16;
  std::string order(1, static_cast<char>(length));
  order.append(reinterpret_cast<const char*>(end.address.data()), length);
  return order;
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
  return owner ? field_text((*owner->process).*member) : FieldValue();
}

FieldValue timer_name(const Row& row) {
  static constexpr std::array<std::string_view, 5> kNames = {"", "on", "keepalive", "timewait", "persist"};
  return field_text(row.timer.kind < kNames.size() ? kNames[row.timer.kind] : "unknown");
}

constexpr FieldNeeds kNothing = FieldNeeds::nothing;
constexpr FieldNeeds kOwners = FieldNeeds::owners;
constexpr FieldNeeds kDescribed = FieldNeeds::described_owners;

constexpr Field kFields[] = {
    {"network.transport", "proto", "Proto", false, kNothing,
     [](const Row& row) { return field_text(transport(row.socket)); }, "tcp, udp, unix …"},
    {"network.type", "type", "Type", false, kNothing,
     [](const Row& row) {
       return field_text(row.socket.family == Family::inet    ? "ipv4"
                         : row.socket.family == Family::inet6 ? "ipv6"
                                                              : "");
     },
     "ipv4 or ipv6"},
    {"network.local.address", "laddr", "Local Address", true, kNothing,
     [](const Row& row) { return address(row.socket, row.socket.local); }, "own address",
     [](const Row& row) { return address_order(row.socket, row.socket.local); }},
    {"network.local.port", "lport", "LPort", true, kNothing,
     [](const Row& row) { return field_unless_zero(row.socket.local.port); }, "own port"},
    {"network.peer.address", "raddr", "Peer Address", true, kNothing,
     [](const Row& row) {
       return has_peer(row.socket) ? address(row.socket, row.socket.peer) : FieldValue();
     },
     "the peer's address",
     [](const Row& row) {
       return has_peer(row.socket) ? address_order(row.socket, row.socket.peer) : FieldValue();
     }},
    {"network.peer.port", "rport", "RPort", true, kNothing,
     [](const Row& row) { return field_unless_zero(row.socket.peer.port); }, "the peer's port"},
    {"network.connection.state", "state", "State", false, kNothing,
     [](const Row& row) {
       return field_text(row.association ? ss::sctp_state_name(static_cast<uint8_t>(row.socket.state))
                                         : otel_name(row.socket.state));
     },
     "as the event log names it"},
    {"socket.netid", "netid", "Netid", false, kNothing,
     [](const Row& row) { return field_text(netid(row.socket)); }, "as ss names it"},
    {"socket.cookie", "cookie", "Cookie", true, kNothing,
     [](const Row& row) {
       return row.socket.key.cookie ? field_text(fmt::format("{:x}", row.socket.key.cookie)) : FieldValue();
     },
     "the kernel's identity of the socket, hexadecimal"},
    {"socket.netns", "netns", "Netns", true, kNothing,
     [](const Row& row) { return field_unless_zero(row.socket.netns); },
     "inode number of the network namespace"},
    {"socket.netns_name", "nsname", "Netns", false, kNothing,
     [](const Row& row) { return field_text(row.netns_name); },
     "with --all-netns: its name (ip netns), else the container or unit in it"},
    {"socket.inode", "inode", "Inode", true, kNothing,
     [](const Row& row) { return field_unless_zero(row.socket.inode); }, "inode number of the socket"},
    {"socket.protocol", "protocol", "Protocol", true, kNothing,
     [](const Row& row) { return field_unless_zero(row.socket.protocol); }, "protocol number"},
    {"socket.type", "stype", "Type", false, kNothing,
     [](const Row& row) { return field_text(word_of(kTypeWords, row.socket.type)); }, "stream, dgram, raw …"},
    {"socket.uid", "uid", "Uid", true, kNothing,
     [](const Row& row) {
       return row.socket.uid == UINT32_MAX ? FieldValue() : FieldValue(uint64_t{row.socket.uid});
     },
     "user of the socket"},
    {"socket.cgroup_id", "cgroup", "Cgroup", true, kNothing,
     [](const Row& row) {
       return row.socket.cgroup_id ? field_text(std::to_string(row.socket.cgroup_id)) : FieldValue();
     },
     "id of the cgroup"},
    {"socket.cgroup", "cgrouppath", "Cgroup", false, FieldNeeds::cgroups,
     [](const Row& row) { return field_text(row.cgroup_path); }, "its path"},
    {"socket.shutdown", "shutdown", "Shutdown", true, kNothing,
     [](const Row& row) { return field_unless_zero(row.socket.shutdown); }, "1 receive, 2 send, 3 both"},
    {"socket.recv_q", "recvq", "Recv-Q", true, kNothing,
     [](const Row& row) { return FieldValue(uint64_t{row.socket.recv_q}); },
     "bytes unread, or connections waiting"},
    {"socket.send_q", "sendq", "Send-Q", true, kNothing,
     [](const Row& row) { return FieldValue(uint64_t{row.socket.send_q}); }, "bytes unsent, or the backlog"},
    {"socket.ifindex", "ifindex", "Ifindex", true, kNothing,
     [](const Row& row) { return field_unless_zero(row.socket.ifindex); }, "bound device"},
    {"socket.interface", "dev", "Interface", false, kNothing,
     [](const Row& row) { return field_text(row.interface); }, "its name"},
    {"socket.v6only", "v6only", "V6only", true, kNothing,
     [](const Row& row) {
       return row.socket.options.v6_only_known ? FieldValue(uint64_t{row.socket.options.v6_only})
                                               : FieldValue();
     },
     "1: an IPv6 socket for IPv6 alone; known of listeners"},
    {"socket.mark", "mark", "Mark", true, kNothing,
     [](const Row& row) { return field_unless_zero(row.socket.mark); }, "fwmark"},
    {"socket.name", "name", "Name", false, kNothing,
     [](const Row& row) { return row.socket.details ? field_text(row.socket.details->name) : FieldValue(); },
     "path or abstract name of a unix socket"},
    {"socket.peer_inode", "peer", "Peer", true, kNothing,
     [](const Row& row) {
       return row.socket.details ? field_unless_zero(row.socket.details->peer_inode) : FieldValue();
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
                  ? field_text(word_of(kNoOwnerWords, static_cast<size_t>(row.socket.no_owner)))
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
       return owner ? field_text(owner->process->name) : FieldValue();
     },
     "its name"},
};

}  // namespace

std::span<const Field> fields() {
  static const std::vector<Field> all = [] {
    std::vector<Field> fields(std::begin(kFields), std::end(kFields));
    for (const std::span<const Field> part : {tcp_fields(), detail_fields()})
      fields.insert(fields.end(), part.begin(), part.end());
    return fields;
  }();
  return all;
}

const Field* find_field(std::string_view name) {
  if (name == "port") name = "lport";
  for (const Field& field : fields())
    if (field.key == name || field.name == name) return &field;
  return nullptr;
}

std::string_view absent_owner(const Field& field, const diag::Row& row) {
  if (!row.socket.owners.empty() || !field.key.starts_with("process.")) return {};
  return word_of(kNoOwnerWords, static_cast<size_t>(row.socket.no_owner));
}

std::string cell_text(const Field& field, const diag::Row& row) {
  const std::string_view absent = absent_owner(field, row);
  return absent.empty() ? column_text(field.get(row)) : '?' + std::string(absent);
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
