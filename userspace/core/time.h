#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace socktrace {

// Turns the kernel's CLOCK_BOOTTIME into wall time. The offset changes when somebody sets the clock, so that
// it is measured again now and then (sys/clock.h).
struct WallClock {
  int64_t offset_ns = 0;  // CLOCK_REALTIME - CLOCK_BOOTTIME

  [[nodiscard]] uint64_t realtime_ns(uint64_t boottime_ns) const {
    return boottime_ns + static_cast<uint64_t>(offset_ns);
  }
  [[nodiscard]] uint64_t boottime_ns(uint64_t realtime_ns) const {
    return realtime_ns - static_cast<uint64_t>(offset_ns);
  }
};

// Wall times are nanoseconds since 1970-01-01 UTC, without leap seconds, and are cut, not rounded, to
// microseconds.

// "2026-09-20T03:12:07.123456Z": what the event log stores, 27 bytes.
std::string format_rfc3339(uint64_t realtime_ns);
// The same appended: no allocation when `out` has room.
void append_rfc3339(std::string& out, uint64_t realtime_ns);
// "03:12:07.123456", in the time zone of the process unless `utc`.
std::string format_clock(uint64_t realtime_ns, bool utc);
// "2026-09-20", likewise.
std::string format_date(uint64_t realtime_ns, bool utc);

// The two largest units, cut: "0s" "532us" "1.8ms" "182ms" "34.8s" "3m12s" "3m" "5h1m" "1d17h".
std::string format_duration(uint64_t duration_ns);
// Numbers with units us, ms, s, m, h, d, largest first: "500ms", "10s", "1h30m". ErrorKind::usage otherwise,
// for a number without unit, and for more than UINT64_MAX nanoseconds.
Result<uint64_t> parse_duration(std::string_view text);

// Wall time of "2026-09-20T03:12:07Z" with 0 to 9 digits of fraction and Z or an offset like +02:00, from
// 1970 to 2261. ErrorKind::usage otherwise.
Result<uint64_t> parse_rfc3339(std::string_view text);

// What a moment given by people is relative to; wall times.
struct MomentBase {
  uint64_t now_ns = 0;
  uint64_t latest_ns = 0;  // a time of day without a date is the last one that is not after this
  bool utc = false;        // else in the zone of the process
};

// Wall time of a moment as journalctl takes them: "2026-09-20 03:12:07.5", "2026-09-20" (0:00), "03:12",
// "03:12:07", "now", "today", "yesterday", "-15m", "+5s", "@1789873200", or RFC 3339; "UTC" may follow a date
// or time. ErrorKind::usage otherwise.
Result<uint64_t> parse_moment(std::string_view text, const MomentBase& base);

}  // namespace socktrace
