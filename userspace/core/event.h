#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.h"
#include "core/socket.h"

namespace socktrace {

// The closed list of event names (design: event log). One row here is all a new event needs for its name.
enum class EventKind : uint8_t {
  socket_seen,
  bind_ok,
  bind_failed,
  tcp_listen,
  listen_failed,
  tcp_connect,
  tcp_connect_failed,
  tcp_established,
  tcp_accept,
  tcp_state,
  tcp_closed,
  udp_open,
  udp_connect,
  udp_closed,
  socket_closed,
  socket_owner,
  snapshot_done,
};

std::string_view name(EventKind kind);  // "bind.failed"
std::optional<EventKind> event_from_name(std::string_view name);

// A socket that made a bind or listen fail, and why.
struct Conflict {
  Socket holder;
  std::string reason;  // stable id for the log: "listener_overlap", "time_wait"
  std::string why;     // one sentence for people
  std::string next;    // the command or setting to look at; read-only
  std::string
      held_for;  // whose the port is when a service manager or a proxy holds it: "a container"; else empty
  // Of the holder's first process, as it is at the moment of the failure; empty when it is gone or unreadable.
  std::string command;            // its command line, words separated by blanks
  std::vector<Ancestor> parents;  // its parent first
};

// How often a process has failed on a port lately.
struct FailureCount {
  uint32_t count = 0;    // this time included; 0: not counted
  uint64_t span_ns = 0;  // since the first of them

  bool operator==(const FailureCount&) const = default;
};

// Something that happened to a socket, complete in itself: it can be printed, logged and replayed without any
// other.
struct Event {
  EventKind kind{};
  uint64_t time_ns = 0;          // CLOCK_BOOTTIME
  Socket socket;                 // after the event; for *_closed the last that was known
  State previous = State::none;  // with tcp_state and tcp_closed
  ProcessRef process;            // who did it, from a task-context hook; null when nobody or unknown
  uint32_t tid = 0;
  int32_t fd = -1;
  int32_t error = 0;            // errno, positive
  bool error_inferred = false;  // the errno was worked out, not returned by the call
  bool resync = false;          // found by comparing with a dump, not seen happening
  bool gone = false;         // the table drops the socket (a close that leaves a TIME_WAIT row is not gone)
  uint64_t lifetime_ns = 0;  // on close, from opened_ns; 0 unknown
  bool lifetime_is_bound = false;   // the socket is older than this
  std::optional<TcpStats> stats;    // on tcp_closed
  std::vector<Conflict> conflicts;  // on bind_failed, listen_failed, and a connect without a free port
  FailureCount failures;            // likewise
};

using EventSink = std::function<void(Event&&)>;

}  // namespace socktrace
