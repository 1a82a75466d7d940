#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "sink/rotation.h"

namespace socktrace::cli {

// What the command line of trace mode asks for; see help.cpp for the words.
struct TraceOptions {
  // Selection, as in ss. Without any, every TCP and UDP socket is traced and the table shows the listeners.
  bool listening = false;
  bool all = false;
  bool tcp = false;
  bool udp = false;
  bool raw = false;
  bool unix_sockets = false;
  bool ipv4 = false;
  bool ipv6 = false;
  std::string netns;  // -N: that network namespace only; empty: all
  std::vector<std::string> filter;

  // Output.
  bool once = false;
  bool no_table = false;
  bool alert_only = false;  // no table; of the events only exposed ports opening, and failures
  bool no_header = false;
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool utc = false;
  bool names = false;  // -r or --names: service names instead of numbers
  std::string color = "auto";
  std::string log;        // file for --log; empty for none
  bool recorder = false;  // `socktrace record`: the log is all its output
  sink::Rotation rotation;
  uint64_t keyframe_interval_ns = 300'000'000'000;

  uint64_t audit_interval_ns = 0;  // --audit; 0: none
  uint64_t duration_ns = 0;        // --for; 0: until stopped
  bool strict = false;
  std::string bind_result = "auto";
  bool no_connections = false;  // with `listening`: leave them alone, and look one up when it is in the way
  uint32_t ring_bytes = 8u << 20;  // a power of two, at least a page

  bool help = false;
  bool version = false;

  // Whether the command line selects sockets at all.
  [[nodiscard]] bool selects() const {
    return listening || all || tcp || udp || raw || unix_sockets || ipv4 || ipv6;
  }
};

// ErrorKind::usage names the wrong word and points to --help.
Result<TraceOptions> parse_trace_options(std::span<const std::string> words);
// `socktrace record WORDS…`: `log` is the file of -o, or the directory for it.
Result<TraceOptions> parse_record_options(std::span<const std::string> words);

}  // namespace socktrace::cli
