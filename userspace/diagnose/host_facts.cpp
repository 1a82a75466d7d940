#include "diagnose/host_facts.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "sys/file.h"

namespace socktrace::diagnose {
namespace {

constexpr std::string_view kSpace = " \t\n\r";

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::optional<uint16_t> parse_port(std::string_view text) {
  text = trimmed(text);
  uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Text of a sysctl, by its path below /proc/sys/net; none when this kernel does not have it.
Result<std::optional<std::string>> read_sysctl(const std::string& root, const std::string& name) {
  Result<std::string> text = sys::read_file_at(AT_FDCWD, (root + "/proc/sys/net/" + name).c_str());
  if (text) return std::optional(*std::move(text));
  if (sys::is_gone(text.error())) return std::optional<std::string>();
  return std::move(text.error());
}

// Reads one sysctl, if there is one, into `value` by way of `parse`.
template <typename Value, typename Parse>
Result<void> read_into(const std::string& root, const std::string& name, Value& value, Parse parse) {
  Result<std::optional<std::string>> text = read_sysctl(root, name);
  if (!text) return std::move(text.error());
  if (!*text) return {};
  Result<Value> parsed = parse(**text);
  if (!parsed) return std::move(parsed.error()).within(name);
  value = *std::move(parsed);
  return {};
}

Result<bool> parse_flag(std::string_view text) {
  return trimmed(text) != "0";
}

Result<uint16_t> parse_port_setting(std::string_view text) {
  if (const auto port = parse_port(text)) return *port;
  return Error{"not a port: " + std::string(trimmed(text)), ErrorKind::damaged};
}

}  // namespace

bool is_reserved(const HostFacts& facts, uint16_t port) {
  return std::ranges::any_of(facts.reserved_ports, [port](const PortRange& range) {
    return range.first <= port && port <= range.last;
  });
}

bool is_ephemeral(const HostFacts& facts, uint16_t port) {
  return facts.local_ports.first <= port && port <= facts.local_ports.last && !is_reserved(facts, port);
}

Result<PortRange> parse_port_range(std::string_view text) {
  text = trimmed(text);
  const size_t gap = text.find_first_of(kSpace);
  if (gap != std::string_view::npos) {
    const auto first = parse_port(text.substr(0, gap));
    const auto last = parse_port(text.substr(gap));
    if (first && last && *first <= *last) return PortRange{*first, *last};
  }
  return Error{"not a port range: " + std::string(text), ErrorKind::damaged};
}

Result<std::vector<PortRange>> parse_reserved_ports(std::string_view text) {
  std::vector<PortRange> ranges;
  text = trimmed(text);
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    const size_t dash = item.find('-');
    const auto first = parse_port(item.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_port(item.substr(dash + 1));
    if (!first || !last || *first > *last)
      return Error{"not a list of ports: " + std::string(item), ErrorKind::damaged};
    ranges.push_back({*first, *last});
    text.remove_prefix(std::min(text.size(), item.size() + 1));
  }
  return ranges;
}

Result<HostFacts> read_port_sysctls(const std::string& root) {
  HostFacts facts;
  Result<void> steps[] = {
      read_into(root, "ipv4/ip_unprivileged_port_start", facts.unprivileged_port_start, parse_port_setting),
      read_into(root, "ipv4/ip_local_port_range", facts.local_ports, parse_port_range),
      read_into(root, "ipv4/ip_local_reserved_ports", facts.reserved_ports, parse_reserved_ports),
      read_into(root, "ipv4/ip_nonlocal_bind", facts.nonlocal_bind_v4, parse_flag),
      read_into(root, "ipv6/ip_nonlocal_bind", facts.nonlocal_bind_v6, parse_flag),
      read_into(root, "ipv4/ip_autobind_reuse", facts.autobind_reuse, parse_flag),
  };
  for (Result<void>& step : steps)
    if (!step) return std::move(step.error());
  return facts;
}

Result<HostFacts> read_host_facts(const std::string& root) {
  Result<HostFacts> facts = read_port_sysctls(root);
  if (!facts) return std::move(facts.error()).within("read port settings");
  Result<std::vector<LocalNetwork>> networks = read_local_networks();
  if (!networks) return std::move(networks.error()).within("list local addresses");
  facts->addresses = *std::move(networks);
  facts->addresses_known = true;
  return facts;
}

}  // namespace socktrace::diagnose
