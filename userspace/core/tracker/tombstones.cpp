#include "core/tracker/tombstones.h"

#include <algorithm>

namespace socktrace {

void Tombstones::add(const SocketKey& key, uint64_t time_ns, bool closed, bool released) {
  Stone& stone = stones_[key];
  stone.time_ns = std::max(stone.time_ns, time_ns);
  stone.closed = stone.closed || closed;
  stone.released = stone.released || released;
  ages_.push_back({time_ns, key});
}

const Tombstones::Stone* Tombstones::find(const SocketKey& key) const {
  const auto at = stones_.find(key);
  return at == stones_.end() ? nullptr : &at->second;
}

void Tombstones::forget_before(uint64_t time_ns) {
  while (!ages_.empty() && ages_.front().time_ns < time_ns) {
    const auto at = stones_.find(ages_.front().key);
    if (at != stones_.end() && at->second.time_ns < time_ns) stones_.erase(at);
    ages_.pop_front();
  }
}

}  // namespace socktrace
