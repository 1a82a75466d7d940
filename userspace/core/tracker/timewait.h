#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

#include "core/hash.h"
#include "core/socket.h"

namespace socktrace {

// The rows that end by a timer of the kernel and tell nobody: timewait mini-sockets (TIME_WAIT and FIN_WAIT2
// without a full socket), and connection requests that a dump has shown.
class Timewait {
 public:
  // Whether tcp.closed has been emitted for the connection.
  enum class Close : uint8_t {
    unseen,  // it ended before anything was known of it; if a record tells its end after all, that counts
    owed,    // it was followed, and will be told at the latest when the row ends
    told,
  };
  struct Entry {
    uint64_t expires_ns = 0;
    uint64_t tuple = 0;
    uint32_t netns = 0;
    Close close = Close::unseen;
    bool leaves_bound = false;  // its full socket has still a descriptor, and the port that bind() named
  };

  // Adds, or replaces what is known.
  void put(const Socket& socket, uint64_t expires_ns, Close close);
  void erase(const SocketKey& key);
  // Notes that a bound socket is left when it ends. Whether there is such an entry.
  bool note_bound(const SocketKey& key);
  [[nodiscard]] const Entry* find(const SocketKey& key) const;
  // The one with this tuple_hash().
  [[nodiscard]] std::optional<SocketKey> with_tuple(uint64_t tuple) const;
  // One that has expired; it stays until it is erased.
  [[nodiscard]] std::optional<SocketKey> due(uint64_t now_ns);
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  // In this network namespace.
  [[nodiscard]] size_t count(uint32_t netns) const;

 private:
  struct Deadline {
    uint64_t expires_ns;
    SocketKey key;
    bool operator>(const Deadline& other) const { return expires_ns > other.expires_ns; }
  };

  std::unordered_map<SocketKey, Entry, SocketKeyHash> entries_;
  std::unordered_map<uint64_t, SocketKey> by_tuple_;
  std::unordered_map<uint32_t, size_t> by_netns_;  // how many
  // Earliest first. Those that entries_ no longer has with that time are passed over.
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
};

}  // namespace socktrace
