#include "core/event_text.h"

#include <array>

#include "core/errno_name.h"
#include "core/escape.h"

namespace socktrace {
namespace {

constexpr std::array<std::string_view, 6> kNoOwner = {"?unknown", "?permission", "?kernel",
                                                      "?netns",   "?exited",     "?unaccepted"};

bool is_inet(Family family) {
  return family == Family::inet || family == Family::inet6;
}

}  // namespace

void append_where(std::string& out, const Socket& socket) {
  if (is_inet(socket.family)) {
    append_endpoint(out, socket.family, socket.local);
    if (socket.peer.port != 0 || !is_wildcard(socket.family, socket.peer.address)) {
      out += ' ';
      append_endpoint(out, socket.family, socket.peer);
    }
  } else {
    const SocketDetails& details = details_of(socket);
    if (details.name.empty())
      out += "*:" + std::to_string(socket.inode);
    else
      append_escaped(out, details.name);
    if (!details.peer_name.empty()) {
      out += ' ';
      append_escaped(out, details.peer_name);
    }
  }
  out += '/';
  out += transport(socket);
}

void append_processes(std::string& out, std::string_view title, const std::vector<Owner>& owners) {
  out += title;
  out += '(';
  for (size_t i = 0; i < owners.size(); ++i) {
    const auto before = owners.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(owners.begin(), before,
                    [&](const Owner& owner) { return owner.process == before->process; }))
      continue;
    if (i) out += ',';
    append_name(out, *before->process);
  }
  out += ')';
}

void append_name(std::string& out, const Process& process) {
  if (process.name.empty())
    out += '?';
  else
    append_escaped(out, process.name);
  out += '[';
  out += std::to_string(process.pid);
  out += ']';
}

void append_user(std::string& out, const Process& process) {
  if (!process.user.empty())
    append_escaped(out, process.user);
  else if (process.uid != UINT32_MAX)
    out += std::to_string(process.uid);
  else
    out += '?';
}

void append_error(std::string& out, int error) {
  const std::string_view name = errno_name(error);
  if (!name.empty())
    out += name;
  else
    out += "errno " + std::to_string(error);
}

std::string_view no_owner_text(NoOwner reason) {
  const auto index = static_cast<size_t>(reason);
  return index < kNoOwner.size() ? kNoOwner[index] : kNoOwner[0];
}

const Process* actor(const Event& event) {
  if (event.process) return event.process.get();
  for (const Owner& owner : event.socket.owners)
    if (owner.process) return owner.process.get();
  return nullptr;
}

}  // namespace socktrace
