#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace socktrace {

// Finds elements of a dense array by hash: open addressing with linear probing, 8 bytes a slot, at most 7/8 full. It stores
// positions and half of their hashes, so that an element is looked at only when it is the one that is looked for, nearly always.
class PositionIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // The position for which `is_it` is true among those with this hash, or kNone.
  template <typename IsIt>
  [[nodiscard]] uint32_t find(uint64_t hash, IsIt&& is_it) const {
    if (slots_.empty()) return kNone;
    for (size_t at = home(hash);; at = next(at)) {
      const Slot& slot = slots_[at];
      if (slot.position == kNone || (slot.hash == half(hash) && is_it(slot.position))) return slot.position;
    }
  }

  void insert(uint64_t hash, uint32_t position) {
    if ((used_ + 1) * 8 > slots_.size() * 7) grow();
    put({half(hash), position});
    ++used_;
  }

  // The element has moved in the array.
  void replace(uint64_t hash, uint32_t from, uint32_t to) { slots_[slot_of(hash, from)].position = to; }

  // Without tombstones: entries that had probed past the hole move back into it.
  void erase(uint64_t hash, uint32_t position) {
    size_t hole = slot_of(hash, position);
    for (size_t at = next(hole); slots_[at].position != kNone; at = next(at)) {
      if (distance(home(slots_[at].hash), at) < distance(hole, at)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
    --used_;
  }

  [[nodiscard]] size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    uint32_t hash = 0;  // the lower half
    uint32_t position = kNone;
  };

  static uint32_t half(uint64_t hash) { return static_cast<uint32_t>(hash); }
  [[nodiscard]] size_t last() const { return slots_.size() - 1; }
  [[nodiscard]] size_t home(uint64_t hash) const { return half(hash) & last(); }
  [[nodiscard]] size_t next(size_t slot) const { return (slot + 1) & last(); }
  [[nodiscard]] size_t distance(size_t from, size_t to) const { return (to - from) & last(); }

  [[nodiscard]] size_t slot_of(uint64_t hash, uint32_t position) const {
    size_t slot = home(hash);
    while (slots_[slot].position != position) slot = next(slot);
    return slot;
  }

  void put(Slot slot) { slots_[slot_of(slot.hash, kNone)] = slot; }

  void grow() {
    constexpr size_t kFirstSize = 64;
    const std::vector<Slot> old = std::exchange(slots_, {});
    slots_.resize(old.empty() ? kFirstSize : old.size() * 2);
    for (const Slot& slot : old)
      if (slot.position != kNone) put(slot);
  }

  std::vector<Slot> slots_;  // a power of two
  size_t used_ = 0;
};

}  // namespace socktrace
