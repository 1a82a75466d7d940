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

bool is_star(std::string_view text) {
  return text.empty() || text == "*";
}

bool is_any_word(std::string_view text) {
  return text == "any" || text == "default" || text == "all";
}

// "10", "10.1", "10.1.2.3": missing bytes are 0; each is a number in C's notation, as in ss. False when it is no such
// address.
bool parse_ipv4(std::string_view text, AddressBytes& address) {
  size_t count = 0;
  while (count < 4) {
    const size_t dot = text.find('.');
    const std::optional<uint64_t> value = parse_number(text.substr(0, dot));
    if (!value || *value > 255) return false;
    address[count++] = static_cast<uint8_t>(*value);
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

// A number or a service name.
Result<uint16_t> parse_port(std::string_view text, const FilterOptions& options) {
  if (const std::optional<uint64_t> number = parse_number(text)) {
    if (*number > 65535) return usage("a port is at most 65535, not `" + std::string(text) + "`");
    return static_cast<uint16_t>(*number);
  }
  const std::optional<uint16_t> known = options.names.service ? options.names.service(text) : std::nullopt;
  if (!known)
    return usage("`" + std::string(text) + "` is no port and no service is called so (/etc/services)");
  return *known;
}

struct AddressAndPort {
  std::string_view address;
  std::string_view port;
};

// As ss divides them: "[ADDRESS]:PORT", "*:PORT" (both without the colon, too), or at the last colon, which stands behind the
// slash where there is one.
std::optional<AddressAndPort> split(std::string_view text) {
  AddressAndPort parts;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    parts = {text.substr(1, end - 1), text.substr(end + 1)};
  } else if (text.starts_with('*')) {
    parts = {text.substr(0, 1), text.substr(1)};
  } else {
    const size_t slash = text.find('/');
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash))
      return AddressAndPort{text, {}};
    return AddressAndPort{text.substr(0, colon), text.substr(colon + 1)};
  }
  if (parts.port.starts_with(':')) parts.port.remove_prefix(1);
  return parts;
}

// Whether it is worth asking for: what ends in a number is a mistyped address.
bool may_be_host_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.find_first_of("=<>!()[]/:") != std::string_view::npos) return false;
  const char first_of_last = text[text.rfind('.') + 1];  // npos + 1 is 0
  return first_of_last < '0' || first_of_last > '9';
}

Result<ParsedHost> parse_inet(std::string_view text, Family family, const FilterOptions& options) {
  const std::optional<AddressAndPort> parts = split(text);
  if (!parts) return usage("`" + std::string(text) + "` lacks the `]` of an IPv6 address");
  int32_t port = -1;
  if (!is_star(parts->port)) {
    Result<uint16_t> number = parse_port(parts->port, options);
    if (!number) return std::move(number.error());
    port = *number;
  }
  ParsedHost parsed;
  if (is_star(parts->address)) {
    parsed.conditions.emplace_back();
  } else if (is_any_word(parts->address)) {
    parsed.conditions.emplace_back().family = family;
  } else if (std::optional<HostCondition> host = parse_address(parts->address, family)) {
    parsed.conditions.push_back(*host);
  } else if (options.names.host && may_be_host_name(parts->address)) {
    parsed.conditions = options.names.host(parts->address, family);
  }
  if (parsed.conditions.empty())
    return usage("`" + std::string(text) + "` is no address, and no host has that name");
  for (HostCondition& host : parsed.conditions) host.port = port;
  return parsed;
}

// The port of `sport` and `dport`: [:]PORT, [[PORT]].
Result<ParsedHost> parse_inet_port(std::string_view text, const FilterOptions& options) {
  std::string_view port = text;
  if (port.starts_with('[') && port.ends_with(']'))
    port = port.substr(1, port.size() - 2);
  else if (port.starts_with(':'))
    port.remove_prefix(1);
  ParsedHost parsed;
  HostCondition& condition = parsed.conditions.emplace_back();
  if (is_star(port)) return parsed;
  Result<uint16_t> number = parse_port(port, options);
  if (!number) return std::move(number.error());
  condition.port = *number;
  return parsed;
}

// PROTOCOL[:PORT] of netlink, ETHERTYPE[:DEVICE] of packet, CID[:PORT] of vsock.
Result<ParsedHost> parse_pair(std::string_view text, Family family, const FilterOptions& options) {
  HostCondition host;
  host.family = family;
  const size_t colon = text.find(':');
  const std::string_view first = text.substr(0, colon);
  if (!is_star(first)) {
    std::optional<uint64_t> number = parse_number(first);
    for (uint32_t i = 0; !number && family == Family::netlink && i < 32; ++i)
      if (ss::netlink_protocol_name(static_cast<uint16_t>(i)) == first) number = i;
    for (uint32_t i = 0; !number && family == Family::packet && i < 65536; ++i)
      if (ss::ethertype_name(static_cast<uint16_t>(i)) == first) number = i;
    if (!number) return usage("`" + std::string(first) + "` is no protocol");
    host.node = static_cast<uint32_t>(*number);
  }
  if (colon != std::string_view::npos && !is_star(text.substr(colon + 1))) {
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

// The port of `sport` and `dport` where it is one of 32 bits: [:]PORT. As in ss it is a signed number, and negative where the
// kernel has chosen it.
Result<ParsedHost> parse_wide_port(std::string_view text, Family family) {
  if (text.starts_with(':')) text.remove_prefix(1);
  ParsedHost parsed;
  HostCondition& condition = parsed.conditions.emplace_back();
  if (is_star(text)) {
    condition.family = family;
    return parsed;
  }
  const bool kernel = family == Family::netlink && text == "kernel";
  const bool negative = text.starts_with('-');
  const std::optional<uint64_t> number = kernel ? 0 : parse_number(text.substr(negative ? 1 : 0));
  if (!number || *number > UINT32_MAX) return usage("`" + std::string(text) + "` is no port");
  condition.family = family;
  condition.port = static_cast<int32_t>(negative ? -*number : *number);
  return parsed;
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

Result<ParsedHost> parse_host(std::string_view text, HostPart part, const FilterOptions& options) {
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
  } else if (part == HostPart::port && (family == Family::netlink || family == Family::vsock)) {
    parsed = parse_wide_port(text, family);
  } else if (family == Family::netlink || family == Family::packet || family == Family::vsock) {
    parsed = parse_pair(text, family, options);
  } else {
    parsed = part == HostPart::port ? parse_inet_port(text, options) : parse_inet(text, family, options);
  }
  if (parsed) parsed->prefix = prefix;
  return parsed;
}

}  // namespace socktrace::filter
