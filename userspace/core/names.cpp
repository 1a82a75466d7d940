#include <array>

#include "core/event.h"
#include "core/state.h"

namespace socktrace {
namespace {

struct StateNames {
  std::string_view ss;
  std::string_view otel;
};

constexpr std::array<StateNames, kStateCount> kStates = {{
    {"UNKNOWN", ""},
    {"ESTAB", "established"},
    {"SYN-SENT", "syn_sent"},
    {"SYN-RECV", "syn_received"},
    {"FIN-WAIT-1", "fin_wait_1"},
    {"FIN-WAIT-2", "fin_wait_2"},
    {"TIME-WAIT", "time_wait"},
    {"UNCONN", "closed"},
    {"CLOSE-WAIT", "close_wait"},
    {"LAST-ACK", "last_ack"},
    {"LISTEN", "listen"},
    {"CLOSING", "closing"},
    {"SYN-RECV", "new_syn_received"},
    {"UNCONN", "bound_inactive"},
}};

constexpr std::array<std::string_view, static_cast<size_t>(EventKind::snapshot_done) + 1> kEvents = {
    "socket.seen",        "bind.ok",         "bind.failed",   "tcp.listen",   "listen.failed", "tcp.connect",
    "tcp.connect_failed", "tcp.established", "tcp.accept",    "tcp.state",    "tcp.closed",    "udp.open",
    "udp.connect",        "udp.closed",      "socket.closed", "socket.owner", "snapshot.done",
};

}  // namespace

std::string_view ss_name(State state) {
  const auto index = static_cast<size_t>(state);
  return index < kStates.size() ? kStates[index].ss : kStates[0].ss;
}

std::string_view otel_name(State state) {
  const auto index = static_cast<size_t>(state);
  return index < kStates.size() ? kStates[index].otel : kStates[0].otel;
}

std::optional<State> state_from_otel(std::string_view name) {
  for (size_t i = 1; i < kStates.size(); ++i)
    if (kStates[i].otel == name) return static_cast<State>(i);
  return std::nullopt;
}

std::string_view name(EventKind kind) {
  return kEvents[static_cast<size_t>(kind)];
}

std::optional<EventKind> event_from_name(std::string_view name) {
  for (size_t i = 0; i < kEvents.size(); ++i)
    if (kEvents[i] == name) return static_cast<EventKind>(i);
  return std::nullopt;
}

}  // namespace socktrace
