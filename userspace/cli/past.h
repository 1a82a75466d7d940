#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/log/replay.h"
#include "core/result.h"
#include "source/recording.h"

namespace socktrace::cli {

// A line for standard error, without the program's name.
using Message = std::function<void(std::string_view)>;

// --from LOG… [--at TIME]
struct PastOptions {
  std::vector<std::string> from;
  std::string at;  // see parse_moment(); empty: the end
  bool utc = false;
};

struct PastTable {
  LogReplay replay;
  bool damaged = false;  // exit status 5 when all is printed
};

// The sockets of a recorded moment. Whatever makes them doubtful is said: damage, losses, a moment outside of
// what was recorded. ErrorKind::usage for a bad time; general when nothing had been recorded by then.
Result<PastTable> table_of_past(source::Recording& recording, const PastOptions& options,
                                const Message& message);
// Likewise of a recording that is read for nothing else.
Result<PastTable> table_of_past(const PastOptions& options, const Message& message);

// A moment of the command line; a time of day is the last one before the recording's end.
Result<uint64_t> moment_in(source::Recording& recording, std::string_view text, bool utc);

// "2026-09-20 03:12:07.123456"
std::string date_and_clock(uint64_t realtime_ns, bool utc);

}  // namespace socktrace::cli
