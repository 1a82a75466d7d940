#include "cli/why_text.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <map>

#include "core/escape.h"
#include "core/event_text.h"
#include "enrich/lineage.h"
#include "sys/procfs.h"

namespace socktrace::cli {
namespace {

using diagnose::PortAnswer;
using diagnose::Trial;

const char* protocol_name(uint16_t protocol) {
  return protocol == IPPROTO_TCP ? "tcp" : "udp";
}

// "0.0.0.0:8080"
std::string place(const Trial& trial) {
  return to_string(trial.request.family, trial.request.local);
}

std::string outcome(const Trial& trial) {
  if (trial.verdict.error == 0) return "free";
  std::string error;
  append_error(error, trial.verdict.error);
  const bool held = std::ranges::any_of(trial.verdict.conflicts, diagnose::has_holder);
  return fmt::format("{}: a bind fails with {}{}", held ? "taken" : "refused", error,
                     trial.verdict.certain ? "" : ", if options that are not known stand in the way");
}

void append_line(std::string& out, std::string_view label, std::string_view text) {
  if (text.empty()) return;
  out += fmt::format("    {:<8} ", label);
  append_escaped(out, text);
  out += '\n';
}

bool same_conflicts(const Trial& a, const Trial& b) {
  const auto& ours = a.verdict.conflicts;
  const auto& theirs = b.verdict.conflicts;
  return std::equal(
      ours.begin(), ours.end(), theirs.begin(), theirs.end(),
      [](const Conflict& one, const Conflict& other) { return one.holder.key == other.holder.key; });
}

void append_conflicts(std::string& out, const Trial& trial, const WhyView& view) {
  for (Conflict conflict : trial.verdict.conflicts) {
    if (conflict.next.starts_with("socktrace why")) conflict.next.clear();  // that is what was asked
    sink::append_conflict(out, conflict, view.now_ns, view.clock, view.style);
  }
}

std::string join(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " and "));
}

// What the asker could do about it, where the trials differ for each.
void append_works(std::string& out, const std::vector<const Trial*>& trials) {
  const bool alike = std::ranges::all_of(
      trials, [&](const Trial* trial) { return trial->works_with == trials.front()->works_with; });
  if (alike && trials.front()->works_with.empty()) {
    const std::vector<Conflict>& conflicts = trials.front()->verdict.conflicts;
    const bool sure = std::ranges::all_of(
        conflicts, [](const Conflict& conflict) { return conflict.holder.options.known; });
    if (trials.front()->verdict.error == EADDRINUSE)
      append_line(out, "works",
                  sure ? "no option of the new socket helps" : "no option of the new socket is sure to help");
    return;
  }
  for (const Trial* trial : trials) {
    if (trial->works_with.empty()) continue;
    append_line(out, "works", (alike ? "" : place(*trial) + " ") + "with " + join(trial->works_with));
    if (alike) return;
  }
}

// "3 connections: ESTAB 2, TIME-WAIT 1"
std::string count_by_state(const std::vector<const Socket*>& sockets) {
  std::map<std::string_view, size_t> states;
  for (const Socket* socket : sockets) ++states[ss_name(socket->state)];
  std::string text = fmt::format("{} connection{}:", sockets.size(), sockets.size() == 1 ? "" : "s");
  for (const auto& [state, count] : states) text += fmt::format(" {} {},", state, count);
  text.pop_back();
  return text;
}

bool is_connection(const Socket& socket) {
  return socket.peer.port != 0;
}

void append_bystanders(std::string& out, const PortAnswer& answer, const WhyView& view) {
  std::vector<const Socket*> connections;
  for (const Socket* socket : answer.bystanders) {
    if (is_connection(*socket)) {
      connections.push_back(socket);
      continue;
    }
    out += "    also     ";
    sink::append_holder(out, *socket, view.now_ns, view.clock, view.style);
    out += '\n';
  }
  if (!connections.empty()) append_line(out, "also", count_by_state(connections));
}

// A free port is often one that a container has: what the user was looking for.
void append_elsewhere(std::string& out, const PortAnswer& answer, const WhyView& view) {
  for (const Socket* socket : answer.elsewhere) {
    out += "    note     no conflict, but in network namespace ";
    append_escaped(out, view.style.netns->foreign_name(socket->netns));
    out += ": ";
    sink::append_holder(out, *socket, view.now_ns, view.clock, view.style);
    out += '\n';
  }
}

void append_notes(std::string& out, const PortAnswer& answer, const diagnose::HostFacts& facts) {
  const diagnose::BindRequest& request = answer.trials.front().request;
  if (answer.trials.front().verdict.error != 0) return;
  if (request.local.port < facts.unprivileged_port_start)
    append_line(out, "note",
                fmt::format("ports below {} need CAP_NET_BIND_SERVICE, which you have",
                            facts.unprivileged_port_start));
  if (diagnose::is_ephemeral(facts, request.local.port))
    append_line(
        out, "note",
        "the kernel may give this port to an outgoing connection; net.ipv4.ip_local_reserved_ports keeps it");
}

}  // namespace

void append_answer(std::string& out, const PortAnswer& answer, const diagnose::HostFacts& facts,
                   const WhyView& view) {
  const std::vector<Trial>& trials = answer.trials;
  const bool one_answer = trials.size() == 1 || (trials[0].verdict.error == trials[1].verdict.error &&
                                                 same_conflicts(trials[0], trials[1]));
  if (one_answer) {
    const std::string where =
        trials.size() == 1 ? place(trials[0]) : std::to_string(trials[0].request.local.port);
    out += fmt::format("{}/{}  {}\n", where, protocol_name(answer.protocol), outcome(trials[0]));
    append_conflicts(out, trials[0], view);
    std::vector<const Trial*> failed;
    for (const Trial& trial : trials)
      if (trial.verdict.error != 0) failed.push_back(&trial);
    if (!failed.empty()) append_works(out, failed);
  } else {
    for (const Trial& trial : trials) {
      out += fmt::format("{}/{}  {}\n", place(trial), protocol_name(answer.protocol), outcome(trial));
      append_conflicts(out, trial, view);
      if (trial.verdict.error != 0) append_works(out, {&trial});
    }
  }
  append_bystanders(out, answer, view);
  append_elsewhere(out, answer, view);
  append_notes(out, answer, facts);
}

void append_holdings(std::string& out, const Process& process, const std::vector<const Socket*>& sockets,
                     const NetnsNames& netns) {
  append_name(out, process);
  out += "  ";
  append_user(out, process);
  if (const std::string& unit = process.unit.empty() ? process.container : process.unit; !unit.empty()) {
    out += ' ';
    append_escaped(out, unit);
  }
  out += '\n';
  if (const Result<sys::Procfs> procfs = sys::Procfs::open()) {
    const enrich::Lineage lineage = enrich::lineage_of(*procfs, process);
    append_line(out, "command", lineage.command);
    std::string chain;
    for (auto parent = lineage.parents.rbegin(); parent != lineage.parents.rend(); ++parent)
      chain += fmt::format("{}{}[{}]", chain.empty() ? "" : " → ", escape(parent->name), parent->pid);
    if (!chain.empty()) out += "    chain    " + chain + '\n';
  }
  std::map<std::string, std::vector<const Socket*>> connections;  // by what their network namespace is called
  for (const Socket* socket : sockets) {
    const std::string where = netns.foreign_name(socket->netns);
    if (is_connection(*socket)) {
      connections[where].push_back(socket);
      continue;
    }
    const auto owner = std::ranges::find_if(
        socket->owners, [&](const Owner& one) { return one.process && same_process(*one.process, process); });
    out += fmt::format("    holds    {} ", ss_name(socket->state));
    append_where(out, *socket);
    if (owner != socket->owners.end() && owner->fd >= 0) out += fmt::format("  fd {}", owner->fd);
    if (!where.empty()) out += "  netns " + escape(where);
    out += '\n';
  }
  for (const auto& [where, counted] : connections)
    append_line(out, "holds", count_by_state(counted) + (where.empty() ? "" : "  netns " + where));
}

}  // namespace socktrace::cli
