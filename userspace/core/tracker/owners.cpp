#include "core/tracker/owners.h"

#include <algorithm>
#include <utility>

namespace socktrace {
namespace {

bool same(const Owner& a, const Owner& b) {
  return a.process && b.process && same_process(*a.process, *b.process);
}

template <typename Same>
bool covers(const Socket& a, const Socket& b, Same&& same) {
  return std::all_of(b.owners.begin(), b.owners.end(), [&](const Owner& owner) {
    return std::any_of(a.owners.begin(), a.owners.end(),
                       [&](const Owner& other) { return same(owner, other); });
  });
}

}  // namespace

bool add_owner(Socket& socket, const ProcessRef& process, int32_t fd) {
  if (!process) return false;
  std::erase_if(socket.owners, [](const Owner& owner) { return owner.source == OwnerSource::inherited; });
  const Owner added{.process = process, .fd = fd, .source = OwnerSource::call};
  for (Owner& owner : socket.owners) {
    if (!same(owner, added)) continue;
    if (fd == -1 || owner.fd == fd) return false;
    if (owner.fd != -1) continue;
    owner.fd = fd;
    return true;
  }
  socket.owners.push_back(added);
  return true;
}

void last_owner_is(Socket& socket, const ProcessRef& process, int32_t fd) {
  if (!process) return;
  add_owner(socket, process, fd);
  std::erase_if(socket.owners, [&](const Owner& owner) {
    return !owner.process || !same_process(*owner.process, *process);
  });
}

void inherit_owners(Socket& child, const Socket& listener) {
  child.owners.clear();
  for (const Owner& owner : listener.owners) {
    const Owner inherited{.process = owner.process, .source = OwnerSource::inherited};
    if (std::none_of(child.owners.begin(), child.owners.end(),
                     [&](const Owner& o) { return same(o, inherited); }))
      child.owners.push_back(inherited);
  }
}

bool mark_exited(Socket& socket) {
  bool news = false;
  for (Owner& owner : socket.owners) news = !std::exchange(owner.exited, true) || news;
  if (socket.owners.empty() && socket.no_owner == NoOwner::unknown) socket.no_owner = NoOwner::exited;
  return news;
}

bool all_exited(const Socket& socket) {
  return std::all_of(socket.owners.begin(), socket.owners.end(),
                     [](const Owner& owner) { return owner.exited; });
}

bool has_known_owner(const Socket& socket) {
  return std::any_of(socket.owners.begin(), socket.owners.end(),
                     [](const Owner& owner) { return owner.source != OwnerSource::inherited; });
}

bool same_owners(const Socket& known, const Socket& found) {
  const auto same_descriptor = [](const Owner& then, const Owner& now) {
    return same(then, now) && then.process->name == now.process->name && (then.fd == now.fd || now.fd == -1);
  };
  return covers(found, known, same_descriptor) &&
         covers(known, found,
                [&](const Owner& now, const Owner& then) { return same_descriptor(then, now); });
}

bool same_holders(const Socket& a, const Socket& b) {
  return covers(a, b, same) && covers(b, a, same);
}

}  // namespace socktrace
