#include "core/tracker/tombstones.h"

#include <algorithm>

namespace socktrace {

uint32_t Tombstones::number_of(const SocketKey& key) const {
  return index_.find(SocketKeyHash()(key),
                     [&](uint32_t number) { return entries_[place(number)].key == key; });
}

void Tombstones::erase(uint32_t number) {
  Entry& entry = entries_[place(number)];
  index_.erase(SocketKeyHash()(entry.key), number);
  entry.erased = true;
  --size_;
}

void Tombstones::add(const SocketKey& key, uint64_t time_ns, bool closed, bool released) {
  if (const uint32_t known = number_of(key); known != PositionIndex::kNone) {
    Stone& stone = entries_[place(known)].stone;
    stone = {std::max(stone.time_ns, time_ns), stone.closed || closed, stone.released || released};
    return;
  }
  const auto number = static_cast<uint32_t>(first_ + entries_.size()) & kLastNumber;
  entries_.push_back({key, {time_ns, closed, released}});
  index_.insert(SocketKeyHash()(key), number);
  ++size_;
}

void Tombstones::erase(const SocketKey& key) {
  if (const uint32_t known = number_of(key); known != PositionIndex::kNone) erase(known);
}

const Tombstones::Stone* Tombstones::find(const SocketKey& key) const {
  const uint32_t known = number_of(key);
  return known == PositionIndex::kNone ? nullptr : &entries_[place(known)].stone;
}

void Tombstones::forget_before(uint64_t time_ns) {
  while (!entries_.empty() && (entries_.front().erased || entries_.front().stone.time_ns < time_ns)) {
    if (!entries_.front().erased) erase(first_);
    entries_.pop_front();
    first_ = (first_ + 1) & kLastNumber;
  }
}

}  // namespace socktrace
