#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "core/diag/request.h"
#include "core/diag/row.h"
#include "core/result.h"
#include "core/socket.h"

namespace socktrace::source {

// What to dump of the current network namespace.
struct DumpRequest {
  diag::TableSet tables = diag::bit(diag::Table::tcp) | diag::bit(diag::Table::udp) |
                          diag::bit(diag::Table::udplite) | diag::bit(diag::Table::raw) |
                          diag::bit(diag::Table::mptcp) | diag::kUnixTables;
  StateMask states = (StateMask{1} << kStateCount) - 1;
  bool connections = true;  // of TCP; without, only listeners, whose lists are short
  bool inet = true;         // of the inet tables: IPv4
  bool inet6 = true;
  diag::Detail detail;
  std::span<const std::byte> bytecode;  // a filter that the kernel applies to the inet tables
  bool read_ahead = false;              // worth a thread where much is done with each row (sys/read_ahead.h)
  // Told the inode of an inet socket that is about to come, for who looks it up in a table too large for the cache.
  std::function<void(uint32_t inode)> coming;
  uint32_t netns = 0;  // inode number that Socket::netns gets; 0: the current namespace is looked up
};

// A filter for the kernel: the sockets that have this local port.
std::vector<std::byte> bytecode_of_port(uint16_t port);

struct DumpReport {
  diag::TableSet missing = 0;    // this kernel has no such table, nor a module for it: no rows
  diag::TableSet from_proc = 0;  // read from /proc/net, for want of a module
  bool interrupted = false;      // some table changed while it was read; rows may be missing or repeated
};

// Streams every socket of the request, table after table in ss's order, IPv4 before IPv6. A table without its
// diag module is read from /proc/net when there is one. False from the sink ends the dump, successfully. A
// dump is no snapshot: on a busy host it can miss or repeat a socket. An error comes after the rows that were
// readable.
using RowSink = std::function<bool(diag::Row&&)>;
Result<DumpReport> dump_rows(const DumpRequest& request, const RowSink& sink);

// How the current namespace's sockets of a table can be had.
enum class TableAccess { sock_diag, proc, none };
Result<TableAccess> table_access(diag::Table table);

// As dump_rows, for who needs all sockets. A missing table is an error unless the kernel can be without it (all
// but TCP, UDP and unix); the value is which those are. A dump that was interrupted or lost messages (ENOBUFS) is
// repeated, so that a socket may come more than once.
Result<diag::TableSet> dump_sockets(const DumpRequest& request, const std::function<void(diag::Row&&)>& sink);

// The kernel's present view of one socket, by its addresses (unix: inode) and cookie; nothing when it is gone
// or was replaced by another. Inet sockets except raw ones, and unix sockets.
Result<std::optional<Socket>> find_socket(const Socket& socket);

// Whether this kernel lists TCP sockets that are bound and nothing else (6.8): one is made for a moment to find out.
bool lists_bound_inactive();

// Makes the kernel close an inet socket (SOCK_DESTROY, 4.5): a connection is aborted with a RST, a listener and a UDP
// socket are closed; whoever holds it gets ECONNABORTED. Needs CAP_NET_ADMIN. Error::code: EOPNOTSUPP, this kernel or
// protocol cannot; ENOENT, it is gone already.
Result<void> destroy_socket(const Socket& socket);

}  // namespace socktrace::source
