#pragma once

#include <sys/eventfd.h>

#include <atomic>

#include "sys/unique_fd.h"

namespace socktrace::sys {

// Handed over once, by one thread to another that waits for it with poll(): fd() is readable from then on.
class Baton {
 public:
  Baton() : fd_(eventfd(0, EFD_CLOEXEC)) {}

  void hand_over() { (void)eventfd_write(fd_.get(), 1); }
  // For who would hand it over early, were somebody there to take it.
  void hand_over_if_awaited() {
    if (awaited_.exchange(false)) hand_over();
  }

  // Says that somebody is there. -1: the process had no descriptor left; there is nothing to wait for, and hand_over() does
  // nothing.
  [[nodiscard]] int await() {
    awaited_ = true;
    return fd_.get();
  }

 private:
  UniqueFd fd_;
  std::atomic<bool> awaited_ = false;
};

}  // namespace socktrace::sys
