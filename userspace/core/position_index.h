#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace socktrace {

// Finds elements of a dense array by hash: open addressing with linear probing, 4 bytes a slot, at most 3/4
// full. It stores positions only; hashes and equality are asked of the owner of the array, whose elements
// must stay as they are while their position is in here.
class PositionIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // The position for which `is_it` is true among those with this hash, or kNone.
  template <typename IsIt>
  [[nodiscard]] uint32_t find(uint64_t hash, IsIt&& is_it) const {
    if (slots_.empty()) return kNone;
    for (size_t slot = hash & last();; slot = (slot + 1) & last())
      if (slots_[slot] == kNone || is_it(slots_[slot])) return slots_[slot];
  }

  // `hash_of` gives the hash of the element at a position, for when the index grows.
  template <typename HashOf>
  void insert(uint64_t hash, uint32_t position, HashOf&& hash_of) {
    if ((used_ + 1) * 4 > slots_.size() * 3) grow(hash_of);
    put(hash, position);
    ++used_;
  }

  // The element has moved in the array.
  void replace(uint64_t hash, uint32_t from, uint32_t to) { slots_[slot_of(hash, from)] = to; }

  // Without tombstones: entries that had probed past the hole move back into it.
  template <typename HashOf>
  void erase(uint64_t hash, uint32_t position, HashOf&& hash_of) {
    size_t hole = slot_of(hash, position);
    for (size_t slot = (hole + 1) & last(); slots_[slot] != kNone; slot = (slot + 1) & last()) {
      const size_t home = hash_of(slots_[slot]) & last();
      if (((slot - home) & last()) < ((slot - hole) & last())) continue;
      slots_[hole] = slots_[slot];
      hole = slot;
    }
    slots_[hole] = kNone;
    --used_;
  }

  [[nodiscard]] size_t bytes() const { return slots_.capacity() * sizeof(uint32_t); }

 private:
  [[nodiscard]] size_t last() const { return slots_.size() - 1; }

  [[nodiscard]] size_t slot_of(uint64_t hash, uint32_t position) const {
    size_t slot = hash & last();
    while (slots_[slot] != position) slot = (slot + 1) & last();
    return slot;
  }

  void put(uint64_t hash, uint32_t position) { slots_[slot_of(hash, kNone)] = position; }

  template <typename HashOf>
  void grow(HashOf&& hash_of) {
    constexpr size_t kFirstSize = 64;
    const std::vector<uint32_t> old = std::move(slots_);
    slots_.assign(old.empty() ? kFirstSize : old.size() * 2, kNone);
    for (const uint32_t position : old)
      if (position != kNone) put(hash_of(position), position);
  }

  std::vector<uint32_t> slots_;  // a power of two
  size_t used_ = 0;
};

}  // namespace socktrace
