#include "sys/event_loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

namespace socktrace::sys {
namespace {

constexpr uint64_t kSecond_ns = 1'000'000'000;

timespec to_timespec(uint64_t ns) {
  return {static_cast<time_t>(ns / kSecond_ns), static_cast<long>(ns % kSecond_ns)};
}

}  // namespace

Result<EventLoop> EventLoop::create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Error::system("epoll_create1", errno);
  return EventLoop(std::move(epoll));
}

Result<void> EventLoop::add(int fd, std::function<void()> on_ready) {
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &interest) != 0)
    return Error::system("wait for a descriptor", errno);
  handlers_[fd] = std::move(on_ready);
  return {};
}

void EventLoop::remove(int fd) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  handlers_.erase(fd);
}

Result<void> EventLoop::wait(int timeout_ms) {
  std::array<epoll_event, 16> ready;
  const int count = epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), timeout_ms);
  if (count < 0 && errno != EINTR) return Error::system("epoll_wait", errno);
  for (int i = 0; i < count; ++i) {
    // An earlier handler may have removed this one; the copy lets a handler remove itself.
    const auto found = handlers_.find(ready[static_cast<size_t>(i)].data.fd);
    if (found == handlers_.end()) continue;
    const std::function<void()> on_ready = found->second;
    on_ready();
  }
  return {};
}

Result<Timer> Timer::start(uint64_t after_ns, uint64_t interval_ns) {
  UniqueFd fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!fd) return Error::system("timerfd_create", errno);
  const itimerspec times{to_timespec(interval_ns), to_timespec(after_ns != 0 ? after_ns : interval_ns)};
  if (timerfd_settime(fd.get(), 0, &times, nullptr) != 0) return Error::system("timerfd_settime", errno);
  return Timer(std::move(fd));
}

uint64_t Timer::take() const {
  uint64_t expirations = 0;
  return read(fd_.get(), &expirations, sizeof expirations) == sizeof expirations ? expirations : 0;
}

}  // namespace socktrace::sys
