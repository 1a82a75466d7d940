#pragma once

#include "core/diag/row.h"
#include "core/ss/line.h"
#include "core/ss/names.h"
#include "core/ss/options.h"

namespace socktrace::ss {

// Everything after the addresses, as the options ask for it: users, timer, details, memory, tcp_info. Each
// item begins with a blank; -i and -m begin a new line unless -O joins them. Show::every_owner adds what ss does not have: the
// users of netlink sockets, and `peer:(name[pid])`, who has the other end of a unix socket.
void append_rest(std::string& out, const diag::Row& row, const Show& show, const Names& names);

// Pieces of it, shared by the families.
void append_users(std::string& out, const Socket& socket, const Show& show, const Names& names);
void append_memory(std::string& out, std::span<const std::byte> meminfo);  // SK_MEMINFO array: " skmem:(…)"
void append_arrows(std::string& out, uint8_t shutdown);                    // " <->"
// The -e, -m, -b text of a family; `names` for cgroups and interfaces.
void append_inet_rest(std::string& out, const diag::Row& row, const Show& show, const Names& names);
void append_socket_option_names(std::string& out, const diag::Attributes& attributes);  // " freebind recverr"
void append_storages(std::string& out, const diag::Row& row, const Show& show, const Names& names);
void append_packet_rest(std::string& out, const diag::Row& row, const Show& show);
void append_xdp_rest(std::string& out, const diag::Row& row, const Show& show);

}  // namespace socktrace::ss
