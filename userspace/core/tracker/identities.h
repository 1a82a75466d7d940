#pragma once

#include <cstdint>
#include <unordered_map>

#include "core/hash.h"
#include "core/table.h"

namespace socktrace {

// Which row a record or dump row is about, where the cookie does not say it. An MPTCP socket that was
// accepted carries its listener's cookie: live records tell them apart by `sk`, dumps only by their
// addresses. Before Linux 5.12 a socket may have no cookie in a record and one in the next dump.
class Identities {
 public:
  explicit Identities(const Table& table) : table_(table) {}

  // The key of the row of a socket that a record or a dump describes; the socket's own key when it has no
  // row. A dumped MPTCP socket without a row gets a key made from its addresses.
  SocketKey resolve(const Socket& seen);

  // To be told of every row that is added or changed, and of every one that is removed.
  void row_is(const Socket& socket);
  void row_ends(const SocketKey& key);

 private:
  const Table& table_;
  // Only of rows whose key has an `sk`.
  std::unordered_map<SocketKey, uint64_t, SocketKeyHash> tuples_;
  std::unordered_map<uint64_t, SocketKey> by_tuple_;
  std::unordered_map<SocketKey, SocketKey, SocketKeyHash> aliases_;
};

}  // namespace socktrace
