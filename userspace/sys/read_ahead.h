#pragma once

#include <memory>

#include "sys/baton.h"
#include "sys/netlink.h"

namespace socktrace::sys {

enum class AheadFrom {
  long_answer,  // the first datagram that the kernel has filled
  request,      // which is sent by the thread too: what cannot be sent is told by receive()
};

struct Ahead {
  AheadFrom from = AheadFrom::long_answer;
  // With AheadFrom::request, what the thread waits for before it sends.
  std::shared_ptr<Baton> after;
  // Handed over when a processor has time for the kernel to begin with another dump: it has said all of this one, or the
  // reader has to wait for it.
  std::shared_ptr<Baton> next;
};

// The same transport, but a thread of its own receives, so that the kernel goes on with a dump while we work on what it
// said. It is ahead by at most 8 MiB, as much as comes while owners are looked up; then it waits for us, and the kernel
// for it. Without fd(), or when there is no descriptor, thread or memory to be had, it receives as `transport` does.
std::unique_ptr<NetlinkTransport> read_ahead(std::unique_ptr<NetlinkTransport> transport, Ahead ahead);

}  // namespace socktrace::sys
