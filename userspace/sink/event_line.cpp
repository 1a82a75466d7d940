#include "sink/event_line.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/escape.h"
#include "core/event_text.h"
#include "core/reach.h"

namespace socktrace::sink {
namespace {

constexpr std::string_view kReset = "\x1b[0m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kYellow = "\x1b[33m";
constexpr std::string_view kMagenta = "\x1b[35m";
constexpr size_t kWordWidth = 11;  // "BIND FAILED", "ESTABLISHED"

struct Look {
  char glyph;
  std::string_view word;  // empty: the name of the state reached
};

// In the order of EventKind.
constexpr std::array<Look, static_cast<size_t>(EventKind::snapshot_done) + 1> kLooks = {{
    {'+', "SEEN"},
    {'+', "BIND"},
    {'x', "BIND FAILED"},
    {'+', "LISTEN"},
    {'x', "LISTEN FAILED"},
    {'+', "CONNECT"},
    {'x', "CONNECT FAILED"},
    {'+', "ESTABLISHED"},
    {'~', "ACCEPT"},
    {'~', ""},
    {'-', "CLOSED"},
    {'+', "OPEN"},
    {'~', "UDP CONNECT"},
    {'-', "CLOSED"},
    {'-', "CLOSED"},
    {'~', "OWNER"},
    {'!', "SNAPSHOT"},
}};

std::string_view color_of(char glyph) {
  switch (glyph) {
    case '+':
      return kGreen;
    case '-':
    case 'x':
      return kRed;
    case '!':
      return kMagenta;
    default:
      return kYellow;
  }
}

void append_user_and_unit(std::string& out, const Process& process) {
  out += ' ';
  append_user(out, process);
  const std::string& unit = process.unit.empty() ? process.container : process.unit;
  if (unit.empty()) return;
  out += ' ';
  append_escaped(out, unit);
}

// "nginx[991]† +2 root nginx.service"; `doer`, when not null, goes before the owners of the socket.
void append_owners(std::string& out, const Process* doer, const Socket& socket) {
  const Owner* first = nullptr;
  size_t others = 0;
  for (const Owner& owner : socket.owners) {
    if (!owner.process) continue;
    if (!first && (!doer || same_process(*doer, *owner.process)))
      first = &owner;
    else if (!doer)
      ++others;
  }
  const Process* process = doer ? doer : first ? first->process.get() : nullptr;
  if (!process) {
    out += no_owner_text(socket.no_owner);
    return;
  }
  append_name(out, *process);
  if (first && first->exited) out += "†";
  if (others > 0) out += " +" + std::to_string(others);
  append_user_and_unit(out, *process);
}

// "09:14:02 (1d17h)"
void append_since(std::string& out, uint64_t since_ns, bool is_bound, uint64_t now_ns, const WallClock& clock,
                  bool utc) {
  const std::string_view bound = is_bound ? "≥" : "";
  out += bound;
  out += format_clock(clock.realtime_ns(since_ns), utc).substr(0, 8);
  if (now_ns < since_ns) return;
  out += " (";
  out += bound;
  out += format_duration(now_ns - since_ns);
  out += ')';
}

void append_detail(std::string& out, std::string_view text) {
  out += "  ";
  out += text;
}

void append_stats(std::string& out, const TcpStats& stats) {
  append_detail(out, "in " + std::to_string(stats.bytes_received));
  append_detail(out, "out " + std::to_string(stats.bytes_sent));
  if (stats.srtt_us > 0) append_detail(out, "rtt " + format_duration(uint64_t{stats.srtt_us} * 1000));
  if (stats.retransmits > 0) append_detail(out, "retransmits " + std::to_string(stats.retransmits));
}

// "! any iface": other hosts may get there.
void append_reach(std::string& out, const Socket& socket, bool color) {
  if (!is_inet(socket)) return;
  const Reach reach = reach_of(socket);
  if (!is_exposed(reach)) return;
  out += "  ";
  if (color) out += kMagenta;
  out += "! ";
  out += name(reach);
  if (color) out += kReset;
}

// The word for what happened: that of the kind, where the states do not say it better.
std::string_view word_of(const Event& event) {
  if (event.kind == EventKind::udp_connect && event.socket.state == State::close) return "DISCONNECT";
  if (event.kind == EventKind::udp_connect && is_unix(event.socket)) return "CONNECT";
  if (event.kind == EventKind::socket_closed && is_mini_state(event.previous)) return "ENDED";
  const std::string_view word = kLooks[static_cast<size_t>(event.kind)].word;
  return word.empty() ? ss_name(event.socket.state) : word;
}

void append_previous(std::string& out, const Event& event) {
  const State state = event.socket.state;
  if (event.previous == state && state == State::listen)
    append_detail(out, "backlog " + std::to_string(event.socket.send_q));
  else if (event.previous == state && state == State::syn_sent)
    append_detail(out, "port chosen");
  else if (event.previous != State::none)
    append_detail(out, "from " + std::string(ss_name(event.previous)));
}

void append_details(std::string& out, const Event& event, const LineStyle& style) {
  const Socket& socket = event.socket;
  switch (event.kind) {
    case EventKind::tcp_listen:
      if (socket.send_q > 0) append_detail(out, "backlog " + std::to_string(socket.send_q));
      append_reach(out, socket, style.color);
      break;
    case EventKind::udp_open:
      if (is_listening(socket)) append_reach(out, socket, style.color);
      break;
    case EventKind::socket_seen:
    case EventKind::socket_owner:
      append_detail(out, ss_name(socket.state));
      break;
    case EventKind::tcp_state:
      append_previous(out, event);
      break;
    case EventKind::tcp_closed:
      if (is_mini_state(socket.state)) append_detail(out, "leaves " + std::string(ss_name(socket.state)));
      break;
    case EventKind::tcp_connect_failed:
      if (event.error == 0 && event.previous == State::syn_sent && event.process)
        append_detail(out, "closed before an answer");
      break;
    case EventKind::socket_closed:
      if (is_mini_state(event.previous)) append_previous(out, event);
      break;
    case EventKind::tcp_established:
      append_detail(out, socket.inbound ? "inbound" : "outbound");
      break;
    default:
      break;
  }
  if (event.lifetime_ns > 0)
    append_detail(out, (event.lifetime_is_bound ? "lived ≥ "
                        : event.resync          ? "lived ≤ "
                                                : "lived ") +
                           format_duration(event.lifetime_ns));
  if (event.stats) append_stats(out, *event.stats);
  const bool inherited = !event.process && !socket.owners.empty() &&
                         std::all_of(socket.owners.begin(), socket.owners.end(), [](const Owner& owner) {
                           return owner.source == OwnerSource::inherited;
                         });
  if (inherited) append_detail(out, "unaccepted");
  if (style.netns)
    if (const std::string where = style.netns->foreign_name(socket.netns); !where.empty()) {
      append_detail(out, "netns ");
      append_escaped(out, where);
    }
  if (event.resync) append_detail(out, "(resync)");
}

void append_label(std::string& out, std::string_view label, bool color) {
  out += "    ";
  if (color) out += kMagenta;
  out += label;
  if (color) out += kReset;
  out.append(9 - label.size(), ' ');
}

void append_labelled(std::string& out, std::string_view label, std::string_view text, bool color) {
  if (text.empty()) return;
  append_label(out, label, color);
  append_escaped(out, text);
  out += '\n';
}

// A screen has room for its beginning only; the log has all of it.
void append_command(std::string& out, const std::string& command, bool color) {
  constexpr size_t kShown = 160;
  std::string_view shown = command;
  if (shown.size() > kShown) {
    size_t end = kShown;
    while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xc0) == 0x80)
      --end;  // not within a character
    shown = shown.substr(0, end);
  }
  append_labelled(out, "command", shown, color);
  if (shown.size() < command.size()) out.replace(out.size() - 1, 1, " …\n");
}

// "systemd[1] → nginx[991]"
void append_chain(std::string& out, const Conflict& conflict, bool color) {
  if (conflict.parents.empty() || conflict.holder.owners.empty()) return;
  append_label(out, "chain", color);
  for (auto parent = conflict.parents.rbegin(); parent != conflict.parents.rend(); ++parent) {
    append_escaped(out, parent->name);
    out += '[' + std::to_string(parent->pid) + "] → ";
  }
  append_name(out, *conflict.holder.owners.front().process);
  out += '\n';
}

void append_failures(std::string& out, const FailureCount& failures, bool color) {
  if (failures.count < 2) return;
  append_labelled(
      out, "again",
      "failed " + std::to_string(failures.count) + " times in " + format_duration(failures.span_ns), color);
}

// "HH:MM:SS.ffffff + LISTEN       "
void append_front(std::string& out, uint64_t time_ns, char glyph, std::string_view word,
                  const WallClock& clock, const LineStyle& style) {
  out += format_clock(clock.realtime_ns(time_ns), style.utc);
  out += ' ';
  if (style.color) out += color_of(glyph);
  out += glyph;
  out += ' ';
  out += word;
  if (style.color) out += kReset;
  out.append(word.size() < kWordWidth ? kWordWidth - word.size() : 0, ' ');
  out += "  ";
}

}  // namespace

void append_holder(std::string& out, const Socket& holder, uint64_t now_ns, const WallClock& clock,
                   const LineStyle& style) {
  const Owner* owner = holder.owners.empty() ? nullptr : &holder.owners.front();
  append_owners(out, nullptr, holder);
  append_detail(out, ss_name(holder.state));
  out += ' ';
  std::string where;
  append_where(where, holder);
  out += where.substr(0, where.rfind('/'));
  if (owner && owner->fd >= 0 && !owner->exited) append_detail(out, "fd " + std::to_string(owner->fd));
  if (holder.opened_ns > 0) {
    append_detail(out, "since ");
    append_since(out, holder.opened_ns, holder.since_is_bound, now_ns, clock, style.utc);
  } else if (owner && owner->process->start_ns > 0) {
    append_detail(out, "process since ");
    append_since(out, owner->process->start_ns, false, now_ns, clock, style.utc);
  }
}

void append_conflict(std::string& out, const Conflict& conflict, uint64_t now_ns, const WallClock& clock,
                     const LineStyle& style) {
  // A privileged port or a foreign address is in nobody's hands.
  if (conflict.holder.family != Family::unspecified) {
    append_label(out, "held by", style.color);
    append_holder(out, conflict.holder, now_ns, clock, style);
    out += '\n';
  }
  append_labelled(out, "for", conflict.held_for, style.color);
  append_command(out, conflict.command, style.color);
  append_chain(out, conflict, style.color);
  append_labelled(out, "why", conflict.why, style.color);
  append_labelled(out, "next", conflict.next, style.color);
}

void append_notice_line(std::string& out, uint64_t time_ns, std::string_view word, std::string_view text,
                        const WallClock& clock, const LineStyle& style) {
  append_front(out, time_ns, '!', word, clock, style);
  append_escaped(out, text);
  out += '\n';
}

void append_loss_line(std::string& out, const LogLoss& loss, const WallClock& clock, const LineStyle& style) {
  std::string text = std::to_string(loss.count) + " events (" + loss.where + ")";
  if (loss.from_ns != 0) text += "  since " + format_clock(clock.realtime_ns(loss.from_ns), style.utc);
  append_notice_line(out, loss.time_ns, "LOST", text, clock, style);
}

void append_clock_line(std::string& out, const LogClock& step, const WallClock& clock,
                       const LineStyle& style) {
  const auto size_ns = static_cast<uint64_t>(step.step_ns < 0 ? -step.step_ns : step.step_ns);
  append_notice_line(out, step.time_ns, "CLOCK",
                     (step.step_ns < 0 ? "set back by " : "set forward by ") + format_duration(size_ns),
                     clock, style);
}

void append_event_line(std::string& out, const Event& event, const WallClock& clock, const LineStyle& style) {
  const Look look = kLooks[static_cast<size_t>(event.kind)];
  append_front(out, event.time_ns, look.glyph, word_of(event), clock, style);
  if (event.kind == EventKind::snapshot_done) {
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
    return;
  }
  append_where(out, event.socket);
  out += "  ";
  if (event.error != 0) {
    append_error(out, event.error);
    out += event.error_inferred ? " (inferred)  " : "  ";
  }
  append_owners(out, event.process.get(), event.socket);
  append_details(out, event, style);
  out += '\n';
  for (const Conflict& conflict : event.conflicts)
    append_conflict(out, conflict, event.time_ns, clock, style);
  append_failures(out, event.failures, style.color);
}

}  // namespace socktrace::sink
