#include "cli/record.h"

#include <sys/stat.h>

#include <cerrno>

#include "cli/help.h"
#include "cli/output.h"
#include "cli/trace.h"
#include "cli/trace_options.h"

namespace socktrace::cli {
namespace {

// "FILE.jsonl" is the file itself; anything else is a directory, made when it is missing.
Result<std::string> log_path(const std::string& output) {
  struct stat status {};
  const bool exists = stat(output.c_str(), &status) == 0;
  if (!exists && errno != ENOENT) return Error::system("record to " + output, errno);
  if (exists ? !S_ISDIR(status.st_mode) : output.ends_with(".jsonl")) return output;
  constexpr mode_t kPrivate = 0750;
  if (!exists && mkdir(output.c_str(), kPrivate) != 0)
    return Error::system("make directory " + output, errno);
  return output + (output.ends_with('/') ? "" : "/") + "socktrace.jsonl";
}

}  // namespace

Result<int> run_record_command(const std::vector<std::string>& words) {
  Result<TraceOptions> options = parse_record_options(words);
  if (!options) return std::move(options.error());
  if (options->help) return print_text(record_help());
  if (options->version) return print_text(version_text());
  Result<std::string> path = log_path(options->log);
  if (!path) return std::move(path.error());
  options->log = std::move(*path);
  return run_trace(*options);
}

std::string_view record_help() {
  return R"(socktrace record: keep what happens to sockets, to look back at later

  sudo socktrace record -o /var/log/socktrace
  socktrace ss --from /var/log/socktrace --at 03:12:07 -tanp
  socktrace log --from /var/log/socktrace --since 03:10 --until 03:15

Usage: socktrace record -o DIR|FILE.jsonl [OPTIONS] [FILTER]

  -o, --output WHERE   a directory (made when missing; the log in it is
                       socktrace.jsonl), or a file whose name ends in .jsonl
  -l  -t  -u  -w  -x  -4  -6   only these sockets, as in ss; without any: all of
                       TCP, UDP and raw. FILTER narrows further.
  -N, --net NETNS      in that network namespace only: a name, a pid, a path, or
                       self; without: in all of the host

      --max-size SIZE  put the file aside at this size (default 64MiB; 0: never)
      --max-age TIME   or at this age (default 24h; 0: never)
      --keep SIZE      of all files put aside; the oldest go (default 1GiB; 0:
                       all stay)
      --no-compress    leave them plain; else all but the newest become zstd
      --min-free SIZE  stop writing when less is free on the file system
                       (default: a twentieth of it, at most 1GiB; 0: never)
      --keyframes TIME between copies of the whole table (default 5m, sooner after
                       32MiB of events; 0: only at the beginning of a file)

      --for TIME  -q, --quiet  --verbose  --strict  --bind-result=…
      --no-connections  --ring-size=…  --audit=…   as in trace mode, see  socktrace --help;
                       the table is audited every 60s

Signals: SIGHUP reopens the file, SIGTERM and SIGINT end it in order.
)";
}

}  // namespace socktrace::cli
