#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/event.h"
#include "core/loss.h"

namespace socktrace {

// What the lines of an event log (socktrace.v1) stand for. Times are CLOCK_BOOTTIME nanoseconds unless named
// otherwise. man/socktrace-log.5 describes the lines themselves.

inline constexpr int kLogVersion = 1;
inline constexpr std::string_view kLogSchema = "socktrace.v1";

// First line of every file, and again after a restart into the same file. Unique per file, because shippers
// tell files apart by their first line.
struct LogHeader {
  int version = kLogVersion;
  std::string session;   // UUID of one run of the recorder
  uint32_t segment = 0;  // number of the file within the session, from 0
  std::string previous;  // name of the file before it; empty for the first
  std::string host_id;   // machine-id
  std::string host_name;
  std::string boot_id;  // cookies and boot times are comparable only within one boot
  std::string kernel;   // release
  std::string tool_version;
  uint64_t realtime_ns = 0;  // these two were read at the same moment
  uint64_t boottime_ns = 0;
  uint64_t t0_ns = 0;                                       // t_ns counts from here
  uint64_t next_seq = 0;                                    // of the record that follows
  std::string filter;                                       // what was recorded; empty: everything
  std::vector<std::pair<std::string, std::string>> probes;  // name and "ok" or what is wrong with it

  bool operator==(const LogHeader&) const = default;
};

// Around the rows of a keyframe: every socket that existed at one moment. A keyframe is complete when its end
// has come and the number of rows is the one it names.
struct KeyframeBegin {
  uint64_t time_ns = 0;
  std::string reason;  // "start", "rotate", "interval", "resync"
  uint64_t sockets = 0;

  bool operator==(const KeyframeBegin&) const = default;
};

struct KeyframeEnd {
  uint64_t time_ns = 0;
  uint64_t sockets = 0;

  bool operator==(const KeyframeEnd&) const = default;
};

// One socket of a keyframe.
struct SocketRow {
  Socket socket;
};

// Records that were made but are not in the log; it stands where they would have stood.
struct LogLoss {
  uint64_t time_ns = 0;
  std::string where;  // "ringbuf": not taken from the kernel, has a seq of its own; "disk": numbered but not
                      // written, has the seq of the first of them
  int32_t cpu = -1;   // -1: not of one CPU
  uint64_t count = 0;
  uint64_t from_ns = 0;  // the gap in time; 0 unknown
  uint64_t to_ns = 0;

  bool operator==(const LogLoss&) const = default;
};

// Somebody set the clock: from here on this pair holds.
struct LogClock {
  uint64_t time_ns = 0;
  int64_t step_ns = 0;  // how much CLOCK_REALTIME moved
  uint64_t realtime_ns = 0;
  uint64_t boottime_ns = 0;

  bool operator==(const LogClock&) const = default;
};

// The table was compared with the kernel's sockets. What differed has been mended by events flagged `resync`, which come
// before this.
struct LogAudit {
  uint64_t time_ns = 0;
  std::string reason;    // "loss": records were lost; "audit": it was time; "request": a signal
  uint64_t sockets = 0;  // that the kernel has
  uint64_t missing = 0;  // of these, not in the table
  uint64_t ghosts = 0;   // in the table, but not with the kernel
  uint64_t wrong_state = 0;
  uint64_t wrong_owner = 0;

  bool operator==(const LogAudit&) const = default;
};

// Last line of a file that was closed in order.
struct LogTrailer {
  uint64_t time_ns = 0;
  uint64_t events = 0;  // event and conn lines of this session so far
  uint64_t lost = 0;
  std::optional<RecordCounts> records =
      std::nullopt;  // of the kernel's hooks; only at the end of the session, when none is on its way

  bool operator==(const LogTrailer&) const = default;
};

// A well-formed line of a kind that this version does not know.
struct LogUnknown {};

struct LogRecord {
  uint64_t seq = 0;  // 0 in headers and unknown records
  std::string
      netns_name;  // of the socket's network namespace; empty: the recorder's own, or there is no socket
  std::variant<LogUnknown, LogHeader, Event, KeyframeBegin, KeyframeEnd, SocketRow, LogLoss, LogClock,
               LogAudit, LogTrailer>
      body;
};

// Of anything that happened; nothing for headers and rows.
inline std::optional<uint64_t> time_of(const LogRecord& record) {
  return std::visit(
      [](const auto& body) -> std::optional<uint64_t> {
        if constexpr (requires { body.time_ns; }) return body.time_ns;
        return std::nullopt;
      },
      record.body);
}

}  // namespace socktrace
