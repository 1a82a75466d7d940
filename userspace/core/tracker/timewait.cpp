#include "core/tracker/timewait.h"

#include "core/tracker/tuple.h"

namespace socktrace {

void Timewait::put(const Socket& socket, uint64_t expires_ns, Close close) {
  const auto [at, added] = entries_.try_emplace(socket.key);
  Entry& entry = at->second;
  if (added || entry.expires_ns != expires_ns) deadlines_.push({expires_ns, socket.key});
  if (added) {
    entry.tuple = tuple_hash(socket);
    by_tuple_[entry.tuple] = socket.key;
    entry.netns = socket.netns;
    ++by_netns_[entry.netns];
  }
  entry.expires_ns = expires_ns;
  entry.close = close;
}

bool Timewait::note_bound(const SocketKey& key) {
  const auto at = entries_.find(key);
  if (at == entries_.end()) return false;
  at->second.leaves_bound = true;
  return true;
}

void Timewait::erase(const SocketKey& key) {
  const auto at = entries_.find(key);
  if (at == entries_.end()) return;
  const auto named = by_tuple_.find(at->second.tuple);
  if (named != by_tuple_.end() && named->second == key) by_tuple_.erase(named);
  if (const auto there = by_netns_.find(at->second.netns); --there->second == 0) by_netns_.erase(there);
  entries_.erase(at);
}

size_t Timewait::count(uint32_t netns) const {
  const auto at = by_netns_.find(netns);
  return at == by_netns_.end() ? 0 : at->second;
}

const Timewait::Entry* Timewait::find(const SocketKey& key) const {
  const auto at = entries_.find(key);
  return at == entries_.end() ? nullptr : &at->second;
}

std::optional<SocketKey> Timewait::with_tuple(uint64_t tuple) const {
  const auto at = by_tuple_.find(tuple);
  if (at == by_tuple_.end()) return std::nullopt;
  return at->second;
}

std::optional<SocketKey> Timewait::due(uint64_t now_ns) {
  while (!deadlines_.empty()) {
    const Deadline& first = deadlines_.top();
    const Entry* entry = find(first.key);
    if (entry != nullptr && entry->expires_ns == first.expires_ns) {
      if (first.expires_ns > now_ns) return std::nullopt;
      return first.key;
    }
    deadlines_.pop();
  }
  return std::nullopt;
}

}  // namespace socktrace
