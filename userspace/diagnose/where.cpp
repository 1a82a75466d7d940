#include "diagnose/where.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <charconv>
#include <limits>

namespace socktrace::diagnose {
namespace {

Error usage(std::string_view text, std::string_view why) {
  return {fmt::format(
              "'{}': {}; write 8080, :8080, 8080/udp, 127.0.0.1:8080, [::1]:8080, pid:1234 or the name of a "
              "process",
              text, why),
          ErrorKind::usage};
}

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "127.0.0.1", "::1", "*" or nothing
bool take_address(std::string_view text, Where& where) {
  if (text.empty() || text == "*") return true;
  const std::string address(text);
  for (const Family family : {Family::inet, Family::inet6}) {
    if (inet_pton(static_cast<int>(family), address.c_str(), where.address.data()) != 1) continue;
    where.family = family;
    return true;
  }
  return false;
}

}  // namespace

Result<Where> parse_where(std::string_view text, const FindService& service) {
  Where where;
  std::string_view rest = text;
  if (rest.starts_with("pid:")) {
    const auto pid = parse_number<uint32_t>(rest.substr(4));
    if (!pid || *pid == 0) return usage(text, "not the number of a process");
    where.pid = *pid;
    return where;
  }
  const size_t slash = rest.rfind('/');
  const size_t colon = rest.substr(0, slash).rfind(':');
  if (colon == std::string_view::npos && !is_digits(rest.substr(0, slash))) {
    if (rest.empty() || slash != std::string_view::npos) return usage(text, "not a port");
    where.process = rest;
    return where;
  }
  if (slash != std::string_view::npos) {
    const std::string_view protocol = rest.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp") return usage(text, "the protocol is tcp or udp");
    where.protocol = protocol == "tcp" ? IPPROTO_TCP : IPPROTO_UDP;
    rest = rest.substr(0, slash);
  }
  const std::string_view port = colon == std::string_view::npos ? rest : rest.substr(colon + 1);
  std::string_view address = colon == std::string_view::npos ? std::string_view() : rest.substr(0, colon);
  const bool bracketed = address.starts_with('[') && address.ends_with(']');
  if (bracketed) address = address.substr(1, address.size() - 2);
  if (!take_address(address, where)) return usage(text, "not an address of this form");
  if (where.family == Family::inet6 && !bracketed) return usage(text, "an IPv6 address stands in brackets");
  if (bracketed && where.family != Family::inet6)
    return usage(text, "only an IPv6 address stands in brackets");

  std::optional<uint16_t> number = parse_number<uint16_t>(port);
  if (!number && !is_digits(port) && service) number = service(port);
  if (!number || *number == 0)
    return usage(text, "a port is a number from 1 to 65535, or the name of a service");
  where.port = *number;
  return where;
}

}  // namespace socktrace::diagnose
