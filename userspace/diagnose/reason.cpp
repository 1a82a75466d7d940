#include "diagnose/reason.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "diagnose/claim.h"

namespace socktrace::diagnose {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(Reason::address_tentative) + 1> kIds = {
    "listener_overlap",    "dual_stack_overlap", "reuseport_uid_mismatch",
    "listen_conflict",     "bound_overlap",      "udp_overlap",
    "outgoing_connection", "inbound_connection", "closing_connection",
    "time_wait",           "same_port",          "range_exhausted",
    "holder_unknown",      "address_not_local",  "address_other_interface",
    "privileged_port",     "already_bound",      "mapped_v6_only",
    "scope_missing",       "tcp_multicast",      "policy",
    "other_error",         "unix_name_taken",    "unix_path_exists",
    "connection_exists",   "address_tentative",
};

constexpr uint64_t kTimeWait_s = 60;  // TCP_TIMEWAIT_LEN

bool is_closing(State state) {
  switch (state) {
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::close_wait:
    case State::last_ack:
    case State::closing:
      return true;
    default:
      return false;
  }
}

bool is_connected(const Socket& socket) {
  return socket.state == State::established || socket.state == State::syn_sent;
}

bool is_self_connected(const Socket& socket) {
  return socket.peer.port != 0 && socket.local == socket.peer;
}

// Made by connect() rather than accept(). Of one that was not seen to open, a port that bind() chose tells, or one that the
// kernel hands out.
bool is_outgoing(const Socket& socket, const HostFacts& facts) {
  if (socket.inbound) return false;
  if (socket.opened_ns != 0 && !socket.since_is_bound) return true;
  if (is_self_connected(socket) || socket.state == State::syn_sent || socket.options.port_locked) return true;
  return is_ephemeral(facts, socket.local.port);
}

std::string_view missing_reuse_port(const BindRequest& request, const Socket& holder) {
  if (request.options.reuse_port)
    return holder.options.known ? "the holder lacks SO_REUSEPORT" : "the holder may lack SO_REUSEPORT";
  if (holder.options.known && !holder.options.reuse_port) return "neither socket has SO_REUSEPORT";
  return "the new socket lacks SO_REUSEPORT";
}

std::string dual_stack(const BindRequest& request) {
  if (request.family == Family::inet6 && is_wildcard(request.family, request.local.address))
    return "the new socket on :: is dual-stack and wants IPv4 too, where the port is held; set IPV6_V6ONLY";
  return ":: is dual-stack and owns IPv4 too, unless its socket sets IPV6_V6ONLY";
}

std::string shared_address_reuse(const BindRequest& request, const Socket& holder) {
  if (holder.options.known && !holder.options.reuse_address)
    return request.options.reuse_address ? "SO_REUSEADDR helps only if the holder has it too"
                                         : "neither socket has SO_REUSEADDR, which helps only on both";
  if (request.options.reuse_address) return "SO_REUSEADDR helps only if both have it";
  return holder.options.known ? "set SO_REUSEADDR before bind"
                              : "set SO_REUSEADDR before bind; it helps if the holder had it too";
}

std::string time_wait(const BindRequest& request, const Socket& holder, size_t count) {
  const std::string rest = fmt::format("for up to {} s more", time_wait_left_s(holder, request.time_ns));
  const std::string what =
      count == 1 ? fmt::format("TIME-WAIT {} after a connection closed here", rest)
                 : fmt::format("{} connections closed here are in TIME-WAIT, the last {}", count, rest);
  return fmt::format("{}; {}", what, shared_address_reuse(request, holder));
}

std::string outgoing(const Socket& holder) {
  if (is_self_connected(holder))
    return "the socket is connected to itself: its connect() found no listener and met its own source port";
  return fmt::format(
      "a connection to {} has the port as its source port; net.ipv4.ip_local_reserved_ports keeps a port "
      "from that",
      to_string(holder.family, holder.peer));
}

}  // namespace

uint64_t time_wait_left_s(const Socket& waiting, uint64_t now_ns) {
  const uint64_t age_s = now_ns > waiting.changed_ns && waiting.changed_ns != 0
                             ? (now_ns - waiting.changed_ns) / 1'000'000'000
                             : 0;
  return age_s < kTimeWait_s ? kTimeWait_s - age_s : 1;
}

std::string_view id(Reason reason) {
  return kIds[static_cast<size_t>(reason)];
}

bool is_connection(Reason reason) {
  return reason == Reason::outgoing_connection || reason == Reason::inbound_connection ||
         reason == Reason::closing_connection || reason == Reason::time_wait;
}

Reason reason_of(AddressFault fault) {
  switch (fault) {
    case AddressFault::not_local:
      return Reason::address_not_local;
    case AddressFault::other_interface:
      return Reason::address_other_interface;
    case AddressFault::tentative:
      return Reason::address_tentative;
    case AddressFault::privileged_port:
      return Reason::privileged_port;
    case AddressFault::already_bound:
      return Reason::already_bound;
    case AddressFault::mapped_v6_only:
      return Reason::mapped_v6_only;
    case AddressFault::needs_scope:
      return Reason::scope_missing;
    case AddressFault::tcp_multicast:
      return Reason::tcp_multicast;
    case AddressFault::none:
      break;
  }
  return Reason::other_error;
}

Reason reason_for(const BindRequest& request, const Socket& holder, const HostFacts& facts) {
  const Claim wanted = claim_of(request);
  const Claim held = claim_of(holder, Unknown::blocks);
  if (held.time_wait) return Reason::time_wait;
  if (is_datagram(holder)) {
    const bool chosen =
        holder.options.known ? holder.options.port_locked : !is_ephemeral(facts, holder.local.port);
    if (is_connected(holder) && !chosen) return Reason::outgoing_connection;
  } else {
    if (is_connected(holder))
      return is_outgoing(holder, facts) ? Reason::outgoing_connection : Reason::inbound_connection;
    if (is_closing(holder.state)) return Reason::closing_connection;
  }
  if (wanted.reuse_port && held.reuse_port && wanted.uid != held.uid) return Reason::reuseport_uid_mismatch;
  if (overlaps_across_families(wanted, held)) return Reason::dual_stack_overlap;
  if (is_datagram(holder)) return Reason::udp_overlap;
  if (!held.listening) return Reason::bound_overlap;
  return request.is_listen ? Reason::listen_conflict : Reason::listener_overlap;
}

std::string why(Reason reason, const BindRequest& request, const Socket& holder, size_t count) {
  const std::string several = count > 1 ? fmt::format(" ({} such sockets)", count) : "";
  switch (reason) {
    case Reason::listener_overlap:
      return fmt::format("same port, overlapping address, {}{}", missing_reuse_port(request, holder),
                         several);
    case Reason::dual_stack_overlap:
      return dual_stack(request) + several;
    case Reason::reuseport_uid_mismatch:
      return fmt::format("both have SO_REUSEPORT, but uid {} may not join the group of uid {}{}", request.uid,
                         holder.uid, several);
    case Reason::listen_conflict:
      return "both could bind with SO_REUSEADDR, but only one may listen without SO_REUSEPORT" + several;
    case Reason::bound_overlap:
      return fmt::format("bound without listening, overlapping address; {}{}",
                         shared_address_reuse(request, holder), several);
    case Reason::udp_overlap:
      return fmt::format("same port, overlapping address, {}{}", missing_reuse_port(request, holder),
                         several);
    case Reason::outgoing_connection:
      return outgoing(holder) + several;
    case Reason::inbound_connection:
      return fmt::format("a connection accepted on the port outlives its listener; {}{}",
                         shared_address_reuse(request, holder), several);
    case Reason::closing_connection:
      return fmt::format("a connection that is still closing ({}) keeps the port; {}{}",
                         ss_name(holder.state), shared_address_reuse(request, holder), several);
    case Reason::time_wait:
      return time_wait(request, holder, count);
    default:
      return "it has the same port" + several;
  }
}

std::string why(Reason reason, const BindRequest& request, const HostFacts& facts, int error) {
  const std::string address = to_string(request.family, request.local.address);
  switch (reason) {
    case Reason::holder_unknown:
      return "no known socket holds the port: the holder closed since, or is hidden from this host";
    case Reason::address_not_local:
      return fmt::format("no interface of this network namespace has the address {}", address);
    case Reason::address_other_interface:
      return fmt::format(
          "the address {} is on another interface than the one that its scope or SO_BINDTODEVICE names",
          address);
    case Reason::address_tentative:
      return fmt::format(
          "the address {} is tentative: duplicate address detection has not finished, or another host has "
          "it; "
          "bind later, or set IPV6_FREEBIND",
          address);
    case Reason::privileged_port:
      return fmt::format("ports below {} need CAP_NET_BIND_SERVICE", facts.unprivileged_port_start);
    case Reason::already_bound:
      return "the socket already has a port or a connection";
    case Reason::mapped_v6_only:
      return fmt::format("{} is an IPv4 address and the socket has IPV6_V6ONLY", address);
    case Reason::scope_missing:
      return fmt::format("{} is link-local: the call must name the interface", address);
    case Reason::tcp_multicast:
      return fmt::format("{} is a multicast address and TCP has none", address);
    case Reason::policy:
      return request.local.port != 0 && request.local.port < facts.unprivileged_port_start
                 ? "CAP_NET_BIND_SERVICE is missing though the user is root, or a security module or a "
                   "cgroup "
                   "program refused"
                 : "no other socket forbids it: a security module or a cgroup program refused";
    default:
      return std::strerror(error);
  }
}

std::string next_for(Reason reason, const BindRequest& request) {
  const uint16_t port = request.local.port;
  switch (reason) {
    case Reason::time_wait:
      return fmt::format("socktrace ss -tan state time-wait sport = :{}", port);
    case Reason::outgoing_connection:
      return "sysctl net.ipv4.ip_local_reserved_ports net.ipv4.ip_local_port_range";
    case Reason::range_exhausted:
      return "sysctl net.ipv4.ip_local_port_range";
    case Reason::holder_unknown:
      return fmt::format("socktrace why :{}", port);
    case Reason::address_not_local:
    case Reason::address_other_interface:
    case Reason::scope_missing:
      return "ip -br address";
    case Reason::address_tentative:
      return "ip -6 address show tentative";
    case Reason::privileged_port:
      return "sysctl net.ipv4.ip_unprivileged_port_start";
    case Reason::mapped_v6_only:
      return "sysctl net.ipv6.bindv6only";
    case Reason::policy:
      return "journalctl -k -g 'avc|apparmor'";
    default:
      return "";
  }
}

}  // namespace socktrace::diagnose
