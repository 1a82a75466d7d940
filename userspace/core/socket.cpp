#include "core/socket.h"

#include <arpa/inet.h>
#include <linux/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>

namespace socktrace {
namespace {

constexpr AddressBytes kV4MappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool begins_with_zeros(const AddressBytes& address, size_t count) {
  return std::all_of(address.begin(), address.begin() + count, [](uint8_t byte) { return byte == 0; });
}

}  // namespace

bool is_wildcard(Family family, const AddressBytes& address) {
  return begins_with_zeros(address, family == Family::inet ? 4 : 16);
}

bool is_v4_mapped(Family family, const AddressBytes& address) {
  return family == Family::inet6 &&
         std::equal(kV4MappedPrefix.begin(), kV4MappedPrefix.begin() + 12, address.begin());
}

bool is_loopback(Family family, const AddressBytes& address) {
  if (family == Family::inet) return address[0] == 127;
  if (is_v4_mapped(family, address)) return address[12] == 127;
  return begins_with_zeros(address, 15) && address[15] == 1;
}

AddressText address_text(Family family, const AddressBytes& address) {
  AddressText out;
  char* const begin = out.text.data();
  if (family == Family::inet) {
    char* end = begin;
    for (size_t i = 0; i < 4; ++i) {
      if (i > 0) *end++ = '.';
      end = std::to_chars(end, end + 3, address[i]).ptr;
    }
    out.size = static_cast<size_t>(end - begin);
  } else if (family == Family::inet6) {
    inet_ntop(AF_INET6, address.data(), begin, static_cast<socklen_t>(out.text.size()));
    out.size = std::strlen(begin);
  }
  return out;
}

std::string to_string(Family family, const AddressBytes& address) {
  return std::string(address_text(family, address).view());
}

void append_endpoint(std::string& out, Family family, const Endpoint& endpoint) {
  if (family == Family::inet6) out += '[';
  out += address_text(family, endpoint.address).view();
  if (family == Family::inet6) out += ']';
  out += ':';
  if (endpoint.port == 0) {
    out += '*';
  } else {
    char digits[5];
    out.append(digits, std::to_chars(digits, std::end(digits), endpoint.port).ptr);
  }
}

std::string to_string(Family family, const Endpoint& endpoint) {
  std::string text;
  append_endpoint(text, family, endpoint);
  return text;
}

bool is_inet(const Socket& socket) {
  return socket.family == Family::inet || socket.family == Family::inet6;
}

bool is_tcp(const Socket& socket) {
  return socket.protocol == IPPROTO_TCP || socket.protocol == kMptcp;
}

bool is_datagram(const Socket& socket) {
  return (socket.family == Family::inet || socket.family == Family::inet6) &&
         (socket.protocol == IPPROTO_UDP || socket.protocol == IPPROTO_UDPLITE);
}

bool is_listening(const Socket& socket) {
  if (socket.state == State::listen) return true;
  return is_datagram(socket) && socket.state == State::close && socket.local.port != 0;
}

const SocketDetails& details_of(const Socket& socket) {
  static const SocketDetails kNone;
  return socket.details ? *socket.details : kNone;
}

bool is_unix(const Socket& socket) {
  return socket.family == Family::unix;
}

// A path ends at its NUL; an abstract name begins with one and has no end of its own.
std::string unix_name(std::span<const std::byte> path) {
  std::string name(reinterpret_cast<const char*>(path.data()), path.size());
  if (name.empty()) return name;
  if (name[0] == '\0') {
    name[0] = '@';
    return name;
  }
  name.resize(strnlen(name.data(), name.size()));
  return name;
}

std::string netid(const Socket& socket) {
  switch (socket.family) {
    case Family::unix:
      return socket.type == SOCK_DGRAM ? "u_dgr" : socket.type == SOCK_SEQPACKET ? "u_seq" : "u_str";
    case Family::netlink:
      return "nl";
    case Family::packet:
      return socket.type == SOCK_RAW ? "p_raw" : "p_dgr";
    case Family::vsock:
      return socket.type == SOCK_DGRAM ? "v_dgr" : "v_str";
    case Family::xdp:
      return "xdp";
    case Family::tipc:
      return "ti_st";
    default:
      break;
  }
  if (socket.type == SOCK_RAW) return "raw";
  switch (socket.protocol) {
    case IPPROTO_TCP:
      return "tcp";
    case IPPROTO_UDP:
      return "udp";
    case IPPROTO_UDPLITE:
      return "udpl";
    case IPPROTO_SCTP:
      return "sctp";
    case IPPROTO_DCCP:
      return "dccp";
    case kMptcp:
      return "mptcp";
    case IPPROTO_ICMP:
      return "icmp";
    case IPPROTO_ICMPV6:
      return "icmp6";
    default:
      return "???";
  }
}

std::string transport(const Socket& socket) {
  switch (socket.family) {
    case Family::unix:
      return "unix";
    case Family::netlink:
      return "netlink";
    case Family::packet:
      return "packet";
    case Family::vsock:
      return "vsock";
    case Family::xdp:
      return "xdp";
    case Family::tipc:
      return "tipc";
    default:
      break;
  }
  return socket.protocol == IPPROTO_UDPLITE && socket.type != SOCK_RAW ? "udplite" : netid(socket);
}

bool same_process(const Process& a, uint32_t pid, uint64_t start_ns) {
  constexpr uint64_t kClockTick_ns = 10'000'000;
  if (a.pid != pid) return false;
  if (a.start_ns == 0 || start_ns == 0) return true;
  const uint64_t difference = a.start_ns > start_ns ? a.start_ns - start_ns : start_ns - a.start_ns;
  return difference <= kClockTick_ns;
}

bool same_process(const Process& a, const Process& b) {
  return same_process(a, b.pid, b.start_ns);
}

}  // namespace socktrace
