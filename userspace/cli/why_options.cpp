#include "cli/why_options.h"

#include <CLI/CLI.hpp>

#include "cli/option_words.h"
#include "cli/services.h"

namespace socktrace::cli {
Result<WhyCommand> parse_why_options(std::span<const std::string> words) {
  WhyCommand command;
  CLI::App app;
  app.set_help_flag();
  app.allow_windows_style_options(false);
  app.add_option("where", command.text);
  declare_past(app, command.past);
  app.add_flag("-j,--json", command.json);
  app.add_option("--color", command.color)->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_flag("-h,--help", command.help);
  app.add_flag("-v,-V,--version", command.version);
  if (Result<void> parsed = parse_words(app, words); !parsed) return std::move(parsed.error());
  if (command.help || command.version) return command;
  if (command.text.empty()) return usage("why: name a port, an address with a port, pid:NUMBER or a process");
  if (!command.past.at.empty() && command.past.from.empty()) return usage("why: --at needs --from LOG");
  Result<diagnose::Where> where = diagnose::parse_where(command.text, service_port);
  if (!where) return std::move(where.error()).within("why");
  command.where = std::move(*where);
  return command;
}

std::string_view why_help() {
  return R"(socktrace why: who holds a port, and whether a bind there would work

  sudo socktrace why 8080
  socktrace why 127.0.0.1:5432/tcp
  sudo socktrace why nginx
  socktrace why --from /var/log/socktrace --at 03:12:07 8080

Usage: socktrace why WHERE [OPTIONS]

WHERE: 8080, :8080, :http, 8080/udp, 127.0.0.1:8080, [::1]:8080/tcp, pid:1234 or
the name of a process.

      --from LOG   the sockets of an event log, and who had the port last
      --at TIME    with --from: as they were then; without it, at the log's end
  -j, --json       one object for each address and protocol
      --utc        times in UTC
      --color=auto|always|never

The kernel's own rules decide, for the calling user; nothing is bound to find
out. Without root, sockets of others have no owner and unknown options.

Exit status: 0 somebody holds it, 1 it is free (or there is no such process).
)";
}

}  // namespace socktrace::cli
