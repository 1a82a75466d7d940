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
  }
  entry.expires_ns = expires_ns;
  entry.close = close;
}

void Timewait::erase(const SocketKey& key) {
  const auto at = entries_.find(key);
  if (at == entries_.end()) return;
  const auto named = by_tuple_.find(at->second.tuple);
  if (named != by_tuple_.end() && named->second == key) by_tuple_.erase(named);
  entries_.erase(at);
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

bool Timewait::any_due(uint64_t now_ns) {
  return due(now_ns).has_value();
}

}  // namespace socktrace
