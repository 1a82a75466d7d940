#include "core/log/message.h"

#include "core/event_text.h"

namespace socktrace {
namespace {

std::string_view phrase(EventKind kind) {
  switch (kind) {
    case EventKind::bind_failed:
      return " could not bind ";
    case EventKind::listen_failed:
      return " could not listen on ";
    case EventKind::tcp_connect_failed:
      return " could not connect ";
    case EventKind::tcp_listen:
      return " listens on ";
    default:
      return {};
  }
}

// The first of the processes that hold a conflicting socket.
void append_holder(std::string& out, const Socket& holder) {
  out += "held by ";
  if (!holder.owners.empty() && holder.owners.front().process)
    append_name(out, *holder.owners.front().process);
  else
    out += no_owner_text(holder.no_owner);
}

}  // namespace

void append_message(std::string& out, const Event& event) {
  const std::string_view words = phrase(event.kind);
  if (words.empty()) return;
  if (const Process* process = actor(event))
    append_name(out, *process);
  else
    out += no_owner_text(event.socket.no_owner);
  out += words;
  append_where(out, event.socket);
  if (event.error == 0) return;
  out += ": ";
  if (event.conflicts.empty())
    append_error(out, event.error);
  else
    append_holder(out, event.conflicts.front().holder);
}

}  // namespace socktrace
