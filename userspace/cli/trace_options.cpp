#include "cli/trace_options.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/option_words.h"
#include "core/time.h"

namespace socktrace::cli {

Error usage(std::string message) {
  return {std::move(message) + "; see  socktrace --help", ErrorKind::usage};
}

void declare_selection(CLI::App& app, TraceOptions& options) {
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
  app.add_flag("-h,--help", options.help);
  app.add_flag("-v,-V,--version", options.version);
  app.add_option("filter", options.filter);
}

namespace {

// CLI11 would take --listen=false for "not --listen", which no other tool does.
Result<void> refuse_values_of_flags(const CLI::App& app, std::span<const std::string> words) {
  for (const std::string& word : words) {
    if (word == "--") break;
    const size_t equals = word.find('=');
    if (!word.starts_with("--") || equals == std::string::npos) continue;
    const std::string name = word.substr(0, equals);
    const CLI::Option* option = app.get_option_no_throw(name);
    if (option && option->get_items_expected_max() == 0)
      return usage(fmt::format("option {} takes no value", name));
  }
  return {};
}

}  // namespace

// It takes its words from the back.
Result<void> parse_words(CLI::App& app, std::span<const std::string> words) {
  if (Result<void> flags = refuse_values_of_flags(app, words); !flags) return flags;
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return usage(error.what());
  }
  return {};
}

std::string refuse_empty(const std::string& value) {
  return value.empty() ? "a value is missing" : "";
}

void declare_logs(CLI::App& app, std::vector<std::string>& from) {
  app.add_option("--from", from)->expected(1)->allow_extra_args(false)->take_all()->check(refuse_empty);
}

void declare_past(CLI::App& app, PastOptions& options) {
  declare_logs(app, options.from);
  app.add_option("--at", options.at)->check(refuse_empty);
  app.add_flag("--utc", options.utc);
}

namespace {

// "64MiB". What begins with a sign would be taken modulo 2^64.
void take_size(CLI::Option* option) {
  option->transform(CLI::AsSizeValue(false));
  option->transform([](const std::string& text) {  // comes first
    if (text.starts_with('-')) throw CLI::ValidationError(text, "a size is not negative");
    return text;
  });
}

// What is read as text first.
struct Texts {
  std::string duration;
  std::string max_age;
  std::string keyframes;
  std::string audit;
  uint64_t ring_bytes = 0;
};

void declare_tracing(CLI::App& app, TraceOptions& options, Texts& texts) {
  app.add_option("-N,--net", options.netns)->check(refuse_empty);
  app.add_option("--for", texts.duration);
  app.add_flag("-q,--quiet", options.quiet);
  app.add_flag("--verbose", options.verbose);
  app.add_flag("--strict", options.strict);
  app.add_option("--bind-result", options.bind_result)
      ->check(CLI::IsMember({"auto", "fexit", "tracepoint", "infer"}));
  app.add_flag("--no-connections", options.no_connections);
  app.add_option("--audit", texts.audit);
  take_size(app.add_option("--ring-size", texts.ring_bytes));
}

void declare_trace(CLI::App& app, TraceOptions& options) {
  app.add_flag("-r,--resolve", options.names);
  app.add_flag("-n,--numeric");    // the default here; accepted because ss users type it
  app.add_flag("-p,--processes");  // likewise
  app.add_flag("-1,--once", options.once);
  app.add_flag("--no-table", options.no_table);
  app.add_flag("--alert-only", options.alert_only);
  app.add_flag("-H,--no-header", options.no_header);
  app.add_flag("-j,--json", options.json);
  app.add_option("-L,--log", options.log)->check(refuse_empty);
  app.add_option("--color", options.color)->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_flag("--utc", options.utc);
}

void declare_record(CLI::App& app, TraceOptions& options, Texts& texts) {
  app.add_option("-o,--output", options.log)->check(refuse_empty);
  sink::Rotation& rotation = options.rotation;
  take_size(app.add_option("--max-size", rotation.max_bytes));
  app.add_option("--max-age", texts.max_age);
  take_size(app.add_option("--keep", rotation.total_bytes));
  take_size(app.add_option("--min-free", rotation.min_free_bytes));
  app.add_option("--keyframes", texts.keyframes);
  app.add_flag("!--no-compress", rotation.compress);
}

// Leaves `value` as it is when the option was not given.
Result<void> take_duration(const char* option, const std::string& text, bool zero_allowed, uint64_t& value) {
  if (text.empty()) return {};
  const Result<uint64_t> parsed = text == "0" && zero_allowed ? Result<uint64_t>(0) : parse_duration(text);
  if (!parsed || (*parsed == 0 && !zero_allowed))
    return usage(std::string(option) + ": not a duration: " + text + " (write 10s, 5m or 1h30m)");
  value = *parsed;
  return {};
}

Result<void> take_tracing(const Texts& texts, TraceOptions& options) {
  if (options.no_connections && options.all)
    return usage("--no-connections: -a asks for connections: leave it out");
  if (options.no_connections && !options.listening)
    return usage("--no-connections: only listeners can be traced without connections: add -l");
  if (options.no_connections && options.bind_result == "infer")
    return usage("--no-connections: bind errors are inferred from connections: use another --bind-result");
  if (Result<void> taken = take_duration("--for", texts.duration, false, options.duration_ns); !taken)
    return taken;
  // A plain number is of seconds.
  const bool plain = texts.audit.find_first_not_of("0123456789") == std::string::npos;
  const std::string audit =
      plain && !texts.audit.empty() && texts.audit != "0" ? texts.audit + "s" : texts.audit;
  if (Result<void> taken = take_duration("--audit", audit, true, options.audit_interval_ns); !taken)
    return taken;
  constexpr uint64_t kPage = 4096;
  constexpr uint64_t kLargest = 1u << 30;
  const uint64_t bytes = texts.ring_bytes;
  if (bytes < kPage || bytes > kLargest || (bytes & (bytes - 1)) != 0)
    return usage("--ring-size: want a power of two from 4096 to 1G, in bytes or with a unit (8MiB)");
  options.ring_bytes = static_cast<uint32_t>(bytes);
  return {};
}

}  // namespace

Result<TraceOptions> parse_trace_options(std::span<const std::string> words) {
  TraceOptions options;
  Texts texts;
  texts.ring_bytes = options.ring_bytes;
  CLI::App app;
  declare_selection(app, options);
  declare_tracing(app, options, texts);
  declare_trace(app, options);
  if (Result<void> parsed = parse_words(app, words); !parsed) return std::move(parsed.error());
  if (Result<void> taken = take_tracing(texts, options); !taken) return std::move(taken.error());
  if (options.alert_only) options.no_table = true;
  if (options.once && options.duration_ns != 0) return usage("--once ends by itself: leave out --for");
  if (options.once && options.no_table) return usage("--once and --no-table together would print nothing");
  return options;
}

Result<TraceOptions> parse_record_options(std::span<const std::string> words) {
  TraceOptions options;
  options.recorder = true;
  options.audit_interval_ns = 60'000'000'000;
  options.rotation.min_free_bytes = sink::Rotation::kAutomatic;
  Texts texts;
  texts.ring_bytes = options.ring_bytes;
  CLI::App app;
  declare_selection(app, options);
  declare_tracing(app, options, texts);
  declare_record(app, options, texts);
  if (Result<void> parsed = parse_words(app, words); !parsed) return std::move(parsed.error());
  if (options.help || options.version) return options;
  if (Result<void> taken = take_tracing(texts, options); !taken) return std::move(taken.error());
  if (Result<void> taken = take_duration("--max-age", texts.max_age, true, options.rotation.max_age_ns);
      !taken)
    return std::move(taken.error());
  if (Result<void> taken = take_duration("--keyframes", texts.keyframes, true, options.keyframe_interval_ns);
      !taken)
    return std::move(taken.error());
  if (options.log.empty()) return usage("record: -o DIR or -o FILE.jsonl says where to");
  if (options.log == "-") return usage("record: write to a file; for standard output use  socktrace --json");
  // A recorder keeps what there is: connections as well as listeners, raw sockets too.
  if (!options.listening) options.all = true;
  if (!options.tcp && !options.udp && !options.raw && !options.unix_sockets)
    options.tcp = options.udp = options.raw = true;
  return options;
}

}  // namespace socktrace::cli
