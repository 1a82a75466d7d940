#pragma once

#include <cstdint>
#include <functional>

#include "core/record.h"
#include "core/result.h"
#include "source/dump.h"
#include "sys/netlink.h"

namespace socktrace::source {

// The tables whose ends the kernel tells.
inline constexpr diag::TableSet kToldTables = diag::bit(diag::Table::tcp) | diag::bit(diag::Table::udp);

// Streams TCP and UDP sockets of the current network namespace as they end (SKNLGRP_INET*_DESTROY, 4.2), until the sink
// returns false. Needs no privilege. A row has the last addresses, tcp_info and cookie, but neither uid nor inode
// (the descriptor is closed), and always the state CLOSE; a connection in TIME_WAIT was told when it got there.
// `lost` is called when ends came faster than they were read and some were dropped.
Result<void> follow_destroyed(const DumpRequest& request, const RowSink& sink,
                              const std::function<void()>& lost);

// The ends of UDP sockets in the current network namespace, as records of releases: for when the hook that tells them
// (cgroup/sock_release) could not be attached. They come without the process, and a moment after the end.
class UdpEnds {
 public:
  // `netns`: the current one, for the records.
  static Result<UdpEnds> follow(uint32_t netns);

  [[nodiscard]] int fd() const { return fd_; }
  // Hands over what has come, without waiting. False: some did not fit into the socket's buffer and are lost.
  Result<bool> drain(const std::function<void(const Record&)>& on_record);

 private:
  UdpEnds(sys::Netlink netlink, int fd, uint32_t netns)
      : netlink_(std::move(netlink)), fd_(fd), netns_(netns) {}

  sys::Netlink netlink_;
  int fd_;
  uint32_t netns_;
};

}  // namespace socktrace::source
