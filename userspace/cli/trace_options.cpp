#include "cli/trace_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "core/time.h"

namespace socktrace::cli {
namespace {

Error usage(std::string message) {
  return {std::move(message) + "\nsocktrace: see  socktrace --help", ErrorKind::usage};
}

void declare(CLI::App& app, TraceOptions& options, std::string& duration, uint64_t& ring_bytes) {
  app.set_help_flag();
  app.allow_windows_style_options(false);
  app.add_flag("-l,--listen,--listening", options.listening);
  app.add_flag("-a,--all", options.all);
  app.add_flag("-t,--tcp", options.tcp);
  app.add_flag("-u,--udp", options.udp);
  app.add_flag("-w,--raw", options.raw);
  app.add_flag("-x,--unix", options.unix_sockets);
  app.add_flag("-4,--ipv4", options.ipv4);
  app.add_flag("-6,--ipv6", options.ipv6);
  app.add_flag("-r,--resolve", options.names);
  app.add_flag("-n,--numeric");    // the default here; accepted because ss users type it
  app.add_flag("-p,--processes");  // likewise
  app.add_flag("-1,--once", options.once);
  app.add_flag("--no-table", options.no_table);
  app.add_flag("-H,--no-header", options.no_header);
  app.add_flag("-j,--json", options.json);
  app.add_option("-L,--log", options.log);
  app.add_option("--for", duration);
  app.add_flag("-q,--quiet", options.quiet);
  app.add_flag("--verbose", options.verbose);
  app.add_option("--color", options.color)->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_flag("--utc", options.utc);
  app.add_flag("--strict", options.strict);
  app.add_option("--bind-result", options.bind_result)
      ->check(CLI::IsMember({"auto", "fexit", "tracepoint", "infer"}));
  app.add_option("--ring-size", ring_bytes)->transform(CLI::AsSizeValue(false));
  app.add_flag("-h,--help", options.help);
  app.add_flag("-v,-V,--version", options.version);
  app.add_option("filter", options.filter);
}

}  // namespace

Result<TraceOptions> parse_trace_options(std::span<const std::string> words) {
  TraceOptions options;
  std::string duration;
  uint64_t ring_bytes = options.ring_bytes;
  CLI::App app;
  declare(app, options, duration, ring_bytes);

  // CLI11 reports errors by exceptions; they end here. It takes its words from the back.
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return usage(error.what());
  }

  if (!duration.empty()) {
    const Result<uint64_t> parsed = parse_duration(duration);
    if (!parsed || *parsed == 0)
      return usage("--for: not a duration: " + duration + " (write 10s, 5m or 1h30m)");
    options.duration_ns = *parsed;
  }
  constexpr uint64_t kPage = 4096;
  constexpr uint64_t kLargest = 1u << 30;
  if (ring_bytes < kPage || ring_bytes > kLargest || (ring_bytes & (ring_bytes - 1)) != 0)
    return usage("--ring-size: want a power of two from 4096 to 1G, in bytes or with a unit (8MiB)");
  options.ring_bytes = static_cast<uint32_t>(ring_bytes);
  if (options.once && options.no_table) return usage("--once and --no-table together would print nothing");
  return options;
}

}  // namespace socktrace::cli
