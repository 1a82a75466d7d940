#include "core/tracker/identities.h"

#include "core/tracker/tuple.h"

namespace socktrace {
namespace {

// Not a kernel address: those have their upper bits set.
constexpr int kMadeUpBits = 47;

uint64_t made_up_address(const Socket& socket) {
  return tuple_hash(socket) >> (64 - kMadeUpBits) | 1;
}

bool is_made_up(const SocketKey& key) {
  return key.sk >> kMadeUpBits == 0;
}

// Whether two keys with the same addresses may be one socket.
bool may_be_one(const SocketKey& row, const SocketKey& seen) {
  if (row.cookie == 0 || seen.cookie == 0) return true;
  return row.cookie == seen.cookie && (seen.sk == 0 || is_made_up(row));
}

}  // namespace

SocketKey Identities::resolve(const Socket& seen) {
  if (is_unix(seen)) return {0, seen.inode};
  if (tuples_.empty() && seen.protocol != kMptcp) return seen.key;
  if (table_.find(seen.key) != nullptr) return seen.key;
  if (const auto alias = aliases_.find(seen.key); alias != aliases_.end()) return alias->second;

  const bool dumped_mptcp = seen.protocol == kMptcp && seen.key.sk == 0;
  if (const auto found = by_tuple_.find(tuple_hash(seen)); found != by_tuple_.end()) {
    const Socket* row = table_.find(found->second);
    if (row != nullptr && same_tuple(*row, seen) && may_be_one(row->key, seen.key)) {
      if (!dumped_mptcp) aliases_[seen.key] = row->key;
      return row->key;
    }
  }
  if (dumped_mptcp) return {seen.key.cookie, made_up_address(seen)};
  return seen.key;
}

void Identities::row_is(const Socket& socket) {
  if (socket.key.sk == 0 || is_unix(socket)) return;
  const uint64_t tuple = tuple_hash(socket);
  const auto [at, added] = tuples_.try_emplace(socket.key, tuple);
  if (!added && at->second != tuple) {
    if (const auto old = by_tuple_.find(at->second); old != by_tuple_.end() && old->second == socket.key)
      by_tuple_.erase(old);
    at->second = tuple;
  }
  // An MPTCP child is announced before it has a peer, with its listener's addresses: those stay the listener's.
  const auto [named, fresh] = by_tuple_.try_emplace(tuple, socket.key);
  if (!fresh && table_.find(named->second) == nullptr) named->second = socket.key;
}

void Identities::row_ends(const SocketKey& key) {
  const auto at = tuples_.find(key);
  if (at == tuples_.end()) return;
  if (const auto named = by_tuple_.find(at->second); named != by_tuple_.end() && named->second == key)
    by_tuple_.erase(named);
  tuples_.erase(at);
  std::erase_if(aliases_, [&](const auto& alias) { return alias.second == key; });
}

}  // namespace socktrace
