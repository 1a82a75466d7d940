#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/socket.h"
#include "diagnose/address_rules.h"
#include "diagnose/bind_request.h"
#include "diagnose/host_facts.h"

namespace socktrace::diagnose {

// Why a bind or listen fails. Their ids are part of the log format (conflict[].reason): add, never rename.
enum class Reason : uint8_t {
  // a socket holds the port
  listener_overlap,
  dual_stack_overlap,
  reuseport_uid_mismatch,
  listen_conflict,
  bound_overlap,
  udp_overlap,
  outgoing_connection,
  inbound_connection,
  closing_connection,
  time_wait,
  same_port,  // it has the port, but by what is known of it it should not be in the way
  // many do
  range_exhausted,
  // nobody does
  holder_unknown,
  address_not_local,
  address_other_interface,
  privileged_port,
  already_bound,
  mapped_v6_only,
  scope_missing,
  tcp_multicast,
  policy,
  other_error,
  // of unix sockets
  unix_name_taken,
  unix_path_exists,
  // of connect()
  connection_exists,
  // nobody does, either
  address_tentative,
};

std::string_view id(Reason reason);  // "listener_overlap"

// Connections and TIME_WAIT: what a listener leaves behind or a client holds, rather than a server.
bool is_connection(Reason reason);

Reason reason_of(AddressFault fault);
// Why `holder`, which is in the way of `request`, is. `facts` tell outgoing from incoming where nothing else
// does.
Reason reason_for(const BindRequest& request, const Socket& holder, const HostFacts& facts);

// One sentence, without a full stop; `count` sockets like `holder` are in the way.
std::string why(Reason reason, const BindRequest& request, const Socket& holder, size_t count);
// One sentence where no socket is to blame; `error` is what the call returned.
std::string why(Reason reason, const BindRequest& request, const HostFacts& facts, int error);

// Seconds until a TIME_WAIT ends, at the most; `now_ns` by CLOCK_BOOTTIME.
uint64_t time_wait_left_s(const Socket& waiting, uint64_t now_ns);

// What to look at where no socket is to blame, or the socket's process is not the point: a read-only command.
// Empty: the holder's process is (next_step).
std::string next_for(Reason reason, const BindRequest& request);

}  // namespace socktrace::diagnose
