#include "cli/exposed_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/option_words.h"
#include "cli/services.h"
#include "sys/file.h"

namespace socktrace::cli {
namespace {

// One entry a line; blanks around it and what follows a # do not count.
Result<void> read_allow_file(const std::string& path, std::vector<diagnose::Where>& allowed) {
  Result<std::string> text = sys::read_file_at(-100, path.c_str());
  if (!text) return std::move(text.error()).within("exposed: --allow-file");
  size_t number = 0;
  for (std::string_view rest = *text; !rest.empty();) {
    const size_t newline = rest.find('\n');
    std::string_view line = rest.substr(0, newline);
    rest.remove_prefix(newline == std::string_view::npos ? rest.size() : newline + 1);
    ++number;
    line = line.substr(0, line.find('#'));
    const size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) continue;
    line = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
    Result<diagnose::Where> where = diagnose::parse_where(line, service_port);
    if (!where) return std::move(where.error()).within(fmt::format("exposed: {} line {}", path, number));
    allowed.push_back(std::move(*where));
  }
  return {};
}

bool names(const diagnose::Where& where, const Socket& socket) {
  const auto owned = [&](auto&& matches) {
    return std::ranges::any_of(socket.owners,
                               [&](const Owner& owner) { return owner.process && matches(*owner.process); });
  };
  if (where.pid != 0) return owned([&](const Process& process) { return process.pid == where.pid; });
  if (where.port == 0) return owned([&](const Process& process) { return process.name == where.process; });
  if (where.port != socket.local.port) return false;
  if (where.protocol != 0 && (where.protocol == 6) != is_tcp(socket)) return false;
  return where.family == Family::unspecified ||
         (where.family == socket.family && where.address == socket.local.address);
}

}  // namespace

bool is_allowed(const Socket& socket, std::span<const diagnose::Where> allowed) {
  return std::ranges::any_of(allowed, [&](const diagnose::Where& where) { return names(where, socket); });
}

Result<ExposedCommand> parse_exposed_options(std::span<const std::string> words) {
  ExposedCommand command;
  std::vector<std::string> allow;
  std::string allow_file;
  CLI::App app;
  app.set_help_flag();
  app.allow_windows_style_options(false);
  app.add_option("--allow", allow)->delimiter(',')->expected(1)->allow_extra_args(false)->take_all();
  app.add_option("--allow-file", allow_file);
  app.add_flag("--all-netns", command.all_netns);
  declare_past(app, command.past);
  app.add_flag("-H,--no-header", command.no_header);
  app.add_flag("-j,--json", command.json);
  app.add_flag("-n,--numeric");    // accepted because ss users type it
  app.add_flag("-p,--processes");  // likewise
  app.add_flag("-h,--help", command.help);
  app.add_flag("-v,-V,--version", command.version);
  if (Result<void> parsed = parse_words(app, words); !parsed) return std::move(parsed.error());
  if (!command.past.at.empty() && command.past.from.empty()) return usage("exposed: --at needs --from LOG");
  for (const std::string& entry : allow) {
    Result<diagnose::Where> where = diagnose::parse_where(entry, service_port);
    if (!where) return std::move(where.error()).within("exposed: --allow");
    command.allowed.push_back(std::move(*where));
  }
  if (!allow_file.empty())
    if (Result<void> read = read_allow_file(allow_file, command.allowed); !read)
      return std::move(read.error());
  return command;
}

std::string_view exposed_help() {
  return R"(socktrace exposed: which ports other hosts may reach

  sudo socktrace exposed
  sudo socktrace exposed --allow 22,443/tcp,nginx || alert
  socktrace exposed --from /var/log/socktrace --at '2026-09-20 03:12'

Usage: socktrace exposed [OPTIONS]

Lists every TCP listener and unconnected UDP socket by reach: public, any iface
(0.0.0.0 and ::), private, link local, loopback. A ! marks a finding: other hosts
may reach it, and it is not allowed. Ports that NAT rules of nftables (iptables-nft
too) lead to a container, without a socket here, are named below the table; it
takes root to read them. What a firewall keeps out is not evaluated.

      --allow LIST       these are no findings: 22, 443/tcp, 10.0.0.5:5432,
                         [::]:80, :https or the name of a process, ...
      --allow-file FILE  the same, one in each line; # begins a comment
      --all-netns        in every network namespace, containers included
      --from LOG [--at TIME]     in an event log, at its end or at a moment
  -j, --json             one object for each
  -H, --no-header   --utc

Exit status: 0 no findings, 1 findings, 2 usage, 5 the log is damaged.
)";
}

}  // namespace socktrace::cli
