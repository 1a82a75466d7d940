#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "core/event.h"

namespace socktrace {

// Words of the log for our enumerations, in the order of their values; "" is not written. Encoder and decoder
// use the same tables.

template <size_t N>
constexpr std::string_view word_of(const std::array<std::string_view, N>& words, size_t value) {
  return value < N ? words[value] : std::string_view{};
}

template <size_t N>
constexpr std::optional<size_t> value_of(const std::array<std::string_view, N>& words,
                                         std::string_view word) {
  for (size_t i = 0; i < N; ++i)
    if (words[i] == word && !word.empty()) return i;
  return std::nullopt;
}

// SOCK_*
inline constexpr std::array<std::string_view, 11> kTypeWords = {
    "", "stream", "dgram", "raw", "rdm", "seqpacket", "dccp", "", "", "", "packet"};
inline constexpr std::array<std::string_view, 4> kOwnerSourceWords = {"", "call", "descriptor", "inherited"};
inline constexpr std::array<std::string_view, 6> kNoOwnerWords = {"",      "permission", "kernel",
                                                                  "netns", "exited",     "unaccepted"};

// socket.options: the names of the options that are set. "known": of reuseaddr, reuseport and port_locked
// those not named are off; "v6only_known": likewise v6only.
struct OptionWord {
  std::string_view word;
  bool (*get)(const BindOptions&);
  void (*set)(BindOptions&);
};
inline constexpr std::array<OptionWord, 6> kOptionWords = {{
    {"known", [](const BindOptions& o) { return bool{o.known}; }, [](BindOptions& o) { o.known = true; }},
    {"reuseaddr", [](const BindOptions& o) { return bool{o.reuse_address}; },
     [](BindOptions& o) { o.reuse_address = true; }},
    {"reuseport", [](const BindOptions& o) { return bool{o.reuse_port}; },
     [](BindOptions& o) { o.reuse_port = true; }},
    {"v6only", [](const BindOptions& o) { return bool{o.v6_only}; },
     [](BindOptions& o) { o.v6_only = true; }},
    {"v6only_known", [](const BindOptions& o) { return bool{o.v6_only_known}; },
     [](BindOptions& o) { o.v6_only_known = true; }},
    {"port_locked", [](const BindOptions& o) { return bool{o.port_locked}; },
     [](BindOptions& o) { o.port_locked = true; }},
}};

// Address families that are not IP; network.transport names them (IP sockets have network.type).
struct FamilyWord {
  Family family;
  std::string_view word;
};
inline constexpr std::array<FamilyWord, 6> kFamilyWords = {{
    {Family::unix, "unix"},
    {Family::netlink, "netlink"},
    {Family::packet, "packet"},
    {Family::vsock, "vsock"},
    {Family::xdp, "xdp"},
    {Family::tipc, "tipc"},
}};

// Close events are summaries of a connection: k is "conn" instead of "event".
constexpr bool is_close(EventKind kind) {
  return kind == EventKind::tcp_closed || kind == EventKind::udp_closed || kind == EventKind::socket_closed;
}

}  // namespace socktrace
