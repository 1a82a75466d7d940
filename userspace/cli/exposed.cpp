#include "cli/exposed.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "cli/exit_code.h"
#include "cli/exposed_options.h"
#include "cli/help.h"
#include "cli/host_sockets.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/past.h"
#include "core/escape.h"
#include "core/event_text.h"
#include "core/log/encode.h"
#include "core/reach.h"
#include "enrich/netns_name.h"
#include "source/namespaces.h"
#include "source/nat_rules.h"
#include "sys/clock.h"
#include "sys/terminal.h"

namespace socktrace::cli {
namespace {

void say(std::string_view message) {
  print_message("exposed", message);
}

struct Listener {
  Socket socket;
  std::string netns;  // what to call its network namespace; empty: not shown
  Reach reach{};
  bool allowed = false;

  [[nodiscard]] bool is_finding() const { return is_exposed(reach) && !allowed; }
};

struct Listeners {
  std::vector<Listener> rows;
  LogHeader header;
  WallClock clock;
  uint64_t now_ns = 0;
  bool damaged = false;
  std::vector<std::string> led_away;  // what is said of NAT rules
  bool nat_is_known = false;          // they were read, in every namespace looked at
};

bool is_wanted(const Socket& socket) {
  return is_inet(socket) && (is_tcp(socket) || is_datagram(socket)) && is_listening(socket);
}

// Ports that NAT rules lead elsewhere, except those that a socket has as well: those are listed.
void look_for_nat(Listeners& found, const std::string& netns, size_t first_row) {
  Result<source::NatRules> nat = source::nat_rules();
  found.nat_is_known = found.nat_is_known && nat;
  if (!nat) return;
  const std::string place = netns.empty() ? "" : "in " + escape(netns) + ": ";
  const auto has_socket = [&](const NatRule& rule) {
    return std::any_of(
        found.rows.begin() + static_cast<ptrdiff_t>(first_row), found.rows.end(), [&](const Listener& row) {
          const Socket& socket = row.socket;
          return socket.local.port == rule.port && (rule.protocol == 0 || socket.protocol == rule.protocol);
        });
  };
  for (const NatRule& rule : nat->rules) {
    if (has_socket(rule)) continue;
    std::string to = "elsewhere";
    if (rule.to_family != Family::unspecified)
      to =
          rule.to.port == 0 ? to_string(rule.to_family, rule.to.address) : to_string(rule.to_family, rule.to);
    found.led_away.push_back(fmt::format(
        "{}{} led to {} by a NAT rule (nftables, table {}, chain {}), without a socket here", place,
        where(rule) + (rule.port == 0 ? " are" : " is"), to, escape(rule.table), escape(rule.chain)));
  }
  if (nat->has_legacy_table)
    found.led_away.push_back(place +
                             "iptables-legacy has a nat table, which is not read: iptables-legacy -t nat -S");
}

Result<Listeners> on_host(const ExposedCommand& command) {
  Listeners found;
  found.nat_is_known = true;
  HostSockets host;
  const auto visit = [&](const sys::NetNamespace& netns) -> Result<void> {
    const size_t first_row = found.rows.size();
    const std::string name = command.all_netns ? enrich::netns_name(netns) : "";
    Result<std::vector<Socket>> sockets = host.dump({.states = mask(State::listen) | mask(State::close)});
    if (!sockets) return std::move(sockets.error());
    for (Socket& socket : *sockets)
      if (is_wanted(socket)) found.rows.push_back({.socket = std::move(socket), .netns = name});
    look_for_nat(found, name, first_row);
    return {};
  };
  if (command.all_netns) {
    Result<size_t> closed = source::in_every_netns(visit);
    if (!closed) return std::move(closed.error());
    if (*closed > 0)
      say(fmt::format("{} network namespaces could not be entered: run as root to see them", *closed));
  } else {
    if (Result<void> visited = visit({}); !visited) return std::move(visited.error());
  }
  found.now_ns = sys::boottime_ns();
  found.clock = sys::measure_wall_clock();
  found.header.boottime_ns = found.header.t0_ns = found.now_ns;
  found.header.realtime_ns = found.clock.realtime_ns(found.now_ns);
  const bool hidden = std::ranges::any_of(found.rows, [](const Listener& row) {
    return row.socket.owners.empty() && row.socket.no_owner == NoOwner::permission;
  });
  if (hidden) say("some belong to other users, whose processes only root may see: sudo socktrace exposed");
  return found;
}

Result<Listeners> in_log(const ExposedCommand& command) {
  Result<PastTable> past = table_of_past(command.past, say);
  if (!past) return std::move(past.error());
  Listeners found;
  const NetnsNames& names = past->replay.netns_names();
  past->replay.table().for_each([&](const Socket& socket) {
    const std::string netns = names.name(socket.netns);  // none: where the recorder was
    if (is_wanted(socket) && (command.all_netns || netns.empty()))
      found.rows.push_back({.socket = socket, .netns = netns});
  });
  found.header = past->replay.header();
  found.clock = past->replay.clock();
  found.now_ns = found.clock.boottime_ns(past->replay.last_ns());
  found.damaged = past->damaged;
  return found;
}

// The widest reach first, then by port.
void sort_by_reach(std::vector<Listener>& rows) {
  std::ranges::sort(rows, [](const Listener& a, const Listener& b) {
    const auto key = [](const Listener& row) {
      return std::tuple(-static_cast<int>(row.reach), row.socket.local.port, row.socket.protocol,
                        row.socket.family, row.socket.local.address, row.netns, row.socket.key.cookie);
    };
    return key(a) < key(b);
  });
}

constexpr size_t kColumns = 7;
using Cells = std::array<std::string, kColumns>;

std::string since(const Listener& row, const Listeners& all, bool utc) {
  const Socket& socket = row.socket;
  uint64_t since_ns = socket.opened_ns;
  const char* bound = socket.since_is_bound ? "≥" : "";
  const char* what = "";
  if (since_ns == 0 && !socket.owners.empty()) {
    since_ns = socket.owners.front().process->start_ns;
    what = " (process)";  // nobody saw it open
  }
  if (since_ns == 0 || since_ns > all.now_ns) return "";
  return bound + format_date(all.clock.realtime_ns(since_ns), utc) + " " +
         format_clock(all.clock.realtime_ns(since_ns), utc).substr(0, 8) + what;
}

Cells cells_of(const Listener& row, const Listeners& all, bool utc) {
  Cells cells;
  cells[0] = fmt::format("{}{}", name(row.reach),
                         row.is_finding()                       ? " !"
                         : row.allowed && is_exposed(row.reach) ? " ok"
                                                                : "");
  cells[1] = escape(row.netns);
  append_where(cells[2], row.socket);
  const Owner* owner = row.socket.owners.empty() ? nullptr : &row.socket.owners.front();
  if (owner == nullptr) {
    cells[3] = no_owner_text(row.socket.no_owner);
    return cells;
  }
  const Process& process = *owner->process;
  append_name(cells[3], process);
  if (owner->exited) cells[3] += "†";
  if (row.socket.owners.size() > 1) cells[3] += fmt::format(" +{}", row.socket.owners.size() - 1);
  append_user(cells[4], process);
  cells[5] = escape(process.unit.empty() ? process.container : process.unit);
  cells[6] = since(row, all, utc);
  return cells;
}

void append_rows(std::string& out, const Listeners& all, const ExposedCommand& command) {
  std::vector<Cells> lines;
  if (!command.no_header) lines.push_back({"REACH", "NETNS", "LOCAL", "PROCESS", "USER", "UNIT", "SINCE"});
  for (const Listener& row : all.rows) lines.push_back(cells_of(row, all, command.past.utc));
  std::array<size_t, kColumns> width{};
  for (const Cells& cells : lines)
    for (size_t i = 0; i < kColumns; ++i) width[i] = std::max(width[i], display_width(cells[i]));
  if (!command.all_netns) width[1] = 0;
  for (const Cells& cells : lines) {
    std::string line;
    for (size_t i = 0; i < kColumns; ++i) {
      if (width[i] == 0) continue;
      if (i == 1 && !command.all_netns) continue;
      line += cells[i];
      line.append(width[i] - display_width(cells[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
}

void append_json(std::string& out, const Listeners& all) {
  LogEncoder encoder;
  std::string unused;
  encoder.header(unused, all.header);
  for (const Listener& row : all.rows)
    encoder.exposed(out, row.socket, name(row.reach), row.allowed, all.now_ns);
}

}  // namespace

Result<int> run_exposed_command(const std::vector<std::string>& words) {
  Result<ExposedCommand> command = parse_exposed_options(words);
  if (!command) return std::move(command.error());
  if (command->help) return print_text(exposed_help());
  if (command->version) return print_text(version_text());
  Result<Listeners> found = command->past.from.empty() ? on_host(*command) : in_log(*command);
  if (!found) return std::move(found.error());
  for (Listener& row : found->rows) {
    row.reach = reach_of(row.socket);
    row.allowed = is_allowed(row.socket, command->allowed);
  }
  sort_by_reach(found->rows);
  Output output;
  if (command->json)
    append_json(output.buffer(), *found);
  else
    append_rows(output.buffer(), *found, *command);
  if (Result<bool> flushed = output.flush(); !flushed) return std::move(flushed.error());
  const auto findings =
      std::ranges::count_if(found->rows, [](const Listener& row) { return row.is_finding(); });
  if (!command->json) {
    for (const std::string& text : found->led_away) say(text);
    say(fmt::format("{} finding{}; {}", findings, findings == 1 ? "" : "s",
                    found->nat_is_known
                        ? "what a firewall keeps out is not evaluated"
                        : "firewall and NAT rules are not evaluated: what they lead to a container "
                          "has no socket here"));
  }
  if (found->damaged) return kDamaged;
  return findings > 0 ? kNothingFound : kOk;
}

}  // namespace socktrace::cli
