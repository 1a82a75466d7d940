#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace socktrace {

// The kernel's socket states (include/net/tcp_states.h). Every protocol reuses the TCP numbers: an
// unconnected UDP socket is `close`, a connected one `established`.
enum class State : uint8_t {
  none = 0,
  established = 1,
  syn_sent = 2,
  syn_recv = 3,
  fin_wait_1 = 4,
  fin_wait_2 = 5,
  time_wait = 6,
  close = 7,
  close_wait = 8,
  last_ack = 9,
  listen = 10,
  closing = 11,
  new_syn_recv = 12,
  bound_inactive = 13,
};
inline constexpr int kStateCount = 14;

using StateMask = uint32_t;  // bit n: state n, as idiag_states
constexpr StateMask mask(State state) {
  return StateMask{1} << static_cast<int>(state);
}

// Those of a timewait mini-socket: what a closed connection leaves behind. (FIN_WAIT2 is a full socket's state too.)
constexpr bool is_mini_state(State state) {
  return state == State::time_wait || state == State::fin_wait_2;
}

// As ss prints it: ESTAB, SYN-SENT, UNCONN, LISTEN.
std::string_view ss_name(State state);
// As the event log writes it (OpenTelemetry network.connection.state): established, syn_sent, closed, listen.
std::string_view otel_name(State state);
std::optional<State> state_from_otel(std::string_view name);

}  // namespace socktrace
