#pragma once

#include <cstddef>
#include <functional>
#include <unordered_map>

#include "core/hash.h"
#include "core/socket.h"

namespace socktrace {

// Who holds the sockets that are in no table of the kernel any more, but may connect, listen or bind anew: the
// descriptor is still open. Their release ends that; as it can be lost, only the last thousands are remembered.
class Idle {
 public:
  // Its owners, but for those that have exited.
  void keep(const Socket& socket);
  [[nodiscard]] const std::vector<Owner>* find(const SocketKey& key) const;
  void erase(const SocketKey& key);
  // `attribute` sets Socket::owners of each that was kept before `before_ns`, by key and inode; those that have none are
  // forgotten.
  void update(uint64_t before_ns, const std::function<void(Socket&)>& attribute);

 private:
  using Sockets = std::unordered_map<SocketKey, Socket, SocketKeyHash>;

  Sockets young_;
  Sockets old_;  // what was young when that was full
};

}  // namespace socktrace
