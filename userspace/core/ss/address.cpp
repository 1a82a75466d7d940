#include "core/ss/address.h"

#include <linux/if_ether.h>

#include <algorithm>

#include "core/escape.h"

namespace socktrace::ss {
namespace {

using diag::Row;
using diag::Table;

// "0." to "255.": eight of them are on every row.
struct Octet {
  std::array<char, 4> text{};
  uint8_t length = 0;
};

constexpr std::array<Octet, 256> kOctets = [] {
  std::array<Octet, 256> octets{};
  for (unsigned value = 0; value < octets.size(); ++value) {
    Octet& octet = octets[value];
    if (value >= 100) octet.text[octet.length++] = static_cast<char>('0' + value / 100);
    if (value >= 10) octet.text[octet.length++] = static_cast<char>('0' + value / 10 % 10);
    octet.text[octet.length++] = static_cast<char>('0' + value % 10);
    octet.text[octet.length++] = '.';
  }
  return octets;
}();

void append_ipv4(std::string& out, const AddressBytes& address) {
  const size_t begin = out.size();
  out.resize(begin + 4 * sizeof(Octet::text));
  char* at = out.data() + begin;
  for (int i = 0; i < 4; ++i) {
    const Octet& octet = kOctets[address[i]];
    std::copy(octet.text.begin(), octet.text.end(), at);
    at += octet.length;
  }
  out.resize(static_cast<size_t>(at - out.data()) - 1);  // without the last dot
}

void append_service(std::string& out, uint16_t port, Table table, const Show& show, const Names& names) {
  if (port == 0) {
    out += '*';
    return;
  }
  if (show.numeric) return append_number(out, port);
  if (table == Table::raw) {  // there the port is the protocol
    const std::string_view name = names.ip_protocol(static_cast<uint8_t>(port));
    if (!name.empty()) {
      out += name;
      return;
    }
    out += "ipproto-";
    return append_number(out, port);
  }
  const std::string_view name = names.service(port, table);
  if (name.empty()) return append_number(out, port);
  out += name;
}

void write_inet_end(Line& line, const Row& row, const Endpoint& end, uint32_t ifindex, const Show& show,
                    const Names& names) {
  const Socket& socket = row.socket;
  std::string_view host;
  if (show.resolve && !is_wildcard(socket.family, end.address)) host = names.host(socket.family, end.address);
  if (!host.empty())
    append_escaped(line.text, host);
  else
    append_inet_address(line.text, socket.family, end.address, socket.options.v6_only);
  if (ifindex) {
    line.text += '%';
    append_escaped(line.text, names.interface(socket.netns, ifindex));
  }
  line.text += ':';
  line.end_cell();
  append_service(line.text, end.port, row.table, show, names);
  line.end_cell();
}

void write_unix(Line& line, const Socket& socket) {
  const SocketDetails* details = socket.details ? &*socket.details : nullptr;
  if (details && !details->name.empty()) {
    // An abstract name may contain NULs; ss writes each as '@', like the first.
    std::string name = details->name;
    std::replace(name.begin(), name.end(), '\0', '@');
    append_escaped(line.text, name);
  } else {
    line.text += '*';
  }
  line.text += ' ';
  line.end_cell();
  append_number(line.text, socket.inode);
  line.end_cell();
  line.cell("* ");
  append_number(line.text, details ? details->peer_inode : 0U);
  line.end_cell();
}

void write_packet(Line& line, const Socket& socket, const Show& show, const Names& names) {
  if (socket.protocol == ETH_P_ALL) {
    line.text += '*';
  } else {
    const std::string_view name = show.numeric ? std::string_view() : ethertype_name(socket.protocol);
    if (name.empty()) {
      line.text += '[';
      append_number(line.text, socket.protocol);
      line.text += ']';
    } else {
      line.text += name;
    }
  }
  line.text += ':';
  line.end_cell();
  if (socket.ifindex == 0)
    line.text += '*';
  else
    append_escaped(line.text, names.interface(socket.netns, socket.ifindex));
  line.end_cell();
  line.cell("*");
  line.cell("");
}

void append_netlink_port(std::string& out, uint32_t port, const Show& show, const Names& names) {
  const auto number = static_cast<int32_t>(port);
  if (number == -1) {
    out += '*';
    return;
  }
  if (show.numeric) return append_number(out, number);
  if (number == 0) {
    out += "kernel";
    return;
  }
  // A process usually gets its pid as the first port id; others are negative.
  const std::string process = number > 0 ? names.process(port) : std::string();
  if (!process.empty()) {
    append_escaped(out, process);
    out += '/';
  }
  append_number(out, number);
}

void write_netlink(Line& line, const Socket& socket, const Show& show, const Names& names) {
  const SocketDetails& details = *socket.details;
  const std::string_view name = show.numeric ? std::string_view() : netlink_protocol_name(socket.protocol);
  if (name.empty())
    append_number(line.text, socket.protocol);
  else
    line.text += name;
  line.text += ':';
  line.end_cell();
  append_netlink_port(line.text, details.port, show, names);
  line.end_cell();
  if (details.peer_port == 0 && details.peer_node == 0) {
    line.cell("*");
    line.cell("");
    return;
  }
  append_number(line.text, details.peer_node);
  line.cell(":");
  append_number(line.text, static_cast<int32_t>(details.peer_port));
  line.end_cell();
}

void append_or_any(std::string& out, uint32_t number) {
  if (number == UINT32_MAX)
    out += '*';
  else
    append_number(out, number);
}

void write_vsock(Line& line, const SocketDetails& details) {
  append_or_any(line.text, details.node);
  line.cell(":");
  append_or_any(line.text, details.port);
  line.end_cell();
  append_or_any(line.text, details.peer_node);
  line.cell(":");
  append_or_any(line.text, details.peer_port);
  line.end_cell();
}

void write_xdp(Line& line, const Socket& socket, const Names& names) {
  if (socket.ifindex) {
    append_escaped(line.text, names.interface(socket.netns, socket.ifindex));
    line.cell(":");
    line.text += 'q';
    append_number(line.text, socket.details ? socket.details->port : 0U);
    line.end_cell();
  } else {
    line.cell("*:");
    line.cell("*");
  }
  line.cell("*");
  line.cell("");
}

void write_tipc(Line& line, const Row& row) {
  const SocketDetails& details = *row.socket.details;
  append_number(line.text, details.node);
  line.cell(":");
  append_number(line.text, details.port);
  line.end_cell();
  if (row.socket.state != State::established) {
    line.cell("-");
    line.cell("");
    return;
  }
  append_number(line.text, details.peer_node);
  line.cell(":");
  append_number(line.text, details.peer_port);
  line.end_cell();
}

}  // namespace

void append_inet_address(std::string& out, Family family, const AddressBytes& address, bool v6_only) {
  if (family == Family::inet) return append_ipv4(out, address);
  if (is_wildcard(family, address)) {
    out += v6_only ? "[::]" : "*";
    return;
  }
  out += '[';
  out += to_string(family, address);
  out += ']';
}

void write_addresses(Line& line, const Row& row, const Show& show, const Names& names) {
  const Socket& socket = row.socket;
  switch (socket.family) {
    case Family::unix:
      return write_unix(line, socket);
    case Family::packet:
      return write_packet(line, socket, show, names);
    case Family::netlink:
      return write_netlink(line, socket, show, names);
    case Family::vsock:
      return write_vsock(line, *socket.details);
    case Family::xdp:
      return write_xdp(line, socket, names);
    case Family::tipc:
      return write_tipc(line, row);
    default:
      write_inet_end(line, row, socket.local, socket.ifindex, show, names);
      write_inet_end(line, row, socket.peer, 0, show, names);
  }
}

}  // namespace socktrace::ss
