#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "core/result.h"
#include "sys/unique_fd.h"

namespace socktrace::sys {

// Waits for descriptors on one thread and calls their handlers (epoll, level-triggered).
class EventLoop {
 public:
  static Result<EventLoop> create();

  // `on_ready` is called when `fd` is readable, at its end or broken. The descriptor is borrowed: remove it
  // before it is closed. Handlers may add and remove descriptors, their own too.
  Result<void> add(int fd, std::function<void()> on_ready);
  void remove(int fd);

  // Waits for at most `timeout_ms` (-1: without limit) and calls the handlers of what is ready. A signal that
  // no descriptor takes ends the wait early.
  Result<void> wait(int timeout_ms);

 private:
  explicit EventLoop(UniqueFd epoll) : epoll_(std::move(epoll)) {}

  UniqueFd epoll_;
  std::unordered_map<int, std::function<void()>> handlers_;
};

// A timer as a descriptor (CLOCK_MONOTONIC), readable when it has run out.
class Timer {
 public:
  // First after `after_ns`, then every `interval_ns`; 0 for the interval: once, 0 for the start: after one
  // interval.
  static Result<Timer> start(uint64_t after_ns, uint64_t interval_ns);

  [[nodiscard]] int fd() const { return fd_.get(); }
  // How many times it has run out since the last call; makes it unreadable again.
  [[nodiscard]] uint64_t take() const;

 private:
  explicit Timer(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace socktrace::sys
