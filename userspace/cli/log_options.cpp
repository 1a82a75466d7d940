#include "cli/log_options.h"

#include <CLI/CLI.hpp>

#include "cli/option_words.h"

namespace socktrace::cli {
namespace {

// Where the service of the package records to.
constexpr const char* kDefaultLog = "/var/log/socktrace";

Result<void> take_events(const std::vector<std::string>& names, std::vector<EventKind>& events) {
  for (const std::string& name : names) {
    const std::optional<EventKind> kind = event_from_name(name);
    if (kind) {
      events.push_back(*kind);
      continue;
    }
    std::string known;
    for (int i = 0; i < static_cast<int>(EventKind::snapshot_done); ++i)
      known += " " + std::string(socktrace::name(static_cast<EventKind>(i)));
    return usage("log: no event is called " + name + "; there are" + known);
  }
  return {};
}

}  // namespace

Result<LogCommand> parse_log_options(std::span<const std::string> words) {
  LogCommand command;
  std::vector<std::string> events;
  CLI::App app;
  declare_selection(app, command.selection);
  declare_logs(app, command.from);
  app.add_option("-S,--since", command.since)->check(refuse_empty);
  app.add_option("-U,--until", command.until)->check(refuse_empty);
  app.add_option("--diff", command.diff)->expected(2)->check(refuse_empty);
  app.add_option("--event", events)->delimiter(',')->expected(1)->allow_extra_args(false)->take_all();
  app.add_flag("-f,--follow", command.follow);
  app.add_flag("-j,--json", command.json);
  app.add_flag("-q,--quiet", command.quiet);
  app.add_flag("-n,--numeric");    // accepted because ss users type it
  app.add_flag("-p,--processes");  // likewise
  app.add_flag("--utc", command.utc);
  app.add_option("--color", command.color)->check(CLI::IsMember({"auto", "always", "never"}));
  if (Result<void> parsed = parse_words(app, words); !parsed) return std::move(parsed.error());
  if (Result<void> taken = take_events(events, command.events); !taken) return std::move(taken.error());
  if (command.from.empty()) command.from = {kDefaultLog};
  const bool asks_for_events =
      !command.since.empty() || !command.until.empty() || !command.events.empty() || command.follow;
  if (!command.diff.empty() && asks_for_events)
    return usage("log: --diff compares two moments; --since, --until, --event and -f do not go with it");

  TraceOptions& selection = command.selection;
  if (!selection.listening) selection.all = true;
  if (!selection.tcp && !selection.udp && !selection.raw && !selection.unix_sockets)
    selection.tcp = selection.udp = selection.raw = selection.unix_sockets = true;
  return command;
}

std::string_view log_help() {
  return R"(socktrace log: what was recorded, as it would have been shown live

  socktrace log --since 03:10 --until 03:15
  socktrace log --from /mnt/web-3/socktrace --event bind.failed,tcp.listen
  socktrace log -f -l
  socktrace log --diff 03:10 03:15 -l

Usage: socktrace log [--from LOG]... [OPTIONS] [FILTER]

      --from LOG       a directory, a file (.jsonl, .jsonl.zst) or - (standard
                       input); may be repeated. Default: /var/log/socktrace
  -S, --since TIME   -U, --until TIME
                       03:12, 03:12:07.5, '2026-09-20 03:12', yesterday, -15m,
                       @1789873200. A time of day is the last one in the log.
      --diff T1 T2     instead of events: which sockets appeared (+), went (-)
                       or changed (~) between two moments; exit status 1 if any
      --event NAMES    only these events: bind.failed, tcp.closed, ...
  -f, --follow         go on with what is being written
  -l -t -u -w -x -4 -6 FILTER    only these sockets, as in trace mode
  -j, --json           the lines of the log
  -q, --quiet          events only: no dates, losses and ends of the recording
      --utc            times in UTC
      --color=auto|always|never

Exit status: 0 events were found, 1 none, 2 usage, 5 the log is damaged (what is
readable is printed, and what was skipped is said).
)";
}

}  // namespace socktrace::cli
