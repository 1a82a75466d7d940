#pragma once

#include <cstddef>
#include <deque>
#include <span>

#include "core/result.h"
#include "sys/netlink.h"

namespace socktrace::sys {

// Datagrams on their way from who receives them to who reads them, one behind the other in the memory of one ring. It has no
// lock of its own: who holds the lock may write to room() and read what front() says without it.
class DatagramRing {
 public:
  DatagramRing();
  ~DatagramRing();
  DatagramRing(const DatagramRing&) = delete;
  DatagramRing& operator=(const DatagramRing&) = delete;

  // Where the next datagram is to be received, kReceiveBuffer bytes; empty: not before something is taken.
  [[nodiscard]] std::span<std::byte> room();
  // What was received there; or why nothing was, after which there is no room any more.
  void put(Result<NetlinkDatagram> outcome);

  [[nodiscard]] bool empty() const { return outcomes_.empty(); }
  // The oldest; its bytes are in the ring, until it is taken.
  [[nodiscard]] const Result<NetlinkDatagram>& front() const { return outcomes_.front(); }
  void take() { outcomes_.pop_front(); }

 private:
  [[nodiscard]] bool make_room();

  std::byte* memory_;
  size_t next_ = 0;  // where the next one goes
  std::deque<Result<NetlinkDatagram>> outcomes_;
};

}  // namespace socktrace::sys
