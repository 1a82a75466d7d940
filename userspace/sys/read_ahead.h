#pragma once

#include <memory>

#include "sys/netlink.h"

namespace socktrace::sys {

enum class AheadFrom {
  long_answer,  // the first datagram that the kernel has filled
  request,      // which is sent by the thread too: what cannot be sent is told by receive()
};

// The same transport, but a thread of its own receives, so that the kernel goes on with a dump while we work on what it
// said. It is ahead by at most 256 datagrams (of 32 KiB at most, in a dump), as many as come while owners are looked up; then
// it waits for us, and the kernel for it. Without fd(), or without a thread to be had: `transport` as it is.
std::unique_ptr<NetlinkTransport> read_ahead(std::unique_ptr<NetlinkTransport> transport, AheadFrom from);

}  // namespace socktrace::sys
