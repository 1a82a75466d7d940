#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "core/event.h"
#include "core/position_index.h"
#include "core/socket.h"

namespace socktrace {

// The sockets that exist, by key. The table changes only by events (queues and unix peers aside): whoever applies the same events,
// live or from a log, has the same table. An event is applied like this:
//
// clang-format off
//   event                                      the row afterwards
//   ------------------------------------------ --------------------------------------------------
//   bind.failed, listen.failed, snapshot.done,
//     tcp.connect_failed of a unix socket      unchanged
//   any with `gone`                            none
//   tcp.closed, tcp.connect_failed into
//     TIME_WAIT, FIN_WAIT2                     event.socket without inode: a mini-socket has none
//     CLOSE                                    event.socket without peer: not connected
//   any other                                  event.socket
//
// When one end of a unix connection is accepted or ends, so that the other has it for a peer, or has none any more, the row
// of the other says so.
// clang-format on
//
// Rows lie densely in arbitrary order, found through an index by key, and chained by port: about 250
// bytes for a TCP socket with one owner. Every operation but for_each is O(1) on average; for_each_on_port
// visits only that port.
class Table {
 public:
  // Null when unknown. Valid until the next apply().
  [[nodiscard]] const Socket* find(const SocketKey& key) const;

  void apply(const Event& event);

  // Queues change with every packet, and no event tells it: as a dump has just seen them. Does nothing without a row.
  void set_queues(const SocketKey& key, uint32_t recv_q, uint32_t send_q);
  // Nor with whom a unix socket is connected that nothing told of.
  void set_peer_inode(const SocketKey& key, uint32_t peer_inode);

  [[nodiscard]] size_t size() const { return rows_.size(); }

  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const Row& row : rows_) visit(row.socket);
  }

  // The sockets that share a local port in one network namespace and port space; TCP and MPTCP share theirs.
  // Those that a new bind may conflict with. `port` must not be 0.
  template <typename Visit>
  void for_each_on_port(uint32_t netns, uint16_t protocol, uint16_t port, Visit&& visit) const {
    for_each_in_chain({netns, protocol, port, true}, visit);
    for_each_in_chain({netns, protocol, port, false}, visit);
  }

  struct Listener {
    const Socket* socket = nullptr;  // null when none is known
    bool sole = true;  // no other listener matches as well: SO_REUSEPORT spreads connections over a group
  };
  // The listener that receives connections to `local`: a specific address wins over a wildcard, and a
  // dual-stack :: receives IPv4 too.
  [[nodiscard]] Listener find_listener(uint32_t netns, uint16_t protocol, Family family,
                                       const Endpoint& local) const;

  // Memory of rows and indexes, without what the rows point to (owners, details).
  [[nodiscard]] size_t bytes() const;

 private:
  struct Row {
    Socket socket;
    uint32_t next = PositionIndex::kNone;  // in its port's chain
    uint32_t previous = PositionIndex::kNone;
  };
  // Listeners have a chain of their own: a busy server's port has a hundred thousand other sockets.
  struct PortChain {
    uint32_t netns;
    uint16_t protocol;
    uint16_t port;
    bool listening;

    bool operator==(const PortChain&) const = default;
  };

  static PortChain chain_of(const Socket& socket);
  static uint64_t hash_of(PortChain chain);
  [[nodiscard]] uint32_t position_of(const SocketKey& key) const;
  [[nodiscard]] uint32_t head_of(PortChain chain) const;
  void note_unix_peer(const Event& event);
  Socket& put(const Socket& socket);
  void erase(const SocketKey& key);
  void link(uint32_t position);
  void unlink(uint32_t position);
  void move_row(uint32_t from, uint32_t to);

  template <typename Visit>
  void for_each_in_chain(PortChain chain, Visit&& visit) const {
    for (uint32_t at = head_of(chain); at != PositionIndex::kNone; at = rows_[at].next)
      visit(rows_[at].socket);
  }

  std::deque<Row> rows_;
  PositionIndex keys_;
  PositionIndex ports_;  // the head of each chain
};

}  // namespace socktrace
