#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "core/event.h"
#include "core/socket.h"

namespace socktrace {

// The sockets that exist, by key. It changes only by events: whoever applies the same events, live or from a log, has the
// same table. Rows lie densely in one vector, found through an open-addressing index of 32-bit positions: at most 256
// bytes for a TCP socket with one owner. Order of rows is arbitrary.
class Table {
 public:
  // Valid until the next apply().
  [[nodiscard]] const Socket* find(const SocketKey& key) const;

  // Failures change nothing; an event that is `gone` removes its socket; every other one adds or replaces it.
  void apply(const Event& event);

  [[nodiscard]] size_t size() const { return rows_.size(); }

  template <typename F>
  void for_each(F&& visit) const {
    for (const Socket& row : rows_) visit(row);
  }

  // The listener that receives connections to `local` in a network namespace: a specific address wins over a wildcard,
  // and a dual-stack :: receives IPv4 too. Null when none is known.
  [[nodiscard]] const Socket* find_listener(uint32_t netns, uint16_t protocol, Family family, const Endpoint& local) const;

 private:
  static constexpr uint32_t kEmpty = UINT32_MAX;

  [[nodiscard]] size_t slot_of(const SocketKey& key) const;  // where it is, or the empty slot where it would be
  void insert(const Socket& socket);
  void erase(const SocketKey& key);
  void grow();
  void note_listener(const Socket& socket, bool listens);

  std::vector<Socket> rows_;
  std::vector<uint32_t> index_;  // power of two; position in rows_ or kEmpty
  std::unordered_map<uint64_t, std::vector<SocketKey>> listeners_;  // by network namespace and port
};

}  // namespace socktrace
