#pragma once

#include <memory>

#include "sys/netlink.h"

namespace socktrace::sys {

// The same transport, but once a datagram shows that the answer is a long one, a thread of its own receives the rest, so
// that the kernel goes on with a dump while we work on what it said. It is ahead by at most 64 datagrams (of 32 KiB at
// most, in a dump); then it waits for us, and the kernel for it. Without fd(), or without a thread to be had: `transport`
// as it is.
std::unique_ptr<NetlinkTransport> read_ahead(std::unique_ptr<NetlinkTransport> transport);

}  // namespace socktrace::sys
