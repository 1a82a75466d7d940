#include "core/tracker/idle.h"

#include <iterator>
#include <utility>

namespace socktrace {
namespace {

constexpr size_t kMost = 8192;  // of each age

}  // namespace

void Idle::keep(const Socket& socket) {
  if (young_.size() >= kMost) old_ = std::exchange(young_, {});
  Socket& kept = young_[socket.key];
  kept.key = socket.key;
  kept.inode = socket.inode;
  kept.changed_ns = socket.changed_ns;
  kept.owners = socket.owners;
  std::erase_if(kept.owners, [](const Owner& owner) { return owner.exited; });
}

const std::vector<Owner>* Idle::find(const SocketKey& key) const {
  for (const Sockets* sockets : {&young_, &old_})
    if (const auto at = sockets->find(key); at != sockets->end()) return &at->second.owners;
  return nullptr;
}

void Idle::erase(const SocketKey& key) {
  young_.erase(key);
  old_.erase(key);
}

void Idle::update(uint64_t before_ns, const std::function<void(Socket&)>& attribute) {
  for (Sockets* sockets : {&young_, &old_}) {
    for (auto at = sockets->begin(); at != sockets->end();) {
      Socket& socket = at->second;
      if (socket.changed_ns < before_ns) attribute(socket);
      at = socket.owners.empty() ? sockets->erase(at) : std::next(at);
    }
  }
}

}  // namespace socktrace
