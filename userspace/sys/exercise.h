#pragma once

#include <cstdint>

#include "core/result.h"

namespace socktrace::sys {

// The sockets of an exercise, by cookie, and their ports on 127.0.0.1.
struct Exercise {
  uint64_t listener = 0;
  uint64_t refused = 0;  // its bind to the listener's port failed with EADDRINUSE
  uint64_t client = 0;
  uint64_t accepted = 0;
  uint64_t datagram = 0;
  uint16_t port = 0;  // of the listener
  uint16_t client_port = 0;
  uint16_t datagram_port = 0;
};

// Does once on loopback what a tracer is to report: binds and listens, fails to bind there again, connects, accepts and
// closes; binds and closes a datagram socket. All of it is over when this returns, and nothing stays behind, not even in
// TIME_WAIT. A child process does it, as a tracer leaves out what its own process does; no call in it waits for longer
// than a second. The error names the call: "bind to 127.0.0.1: Cannot assign requested address" where loopback is down.
Result<Exercise> exercise_loopback();

}  // namespace socktrace::sys
