#include "core/filter/host.h"

#include <arpa/inet.h>

#include <array>
#include <cstdlib>

#include "core/ss/names.h"
#include "core/ss/selection.h"

namespace socktrace::filter {
namespace {

Error usage(std::string message) {
  return {"filter: " + std::move(message), ErrorKind::usage};
}

struct FamilyPrefix {
  std::string_view text;
  Family family;
};
constexpr std::array kPrefixes = {
    FamilyPrefix{"inet:", Family::inet},       FamilyPrefix{"inet6:", Family::inet6},
    FamilyPrefix{"unix:", Family::unix},       FamilyPrefix{"link:", Family::packet},
    FamilyPrefix{"netlink:", Family::netlink}, FamilyPrefix{"vsock:", Family::vsock},
};

bool is_any(std::string_view text) {
  return text.empty() || text == "*" || text == "any" || text == "default" || text == "all";
}

// "10", "10.1", "10.1.2.3": missing bytes are 0. False when it is no such address.
bool parse_ipv4(std::string_view text, AddressBytes& address) {
  size_t count = 0;
  while (count < 4) {
    const size_t dot = text.find('.');
    const std::string part(text.substr(0, dot));
    if (part.empty() || part.size() > 3 || part.find_first_not_of("0123456789") != std::string::npos)
      return false;
    const int value = std::atoi(part.c_str());
    if (value > 255) return false;
    address[count++] = static_cast<uint8_t>(value);
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
  return false;
}

// A length, or a netmask whose ones come first.
std::optional<uint8_t> parse_prefix_length(std::string_view text, Family family) {
  const uint8_t widest = family == Family::inet ? 32 : 128;
  if (const std::optional<uint64_t> number = parse_number(text)) {
    if (*number > widest) return std::nullopt;
    return static_cast<uint8_t>(*number);
  }
  AddressBytes mask{};
  if (family == Family::inet ? !parse_ipv4(text, mask)
                             : inet_pton(AF_INET6, std::string(text).c_str(), mask.data()) != 1)
    return std::nullopt;
  uint8_t length = 0;
  while (length < widest && (mask[length / 8] & (0x80 >> (length % 8)))) ++length;
  for (uint8_t bit = length; bit < widest; ++bit)
    if (mask[bit / 8] & (0x80 >> (bit % 8))) return std::nullopt;
  return length;
}

// ADDRESS or ADDRESS/LENGTH without a port. Empty result: it is no address.
std::optional<HostCondition> parse_address(std::string_view text, Family family) {
  HostCondition host;
  const size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  if (family != Family::inet6 && parse_ipv4(address, host.address))
    host.family = Family::inet;
  else if (family != Family::inet && inet_pton(AF_INET6, address.c_str(), host.address.data()) == 1)
    host.family = Family::inet6;
  else
    return std::nullopt;
  host.prefix_length = host.family == Family::inet ? 32 : 128;
  if (slash == std::string_view::npos) return host;
  const std::optional<uint8_t> length = parse_prefix_length(text.substr(slash + 1), host.family);
  if (!length) return std::nullopt;
  host.prefix_length = *length;
  return host;
}

struct AddressAndPort {
  std::string_view address;
  std::string_view port;
  bool has_port = false;
  bool bracketed = false;
};

std::optional<AddressAndPort> split(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    AddressAndPort parts{.address = text.substr(1, end - 1), .port = {}, .bracketed = true};
    std::string_view rest = text.substr(end + 1);
    if (rest.empty()) return parts;
    if (!rest.starts_with(':')) return std::nullopt;
    parts.port = rest.substr(1);
    parts.has_port = true;
    return parts;
  }
  const size_t slash = text.find('/');
  const size_t first = text.find(':');
  const size_t last = text.rfind(':');
  if (last == std::string_view::npos) return AddressAndPort{.address = text, .port = {}};
  // fe80::/10 has colons of its own; 10.0.0.0/8:80 has one for the port
  if (slash != std::string_view::npos && first != last && last < slash)
    return AddressAndPort{.address = text, .port = {}};
  return AddressAndPort{.address = text.substr(0, last), .port = text.substr(last + 1), .has_port = true};
}

Result<ParsedHost> parse_inet(std::string_view text, Family family, const FilterOptions& options) {
  const std::optional<AddressAndPort> parts = split(text);
  if (!parts) return usage("`" + std::string(text) + "` lacks the `]` of an IPv6 address, or a `:` after it");
  int32_t port = -1;
  if (parts->has_port && parts->port != "*" && !parts->port.empty()) {
    Result<uint16_t> number = parse_port(parts->port, options);
    if (!number) return std::move(number.error());
    port = *number;
  }
  ParsedHost parsed;
  if (!parts->bracketed && is_any(parts->address)) {
    HostCondition any;
    any.family = family;
    parsed.conditions.push_back(any);
  } else if (std::optional<HostCondition> host = parse_address(parts->address, family)) {
    parsed.conditions.push_back(*host);
  } else if (!parts->bracketed && options.names.host &&
             parts->address.find_first_of("=<>!()/") == std::string_view::npos) {
    parsed.conditions = options.names.host(parts->address, family);
  }
  if (parsed.conditions.empty())
    return usage("`" + std::string(text) + "` is no address, and no host has that name");
  for (HostCondition& host : parsed.conditions) host.port = port;
  return parsed;
}

// PROTOCOL[:PORT] of netlink, ETHERTYPE[:DEVICE] of packet, CID[:PORT] of vsock.
Result<ParsedHost> parse_pair(std::string_view text, Family family, const FilterOptions& options) {
  HostCondition host;
  host.family = family;
  const size_t colon = text.find(':');
  const std::string_view first = text.substr(0, colon);
  if (!is_any(first)) {
    std::optional<uint64_t> number = parse_number(first);
    for (uint32_t i = 0; !number && family == Family::netlink && i < 32; ++i)
      if (ss::netlink_protocol_name(static_cast<uint16_t>(i)) == first) number = i;
    for (uint32_t i = 0; !number && family == Family::packet && i < 65536; ++i)
      if (ss::ethertype_name(static_cast<uint16_t>(i)) == first) number = i;
    if (!number) return usage("`" + std::string(first) + "` is no protocol");
    host.node = static_cast<uint32_t>(*number);
  }
  if (colon != std::string_view::npos && !is_any(text.substr(colon + 1))) {
    const std::string_view second = text.substr(colon + 1);
    std::optional<uint64_t> number = second == "kernel" ? 0 : parse_number(second);
    if (family == Family::packet) {
      const std::optional<uint32_t> device =
          options.names.device ? options.names.device(second) : std::nullopt;
      if (!device && !number) return usage("no interface is called `" + std::string(second) + "`");
      host.ifindex = device ? *device : static_cast<uint32_t>(*number);
    } else {
      if (!number) return usage("`" + std::string(second) + "` is no port");
      host.port = static_cast<int32_t>(*number);
    }
  }
  return ParsedHost{{host}, std::nullopt};
}

}  // namespace

std::optional<uint64_t> parse_number(std::string_view text) {
  const std::string digits(text);
  if (digits.empty() || digits.front() < '0' || digits.front() > '9') return std::nullopt;
  char* end = nullptr;
  const uint64_t value = std::strtoull(digits.c_str(), &end, 0);
  if (*end != '\0') return std::nullopt;
  return value;
}

Result<uint16_t> parse_port(std::string_view text, const FilterOptions& options) {
  const std::string_view port = text.starts_with(':') ? text.substr(1) : text;
  if (const std::optional<uint64_t> number = parse_number(port)) {
    if (*number > 65535) return usage("a port is at most 65535, not " + std::string(port));
    return static_cast<uint16_t>(*number);
  }
  const std::optional<uint16_t> known = options.names.service ? options.names.service(port) : std::nullopt;
  if (!known)
    return usage("`" + std::string(text) + "` is no port and no service is called so (/etc/services)");
  return *known;
}

Result<ParsedHost> parse_host(std::string_view text, const FilterOptions& options) {
  Family family = options.family;
  std::optional<Family> prefix;
  for (const FamilyPrefix& known : kPrefixes) {
    if (!text.starts_with(known.text)) continue;
    family = known.family;
    prefix = known.family;
    text.remove_prefix(known.text.size());
    break;
  }
  Result<ParsedHost> parsed = ParsedHost{};
  if (family == Family::unix ||
      (family == Family::unspecified && (text.starts_with('/') || text.starts_with('@')))) {
    HostCondition host;
    host.family = Family::unix;
    host.pattern = text;
    parsed = ParsedHost{{host}, std::nullopt};
  } else if (family == Family::netlink || family == Family::packet || family == Family::vsock) {
    parsed = parse_pair(text, family, options);
  } else {
    parsed = parse_inet(text, family, options);
  }
  if (parsed) parsed->prefix = prefix;
  return parsed;
}

}  // namespace socktrace::filter
