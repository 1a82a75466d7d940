#include "cli/log_diff.h"

#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/table_text.h"
#include "core/event_text.h"
#include "core/log/encode.h"
#include "sink/event_line.h"

namespace socktrace::cli {
namespace {

struct Difference {
  char glyph;
  Event event;  // how the log would tell it
};

bool same_owners(const Socket& a, const Socket& b) {
  if (a.owners.size() != b.owners.size()) return false;
  for (size_t i = 0; i < a.owners.size(); ++i) {
    const Owner& one = a.owners[i];
    const Owner& other = b.owners[i];
    if (one.exited != other.exited || !same_process(*one.process, *other.process)) return false;
  }
  return true;
}

Event difference(EventKind kind, const Socket& socket, uint64_t time_ns) {
  Event event;
  event.kind = kind;
  event.socket = socket;
  event.time_ns = time_ns;
  event.gone = kind == EventKind::socket_closed;
  return event;
}

std::vector<Difference> compare(const LogReplay& before, const LogReplay& after, const Selection& selection) {
  // Cookies begin anew with each boot.
  const bool same_boot = before.header().boot_id == after.header().boot_id;
  const uint64_t now_ns = after.clock().boottime_ns(after.last_ns());
  const auto listed = [&](const Socket& socket) { return selection.lists(socket); };
  std::vector<Difference> found;
  for (const Socket* old : ordered_rows(before.table(), listed)) {
    const Socket* now = same_boot ? after.table().find(old->key) : nullptr;
    if (now == nullptr) found.push_back({'-', difference(EventKind::socket_closed, *old, now_ns)});
  }
  for (const Socket* now : ordered_rows(after.table(), listed)) {
    const Socket* old = same_boot ? before.table().find(now->key) : nullptr;
    if (old == nullptr) {
      found.push_back({'+', difference(EventKind::socket_seen, *now, now_ns)});
    } else if (old->state != now->state) {
      found.push_back({'~', difference(EventKind::tcp_state, *now, now_ns)});
      found.back().event.previous = old->state;
    } else if (!same_owners(*old, *now)) {
      found.push_back({'~', difference(EventKind::socket_owner, *now, now_ns)});
    }
  }
  return found;
}

void append_lines(std::string& out, const std::vector<Difference>& found, const WallClock& clock,
                  const sink::LineStyle& style) {
  for (const Difference& one : found) {
    const Event& event = one.event;
    out += one.glyph;
    out += ' ';
    out += netid(event.socket);
    out += ' ';
    sink::append_holder(out, event.socket, event.time_ns, clock, style);
    if (event.kind == EventKind::tcp_state) {
      out += "  was ";
      out += ss_name(event.previous);
    } else if (event.kind == EventKind::socket_owner) {
      out += "  other owners";
    }
    out += '\n';
  }
}

void append_json(std::string& out, const std::vector<Difference>& found, const LogHeader& header) {
  LogEncoder encoder;
  encoder.header(out, header);
  for (const Difference& one : found) encoder.event(out, one.event);
}

}  // namespace

Result<int> print_diff(const LogCommand& command, const Selection& selection, bool color,
                       const Message& message) {
  Result<source::Recording> recording = source::Recording::open(command.from);
  if (!recording) return std::move(recording.error());
  Result<PastTable> before = table_of_past(*recording, {command.from, command.diff[0], command.utc}, message);
  if (!before) return std::move(before.error());
  Result<PastTable> after = table_of_past(*recording, {command.from, command.diff[1], command.utc}, message);
  if (!after) return std::move(after.error());
  const std::vector<Difference> found = compare(before->replay, after->replay, selection);
  Output output;
  if (command.json)
    append_json(output.buffer(), found, after->replay.header());
  else
    append_lines(output.buffer(), found, after->replay.clock(), {.utc = command.utc, .color = color});
  if (Result<bool> flushed = output.flush(); !flushed) return std::move(flushed.error());
  if (before->damaged || after->damaged) return kDamaged;
  return found.empty() ? kOk : kNothingFound;
}

}  // namespace socktrace::cli
