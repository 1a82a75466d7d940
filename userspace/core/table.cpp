#include "core/table.h"

#include <linux/in.h>

#include <utility>

#include "core/hash.h"

namespace socktrace {
namespace {

constexpr uint32_t kNone = PositionIndex::kNone;

// MPTCP sockets take their ports through a TCP subflow.
uint16_t port_space(uint16_t protocol) {
  return protocol == kMptcp ? uint16_t{IPPROTO_TCP} : protocol;
}

// How well a listener's address matches: 0 not at all, 1 dual-stack wildcard, 2 wildcard of the family, 3
// exactly. What a dual-stack listener receives over IPv4 is an IPv6 socket with a mapped address.
int match(const Socket& listener, Family family, const Endpoint& local) {
  const bool wildcard = is_wildcard(listener.family, listener.local.address);
  if (listener.family == family) return listener.local.address == local.address ? 3 : wildcard ? 2 : 0;
  return listener.family == Family::inet6 && wildcard && !listener.options.v6_only ? 1 : 0;
}

}  // namespace

Table::PortChain Table::chain_of(const Socket& socket) {
  return {socket.netns, port_space(socket.protocol), socket.local.port, socket.state == State::listen};
}

uint64_t Table::hash_of(PortChain chain) {
  return mix(uint64_t{chain.netns} << 32 | uint64_t{chain.port} << 16 |
             static_cast<uint64_t>(chain.protocol << 1) | static_cast<uint64_t>(chain.listening));
}

uint32_t Table::position_of(const SocketKey& key) const {
  return keys_.find(SocketKeyHash()(key), [&](uint32_t at) { return rows_[at].socket.key == key; });
}

uint32_t Table::head_of(PortChain chain) const {
  chain.protocol = port_space(chain.protocol);
  return ports_.find(hash_of(chain), [&](uint32_t at) { return chain_of(rows_[at].socket) == chain; });
}

const Socket* Table::find(const SocketKey& key) const {
  const uint32_t at = position_of(key);
  return at == kNone ? nullptr : &rows_[at].socket;
}

void Table::link(uint32_t position) {
  Row& row = rows_[position];
  row.next = row.previous = kNone;
  if (row.socket.local.port == 0) return;
  const PortChain chain = chain_of(row.socket);
  const uint32_t head = head_of(chain);
  if (head == kNone) {
    ports_.insert(hash_of(chain), position);
    return;
  }
  row.previous = head;
  row.next = std::exchange(rows_[head].next, position);
  if (row.next != kNone) rows_[row.next].previous = position;
}

void Table::unlink(uint32_t position) {
  const Row& row = rows_[position];
  if (row.socket.local.port == 0) return;
  if (row.next != kNone) rows_[row.next].previous = row.previous;
  if (row.previous != kNone) {
    rows_[row.previous].next = row.next;
    return;
  }
  const uint64_t hash = hash_of(chain_of(row.socket));
  if (row.next != kNone)
    ports_.replace(hash, position, row.next);
  else
    ports_.erase(hash, position);
}

Socket& Table::put(const Socket& socket) {
  uint32_t at = position_of(socket.key);
  if (at == kNone) {
    at = static_cast<uint32_t>(rows_.size());
    rows_.push_back({.socket = socket});
    keys_.insert(SocketKeyHash()(socket.key), at);
    link(at);
  } else if (chain_of(rows_[at].socket) == chain_of(socket)) {
    rows_[at].socket = socket;
  } else {
    unlink(at);
    rows_[at].socket = socket;
    link(at);
  }
  return rows_[at].socket;
}

void Table::move_row(uint32_t from, uint32_t to) {
  const Row& row = rows_[to] = std::move(rows_[from]);
  keys_.replace(SocketKeyHash()(row.socket.key), from, to);
  if (row.socket.local.port == 0) return;
  if (row.next != kNone) rows_[row.next].previous = to;
  if (row.previous != kNone)
    rows_[row.previous].next = to;
  else
    ports_.replace(hash_of(chain_of(row.socket)), from, to);
}

void Table::erase(const SocketKey& key) {
  const uint32_t at = position_of(key);
  if (at == kNone) return;
  unlink(at);
  keys_.erase(SocketKeyHash()(key), at);
  const auto last = static_cast<uint32_t>(rows_.size() - 1);
  if (at != last) move_row(last, at);
  rows_.pop_back();
}

void Table::apply(const Event& event) {
  switch (event.kind) {
    case EventKind::bind_failed:
    case EventKind::listen_failed:
    case EventKind::snapshot_done:
      return;
    case EventKind::tcp_connect_failed:
      if (is_unix(event.socket)) return;  // it names who was not reached
      break;
    default:
      break;
  }
  if (is_unix(event.socket)) note_unix_peer(event);
  if (event.gone) return erase(event.socket.key);
  Socket& row = put(event.socket);
  if (event.kind != EventKind::tcp_closed && event.kind != EventKind::tcp_connect_failed) return;
  if (is_mini_state(row.state)) row.inode = 0;
  if (row.state == State::close) row.peer = {};
}

void Table::set_queues(const SocketKey& key, uint32_t recv_q, uint32_t send_q) {
  const uint32_t at = position_of(key);
  if (at == kNone) return;
  rows_[at].socket.recv_q = recv_q;
  rows_[at].socket.send_q = send_q;
}

void Table::note_unix_peer(const Event& event) {
  const uint32_t peer_inode = details_of(event.socket).peer_inode;
  if (peer_inode == 0) return;
  const SocketKey peer{0, peer_inode};
  if (event.kind == EventKind::tcp_accept) return set_peer_inode(peer, event.socket.inode);
  const Socket* row = event.gone ? find(peer) : nullptr;
  if (row != nullptr && details_of(*row).peer_inode == event.socket.inode) set_peer_inode(peer, 0);
}

void Table::set_peer_inode(const SocketKey& key, uint32_t peer_inode) {
  const uint32_t at = position_of(key);
  if (at != kNone) rows_[at].socket.details.make().peer_inode = peer_inode;
}

Table::Listener Table::find_listener(uint32_t netns, uint16_t protocol, Family family,
                                     const Endpoint& local) const {
  Listener best;
  int best_match = 0;
  for_each_in_chain({netns, protocol, local.port, true}, [&](const Socket& listener) {
    if (listener.protocol != protocol) return;
    const int matches = match(listener, family, local);
    if (matches > best_match) {
      best = {.socket = &listener, .sole = true};
      best_match = matches;
    } else if (matches != 0 && matches == best_match) {
      best.sole = false;
    }
  });
  return best;
}

size_t Table::bytes() const {
  // std::deque keeps blocks of 512 bytes and a pointer to each.
  constexpr size_t kBlock = 512;
  constexpr size_t kRowsPerBlock = kBlock / sizeof(Row);
  const size_t blocks = rows_.size() / kRowsPerBlock + 1;
  return blocks * (kBlock + sizeof(void*)) + keys_.bytes() + ports_.bytes();
}

}  // namespace socktrace
