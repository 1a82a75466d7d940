#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/diag/attributes.h"
#include "core/diag/table.h"
#include "core/result.h"
#include "core/socket.h"

namespace socktrace::diag {

// The pending timer of an inet socket (inet_diag_msg).
struct Timer {
  uint8_t kind = 0;  // 0 none, 1 on, 2 keepalive, 3 timewait, 4 persist, 5 delayed ack
  uint8_t retransmits = 0;
  uint32_t expires_ms = 0;

  // What is left is a timewait mini-socket, in TIME_WAIT or FIN_WAIT2, which ends with this timer.
  [[nodiscard]] bool is_timewait() const { return kind == 3; }
  // When that began, if it ends 60 s later; 0: it has not, or before the clock by which it is now `now_ns`.
  [[nodiscard]] uint64_t timewait_began_ns(uint64_t now_ns) const {
    constexpr uint64_t kLength_ns = 60'000'000'000;  // TCP_TIMEWAIT_LEN
    const uint64_t ends_ns = now_ns + uint64_t{expires_ms} * 1'000'000;
    return is_timewait() && ends_ns > kLength_ns ? ends_ns - kLength_ns : 0;
  }
};

// One socket of a dump: what every part of the program uses, and beside it what only the ss table shows. The
// attributes point into the netlink message: a row is used up before the next one arrives.
struct Row {
  Table table{};
  Socket socket;
  Timer timer;
  bool association = false;             // of SCTP, listed under its endpoint; its state is one of SCTP
  std::string_view netns_name = {};     // for who reads several namespaces, and keeps the text; raw bytes
  std::vector<Owner> peer_owners = {};  // of a unix socket, when owners were asked for
  // Looked up for fields alone; raw bytes.
  std::string_view interface = {};  // name of the bound device
  std::string cgroup_path = {};
  std::string storages = {};   // of BPF programs, as ss shows them
  Attributes attributes = {};  // of the table's family: INET_DIAG_*, UNIX_DIAG_*, PACKET_DIAG_* …
};

// One sock_diag answer of the kernel, as a row; damaged when it is shorter than its header or an attribute
// does not fit. Socket::netns and owners stay for the caller. `table` is the one that was asked (unix and
// packet: any of theirs; the row tells which).
Result<Row> parse_row(Table table, std::span<const std::byte> message);

// The inode in the answer for an inet socket; 0 when it has none, or the answer is too short to have one.
uint32_t inet_inode(std::span<const std::byte> message);

// One line of /proc/net/{raw,udp,tcp,…}{,6}, for kernels without the table's diag module. No cookie there:
// the key is the kernel's socket pointer when it is shown, else the inode. Damaged when it is not such a
// line.
Result<Row> parse_proc_row(Table table, Family family, std::string_view line);

// The table that ss would list a socket in, whose family is one that we track.
Table table_of(const Socket& socket);

}  // namespace socktrace::diag
