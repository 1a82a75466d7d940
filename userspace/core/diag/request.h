#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/diag/table.h"
#include "core/socket.h"

namespace socktrace::diag {

// What a dump returns beyond the fixed header, at a price per socket.
struct Detail {
  bool memory = false;       // MEMINFO, SKMEMINFO
  bool information = false;  // tcp_info and its kin, congestion control, MD5 keys, ULP
  bool tos = false;          // TOS, TCLASS, CLASS_ID
  bool files = false;        // unix: inode and device of the path, inodes of pending connections
  bool storages = false;     // values that BPF programs keep with inet sockets (5.6; CAP_BPF)
};

// One table of one family, as sock_diag is asked for it.
struct Query {
  Table table{};                 // of the unix, packet and vsock tables any: the answer has all types
  Family family = Family::inet;  // of an inet table
  StateMask states = 0;
  Detail detail;
  std::span<const std::byte> bytecode;  // INET_DIAG_REQ_BYTECODE; empty: none
};

// Payload of a SOCK_DIAG_BY_FAMILY dump request.
std::vector<std::byte> dump_request(const Query& query);

// Payload of a SOCK_DIAG_BY_FAMILY request for one inet or unix socket, found by its addresses (unix: inode)
// and its cookie. Empty for a socket that sock_diag cannot find one by one.
std::vector<std::byte> get_request(const Socket& socket);

}  // namespace socktrace::diag
