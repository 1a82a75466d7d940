#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/trace_options.h"
#include "core/event.h"
#include "core/result.h"

namespace socktrace::cli {

// What the command line of `socktrace log` asks for; log_help() has the words.
struct LogCommand {
  TraceOptions selection;  // which sockets, and -h, -V
  std::vector<std::string> from;
  std::string since;  // see parse_moment()
  std::string until;
  std::vector<std::string> diff;  // two moments; empty: events
  std::vector<EventKind> events;  // empty: all
  bool follow = false;
  bool json = false;
  bool quiet = false;
  bool utc = false;
  std::string color = "auto";
};

// ErrorKind::usage names the wrong word and points to --help.
Result<LogCommand> parse_log_options(std::span<const std::string> words);

std::string_view log_help();

}  // namespace socktrace::cli
