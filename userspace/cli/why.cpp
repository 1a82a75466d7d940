#include "cli/why.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>

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
  Evidence evidence;
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
  const NetnsNames& netns = past->replay.netns_names();
  past->replay.table().for_each([&](const Socket& socket) {
    if (!netns.name(socket.netns).empty()) return;  // not where the recorder was
    const bool is_port = command.where.port == 0 || socket.local.port == command.where.port;
    if (is_port && (is_tcp(socket) || is_datagram(socket))) evidence.sockets.push_back(socket);
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
bool is_held(const diagnose::Where& where, const std::vector<PortAnswer>& answers) {
  return std::ranges::any_of(answers, [&](const PortAnswer& answer) {
    if (where.family == Family::unspecified && !answer.bystanders.empty()) return true;
    return std::ranges::any_of(answer.trials, [](const diagnose::Trial& trial) {
      return std::ranges::any_of(trial.verdict.conflicts, diagnose::has_holder);
    });
  });
}

// A free port is often one that a container has: no conflict, but what the user was looking for.
void append_other_namespaces(std::string& out, const diagnose::Where& where, HostSockets& host,
                             const WhyView& view) {
  bool is_own = true;  // the first
  const auto visit = [&](const sys::NetNamespace& netns) -> Result<void> {
    if (std::exchange(is_own, false)) return {};
    const Result<std::vector<Socket>> sockets =
        host.dump({.states = mask(State::listen) | mask(State::close), .port = where.port});
    if (!sockets) return {};
    for (const Socket& socket : *sockets) {
      out += "    note     no conflict, but in network namespace ";
      append_escaped(out, enrich::netns_name(netns));
      out += ": ";
      sink::append_holder(out, socket, view.now_ns, view.clock, view.style);
      out += '\n';
    }
    return {};
  };
  (void)source::in_every_netns(visit);
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
  LogEncoder encoder;
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
      encoder.bind_answer(out, asked, trial.works_with, answer.bystanders);
    }
  }
}

Result<int> answer_port(const WhyCommand& command, Evidence& evidence, HostSockets* host) {
  std::vector<PortAnswer> answers = diagnose::answer(command.where, host ? asker_now() : kAnybody,
                                                     pointers(evidence.sockets), evidence.facts);
  if (host)
    for (PortAnswer& answer : answers)
      for (diagnose::Trial& trial : answer.trials) enrich::add_lineage(trial.verdict.conflicts);
  const bool held = is_held(command.where, answers);
  Output output;
  if (command.json) {
    append_json(output.buffer(), answers, evidence);
  } else {
    for (const PortAnswer& answer : answers)
      append_answer(output.buffer(), answer, evidence.facts, evidence.view);
    if (host && !held) append_other_namespaces(output.buffer(), command.where, *host, evidence.view);
    if (!host) {
      Result<History> history = history_in(*evidence.recording, command);
      if (!history) return std::move(history.error());
      append_history(output.buffer(), *history, held, evidence.view);
    }
  }
  if (Result<bool> flushed = output.flush(); !flushed) return std::move(flushed.error());
  return held ? kOk : kNothingFound;
}

Result<int> answer_process(const WhyCommand& command, const Evidence& evidence) {
  const diagnose::Where& where = command.where;
  std::map<uint32_t, std::pair<ProcessRef, std::vector<const Socket*>>> found;
  for (const Socket& socket : evidence.sockets)
    for (const Owner& owner : socket.owners) {
      if (!owner.process || owner.exited) continue;
      if (where.pid != 0 ? owner.process->pid != where.pid : owner.process->name != where.process) continue;
      auto& [process, sockets] = found[owner.process->pid];
      process = owner.process;
      if (sockets.empty() || sockets.back() != &socket) sockets.push_back(&socket);
    }
  Output output;
  LogEncoder encoder;
  std::string unused;
  encoder.header(unused, evidence.header);
  for (const auto& [pid, held] : found) {
    if (command.json)
      for (const Socket* socket : held.second) encoder.row(output.buffer(), *socket, evidence.view.now_ns);
    else
      append_holdings(output.buffer(), *held.first, held.second);
  }
  if (Result<bool> flushed = output.flush(); !flushed) return std::move(flushed.error());
  if (!found.empty()) return kOk;
  say(fmt::format("no process {} holds a TCP or UDP socket", command.text));
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
                          .color = sys::use_color(*mode, sys::color_inputs(STDOUT_FILENO))};
  Result<int> code = command->where.port == 0 ? answer_process(*command, *evidence)
                                              : answer_port(*command, *evidence, host ? &*host : nullptr);
  if (code && evidence->damaged) return kDamaged;
  return code;
}

}  // namespace socktrace::cli
