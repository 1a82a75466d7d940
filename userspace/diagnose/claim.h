#pragma once

#include <cstdint>

#include "core/socket.h"
#include "diagnose/bind_request.h"

namespace socktrace::diagnose {

// What one socket claims of its port, in the terms in which the kernel compares two sockets.
struct Claim {
  Family family = Family::unspecified;
  AddressBytes address{};
  bool v6_only = false;
  uint32_t ifindex = 0;
  bool reuse_address = false;
  bool reuse_port = false;
  uint32_t uid = UINT32_MAX;
  bool listening = false;
  bool time_wait = false;  // a timewait mini-socket, whatever its sub-state
};

// How to read options that no hook and no dump has told.
enum class Unknown : uint8_t { blocks, permits };

Claim claim_of(const BindRequest& request);
Claim claim_of(const Socket& socket, Unknown unknown);

// A holder whose claim depends on options nobody knows.
bool has_unknown_options(const Socket& socket);

// An IPv4 address, be it of an AF_INET socket or v4-mapped; 0.0.0.0 in either form; an IPv6 address proper,
// not ::.
bool is_v4(const Claim& claim);
bool is_v4_wildcard(const Claim& claim);
bool is_native_v6(const Claim& claim);

// inet_rcv_saddr_equal() (net/ipv4/inet_connection_sock.c): whether `second` receives what `first` would. Not
// symmetric: `first` is the socket that asks. The wildcard of `second` may be told to equal only itself.
bool addresses_overlap(const Claim& first, const Claim& second, bool second_wildcard = true);

// Both sockets bound to a device, and to different ones: they never meet.
bool devices_overlap(const Claim& a, const Claim& b);

// Both claim IPv4 through different families: one is a dual-stack IPv6 wildcard.
bool overlaps_across_families(const Claim& a, const Claim& b);

}  // namespace socktrace::diagnose
