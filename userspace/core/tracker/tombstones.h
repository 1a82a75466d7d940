#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "core/hash.h"

namespace socktrace {

// Sockets that ended a moment ago: what still arrives about them (records out of order, a dump that began
// before their end) must not bring them back.
class Tombstones {
 public:
  struct Stone {
    uint64_t time_ns = 0;
    bool closed = false;    // its row has ended; if not, it was released before anything else was known of it
    bool released = false;  // its last descriptor is closed: it cannot connect or listen again
  };

  // Adds to what is known.
  void add(const SocketKey& key, uint64_t time_ns, bool closed, bool released);
  void erase(const SocketKey& key) { stones_.erase(key); }
  [[nodiscard]] const Stone* find(const SocketKey& key) const;
  void forget_before(uint64_t time_ns);
  [[nodiscard]] size_t size() const { return stones_.size(); }

 private:
  struct Age {
    uint64_t time_ns;
    SocketKey key;
  };

  std::unordered_map<SocketKey, Stone, SocketKeyHash> stones_;
  std::deque<Age> ages_;  // as they were added
};

}  // namespace socktrace
