#include "cli/why.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <map>
#include <ranges>
#include <utility>

#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/host_sockets.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/past.h"
#include "cli/why_options.h"
#include "cli/why_text.h"
#include "core/escape.h"
#include "core/event_text.h"
#include "core/log/encode.h"
#include "diagnose/port_answer.h"
#include "enrich/lineage.h"
#include "enrich/netns_name.h"
#include "source/namespaces.h"
#include "sys/clock.h"
#include "sys/netns.h"
#include "sys/privileges.h"
#include "sys/terminal.h"

namespace socktrace::cli {
namespace {

using diagnose::PortAnswer;

void say(std::string_view message) {
  print_message("why", message);
}

// What the question is put to: this host now, or a recorded moment.
struct Evidence {
  std::vector<Socket> sockets;
  std::vector<Socket> elsewhere;  // in other network namespaces, which `netns` names
  NetnsNames netns;
  diagnose::HostFacts facts;
  LogHeader header;  // of the log; made up for this host
  WhyView view;
  bool damaged = false;
  std::optional<source::Recording> recording = std::nullopt;  // the log
};

std::vector<const Socket*> pointers(const std::vector<Socket>& sockets) {
  std::vector<const Socket*> found;
  for (const Socket& socket : sockets) found.push_back(&socket);
  return found;
}

bool is_hidden(const Socket& socket) {
  return socket.owners.empty() && socket.no_owner == NoOwner::permission;
}

Result<Evidence> look_at_host(const WhyCommand& command, HostSockets& host) {
  const Result<uint32_t> own = sys::current_netns();
  if (!own) return Error(own.error());
  Evidence evidence;
  evidence.netns = NetnsNames(*own);
  Result<std::vector<Socket>> sockets = host.dump({.port = command.where.port});
  if (!sockets) return std::move(sockets.error());
  evidence.sockets = std::move(*sockets);
  Result<diagnose::HostFacts> facts = diagnose::read_host_facts();
  if (facts)
    evidence.facts = std::move(*facts);
  else
    say(facts.error().message);
  evidence.view.now_ns = sys::boottime_ns();
  evidence.view.clock = sys::measure_wall_clock();
  LogHeader& header = evidence.header;
  header.boottime_ns = header.t0_ns = evidence.view.now_ns;
  header.realtime_ns = evidence.view.clock.realtime_ns(evidence.view.now_ns);
  return evidence;
}

Result<Evidence> look_at_log(const WhyCommand& command) {
  Result<source::Recording> recording = source::Recording::open(command.past.from);
  if (!recording) return std::move(recording.error());
  Result<PastTable> past = table_of_past(*recording, command.past, say);
  if (!past) return std::move(past.error());
  Evidence evidence;
  evidence.recording = std::move(*recording);
  evidence.damaged = past->damaged;
  evidence.netns = past->replay.netns_names();
  past->replay.table().for_each([&](const Socket& socket) {
    const bool is_port = command.where.port == 0 || socket.local.port == command.where.port;
    if (!is_port || (!is_tcp(socket) && !is_datagram(socket))) return;
    const bool is_own = evidence.netns.foreign_name(socket.netns).empty();  // where the recorder was
    (is_own ? evidence.sockets : evidence.elsewhere).push_back(socket);
  });
  evidence.header = past->replay.header();
  evidence.view.clock = past->replay.clock();
  evidence.view.now_ns = evidence.view.clock.boottime_ns(past->replay.last_ns());
  return evidence;
}

diagnose::Asker asker_now() {
  const Result<sys::Privileges> privileges = sys::current_privileges();
  return {geteuid(), privileges && privileges->net_bind_service};
}

// For the moment of a log nobody is asking: whoever may bind anywhere.
constexpr diagnose::Asker kAnybody{UINT32_MAX, true};

// By somebody who is in the way, or, when no address was named, by anybody.
bool is_held(const diagnose::Where& where, const PortAnswer& answer) {
  if (where.family == Family::unspecified && !answer.bystanders.empty()) return true;
  return std::ranges::any_of(answer.trials, [](const diagnose::Trial& trial) {
    return std::ranges::any_of(trial.verdict.conflicts, diagnose::has_holder);
  });
}

// Listeners and bound sockets: what a port is held by, without its connections.
constexpr StateMask kWaiting = mask(State::listen) | mask(State::close);

// Adds what other network namespaces of this host have there. How many could not be entered.
Result<size_t> look_elsewhere(const HostSockets::Request& request, HostSockets& host, Evidence& evidence) {
  bool is_own = true;  // the first
  return source::in_every_netns([&](const sys::NetNamespace& netns) -> Result<void> {
    if (std::exchange(is_own, false)) return {};
    Result<std::vector<Socket>> sockets = host.dump(request);
    if (!sockets || sockets->empty()) return {};
    evidence.netns.set(netns.inode, enrich::netns_name(netns));
    std::ranges::move(*sockets, std::back_inserter(evidence.elsewhere));
    return {};
  });
}

// What is free here may be held in another network namespace.
void add_elsewhere(const diagnose::Where& where, std::vector<PortAnswer>& answers, HostSockets* host,
                   Evidence& evidence) {
  const auto is_free = [&](const PortAnswer& answer) { return !is_held(where, answer); };
  if (std::ranges::none_of(answers, is_free)) return;
  if (host) (void)look_elsewhere({.states = kWaiting, .port = where.port}, *host, evidence);
  for (PortAnswer& answer : answers | std::views::filter(is_free))
    for (const Socket& socket : evidence.elsewhere)
      if ((mask(socket.state) & kWaiting) != 0 && diagnose::meets(answer, socket))
        answer.elsewhere.push_back(&socket);
}

// Who had the port before it was free, and who has failed to get it.
struct History {
  std::optional<Event> closed;
  std::optional<Event> failed;
  uint64_t failures = 0;
  WallClock closed_clock;
  WallClock failed_clock;
};

Result<History> history_in(source::Recording& recording, const WhyCommand& command) {
  uint64_t until_ns = 0;
  if (!command.past.at.empty()) {
    Result<uint64_t> at = moment_in(recording, command.past.at, command.past.utc);
    if (!at) return std::move(at.error());
    until_ns = *at;
  }
  History history;
  source::Recording::Damage damage;  // has been told
  Result<void> read = recording.read(0, until_ns, damage, [&](LogRecord&& record, const LogReader& reader) {
    auto* event = std::get_if<Event>(&record.body);
    if (event == nullptr || event->socket.local.port != command.where.port) return true;
    if (event->kind == EventKind::bind_failed || event->kind == EventKind::listen_failed) {
      ++history.failures;
      history.failed = std::move(*event);
      history.failed_clock = reader.clock();
    } else if (event->gone || event->kind == EventKind::tcp_closed || event->kind == EventKind::udp_closed) {
      history.closed = std::move(*event);
      history.closed_clock = reader.clock();
    }
    return true;
  });
  if (!read) return std::move(read.error());
  return history;
}

void append_history(std::string& out, const History& history, bool held, const WhyView& view) {
  if (history.closed && !held) {
    Socket socket = history.closed->socket;
    if (history.closed->previous != State::none) socket.state = history.closed->previous;
    out += "    last     ";
    sink::append_holder(out, socket, history.closed->time_ns, history.closed_clock, view.style);
    out += "  until " +
           date_and_clock(history.closed_clock.realtime_ns(history.closed->time_ns), view.style.utc) + "\n";
  }
  if (history.failed) {
    const std::string when =
        date_and_clock(history.failed_clock.realtime_ns(history.failed->time_ns), view.style.utc);
    out += fmt::format("    failed   {} bind{} here in the log, the last {}", history.failures,
                       history.failures == 1 ? "" : "s", when);
    if (history.failed->process) {
      out += " by ";
      append_name(out, *history.failed->process);
    }
    out += '\n';
  }
}

void append_json(std::string& out, const std::vector<PortAnswer>& answers, const Evidence& evidence) {
  LogEncoder encoder(&evidence.netns);
  std::string unused;
  encoder.header(unused, evidence.header);
  for (const PortAnswer& answer : answers) {
    for (const diagnose::Trial& trial : answer.trials) {
      Event asked;
      asked.time_ns = evidence.view.now_ns;
      asked.socket.family = trial.request.family;
      asked.socket.protocol = answer.protocol;
      asked.socket.local = trial.request.local;
      asked.error = trial.verdict.error;
      asked.conflicts = trial.verdict.conflicts;
      encoder.bind_answer(out, asked, trial.works_with, answer.bystanders, answer.elsewhere);
    }
  }
}

Result<int> answer_port(const WhyCommand& command, Evidence& evidence, HostSockets* host) {
  std::vector<PortAnswer> answers = diagnose::answer(command.where, host ? asker_now() : kAnybody,
                                                     pointers(evidence.sockets), evidence.facts);
  if (host)
    for (PortAnswer& answer : answers)
      for (diagnose::Trial& trial : answer.trials) enrich::add_lineage(trial.verdict.conflicts);
  add_elsewhere(command.where, answers, host, evidence);
  const bool held =
      std::ranges::any_of(answers, [&](const PortAnswer& answer) { return is_held(command.where, answer); });
  Output output;
  if (command.json) {
    append_json(output.buffer(), answers, evidence);
  } else {
    for (const PortAnswer& answer : answers)
      append_answer(output.buffer(), answer, evidence.facts, evidence.view);
    if (!host) {
      Result<History> history = history_in(*evidence.recording, command);
      if (!history) return std::move(history.error());
      append_history(output.buffer(), *history, held, evidence.view);
    }
  }
  if (Result<bool> flushed = output.flush(); !flushed) return std::move(flushed.error());
  return held ? kOk : kNothingFound;
}

struct Holdings {
  ProcessRef process;
  std::vector<const Socket*> sockets;
};

// By pid: what the process that was asked about holds, or each of that name.
void add_holdings(std::map<uint32_t, Holdings>& found, const diagnose::Where& where,
                  const std::vector<Socket>& sockets) {
  for (const Socket& socket : sockets)
    for (const Owner& owner : socket.owners) {
      if (!owner.process || owner.exited) continue;
      if (where.pid != 0 ? owner.process->pid != where.pid : owner.process->name != where.process) continue;
      Holdings& holdings = found[owner.process->pid];
      holdings.process = owner.process;
      if (holdings.sockets.empty() || holdings.sockets.back() != &socket) holdings.sockets.push_back(&socket);
    }
}

Result<int> answer_process(const WhyCommand& command, Evidence& evidence, HostSockets* host) {
  const Result<size_t> closed = host ? look_elsewhere({}, *host, evidence) : 0;
  if (!closed) return Error(closed.error());
  std::map<uint32_t, Holdings> found;
  add_holdings(found, command.where, evidence.sockets);
  add_holdings(found, command.where, evidence.elsewhere);
  Output output;
  LogEncoder encoder(&evidence.netns);
  std::string unused;
  encoder.header(unused, evidence.header);
  for (const auto& [pid, holdings] : found) {
    if (command.json)
      for (const Socket* socket : holdings.sockets)
        encoder.row(output.buffer(), *socket, evidence.view.now_ns);
    else
      append_holdings(output.buffer(), *holdings.process, holdings.sockets, evidence.netns);
  }
  if (Result<bool> flushed = output.flush(); !flushed) return std::move(flushed.error());
  if (!found.empty()) return kOk;
  say(fmt::format(
      "no process {} holds a TCP or UDP socket{}", command.text,
      *closed == 0 ? "" : " in this network namespace; for the others: sudo socktrace why " + command.text));
  return kNothingFound;
}

}  // namespace

Result<int> run_why_command(const std::vector<std::string>& words) {
  Result<WhyCommand> command = parse_why_options(words);
  if (!command) return std::move(command.error());
  if (command->help) return print_text(why_help());
  if (command->version) return print_text(version_text());
  const Result<sys::ColorMode> mode = sys::parse_color_mode(command->color);
  if (!mode) return Error(mode.error());

  std::optional<HostSockets> host;
  if (command->past.from.empty()) host.emplace();
  Result<Evidence> evidence = host ? look_at_host(*command, *host) : look_at_log(*command);
  if (!evidence) return std::move(evidence.error());
  if (host && std::ranges::any_of(evidence->sockets, is_hidden))
    say("sockets of other users have no process and unknown options here: sudo socktrace why " +
        command->text);
  evidence->view.style = {.utc = command->past.utc,
                          .color = sys::use_color(*mode, sys::color_inputs(STDOUT_FILENO)),
                          .netns = &evidence->netns};
  HostSockets* const asked = host ? &*host : nullptr;
  Result<int> code = command->where.port == 0 ? answer_process(*command, *evidence, asked)
                                              : answer_port(*command, *evidence, asked);
  if (code && evidence->damaged) return kDamaged;
  return code;
}

}  // namespace socktrace::cli
