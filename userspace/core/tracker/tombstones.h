#pragma once

#include <cstdint>
#include <deque>

#include "core/hash.h"
#include "core/position_index.h"

namespace socktrace {

// Sockets that ended a moment ago: what still arrives about them (records out of order, a dump that began
// before their end) must not bring them back. A hundred thousand on a busy host, and every record asks.
class Tombstones {
 public:
  struct Stone {
    uint64_t time_ns = 0;
    bool closed = false;    // its row has ended; if not, it was released before anything else was known of it
    bool released = false;  // its last descriptor is closed: it cannot connect or listen again
  };

  // Adds to what is known.
  void add(const SocketKey& key, uint64_t time_ns, bool closed, bool released);
  void erase(const SocketKey& key);
  // Null when there is none. Valid until that socket is erased or forgotten.
  [[nodiscard]] const Stone* find(const SocketKey& key) const;
  // Those whose socket was last added before; later, if one that was added earlier has been added to since.
  void forget_before(uint64_t time_ns);
  [[nodiscard]] size_t size() const { return size_; }

 private:
  struct Entry {
    SocketKey key;
    Stone stone;
    bool erased = false;
  };

  // Entries are counted as they come; their numbers go round, so that an index of 32 bits holds them.
  static constexpr uint32_t kLastNumber = 0x7fff'ffff;
  [[nodiscard]] size_t place(uint32_t number) const { return (number - first_) & kLastNumber; }
  [[nodiscard]] uint32_t number_of(const SocketKey& key) const;
  void erase(uint32_t number);

  std::deque<Entry> entries_;  // as their sockets were added first
  uint32_t first_ = 0;         // the number of the oldest
  size_t size_ = 0;            // without those that were erased
  PositionIndex index_;
};

}  // namespace socktrace
