#include "core/table.h"

#include <algorithm>
#include <utility>

namespace socktrace {
namespace {

uint64_t hash(const SocketKey& key) {
  uint64_t x = key.cookie + 0x9e3779b97f4a7c15ull * (key.sk + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

uint64_t port_key(uint32_t netns, uint16_t port) { return (uint64_t{netns} << 16) | port; }

// How well a listener's address matches: 0 not at all, 1 dual-stack wildcard, 2 wildcard of the family, 3 exactly.
int match(const Socket& listener, Family family, const Endpoint& local) {
  const bool wildcard = is_wildcard(listener.family, listener.local.address);
  if (listener.family == family) return listener.local.address == local.address ? 3 : wildcard ? 2 : 0;
  return listener.family == Family::inet6 && wildcard && !listener.options.v6_only ? 1 : 0;
}

}  // namespace

size_t Table::slot_of(const SocketKey& key) const {
  size_t slot = hash(key) & (index_.size() - 1);
  while (index_[slot] != kEmpty && rows_[index_[slot]].key != key) slot = (slot + 1) & (index_.size() - 1);
  return slot;
}

const Socket* Table::find(const SocketKey& key) const {
  if (index_.empty()) return nullptr;
  const uint32_t position = index_[slot_of(key)];
  return position == kEmpty ? nullptr : &rows_[position];
}

void Table::grow() {
  index_.assign(std::max<size_t>(64, index_.size() * 2), kEmpty);
  for (size_t i = 0; i < rows_.size(); ++i) index_[slot_of(rows_[i].key)] = static_cast<uint32_t>(i);
}

void Table::note_listener(const Socket& socket, bool listens) {
  const uint64_t key = port_key(socket.netns, socket.local.port);
  if (listens) {
    listeners_[key].push_back(socket.key);
  } else if (const auto found = listeners_.find(key); found != listeners_.end()) {
    std::erase(found->second, socket.key);
    if (found->second.empty()) listeners_.erase(found);
  }
}

void Table::insert(const Socket& socket) {
  if ((rows_.size() + 1) * 4 > index_.size() * 3) grow();
  const size_t slot = slot_of(socket.key);
  if (index_[slot] == kEmpty) {
    index_[slot] = static_cast<uint32_t>(rows_.size());
    rows_.push_back(socket);
  } else {
    Socket& row = rows_[index_[slot]];
    if (row.state == State::listen) note_listener(row, false);
    row = socket;
  }
  if (socket.state == State::listen) note_listener(socket, true);
}

void Table::erase(const SocketKey& key) {
  if (index_.empty()) return;
  size_t hole = slot_of(key);
  const uint32_t position = index_[hole];
  if (position == kEmpty) return;
  if (rows_[position].state == State::listen) note_listener(rows_[position], false);

  // The last row takes the freed place.
  if (position + 1 != rows_.size()) {
    index_[slot_of(rows_.back().key)] = position;
    rows_[position] = std::move(rows_.back());
  }
  rows_.pop_back();

  // Linear probing without tombstones: entries that probed past the hole move back into it.
  const size_t last = index_.size() - 1;
  for (size_t slot = (hole + 1) & last; index_[slot] != kEmpty; slot = (slot + 1) & last) {
    const size_t home = hash(rows_[index_[slot]].key) & last;
    if (((slot - home) & last) >= ((slot - hole) & last)) {
      index_[hole] = index_[slot];
      hole = slot;
    }
  }
  index_[hole] = kEmpty;
}

void Table::apply(const Event& event) {
  switch (event.kind) {
    case EventKind::bind_failed:
    case EventKind::listen_failed:
    case EventKind::snapshot_done:
      return;
    default:
      break;
  }
  if (event.gone)
    erase(event.socket.key);
  else
    insert(event.socket);
}

const Socket* Table::find_listener(uint32_t netns, uint16_t protocol, Family family, const Endpoint& local) const {
  const auto found = listeners_.find(port_key(netns, local.port));
  if (found == listeners_.end()) return nullptr;
  // An IPv4 connection to a dual-stack listener is an IPv6 socket with a mapped address; it matches as its listener does.
  const Socket* best = nullptr;
  int best_match = 0;
  for (const SocketKey& key : found->second) {
    const Socket* listener = find(key);
    if (listener == nullptr || listener->protocol != protocol) continue;
    const int matches = match(*listener, family, local);
    if (matches > best_match) {
      best = listener;
      best_match = matches;
    }
  }
  return best;
}

}  // namespace socktrace
