#include "source/stand_in.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <new>
#include <system_error>
#include <utility>

namespace socktrace::source {
namespace {

constexpr long kPatience_ns = 5'000'000;
constexpr std::chrono::milliseconds kPause(2);

// 0: not at all.
void set_alarm(const sys::UniqueFd& alarm, long after_ns) {
  const itimerspec once{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = after_ns}};
  timerfd_settime(alarm.get(), 0, &once, nullptr);
}

// False: there will be none.
bool wait_for_alarm(const sys::UniqueFd& alarm) {
  uint64_t times = 0;
  while (read(alarm.get(), &times, sizeof times) < 0)
    if (errno != EINTR) return false;
  return true;
}

}  // namespace

StandIn::StandIn(std::function<void()> work)
    : work_(std::move(work)), alarm_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) {
  if (!alarm_) return;
  try {
    thread_.run([this] { loop(); });
  } catch (const std::system_error&) {
  }
}

StandIn::~StandIn() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  set_alarm(alarm_, 1);
}

void StandIn::during(const std::function<void()>& absence) {
  {
    const std::lock_guard lock(mutex_);
    away_ = true;
  }
  set_alarm(alarm_, kPatience_ns);
  struct Return {
    StandIn& self;
    ~Return() {
      set_alarm(self.alarm_, 0);
      const std::lock_guard lock(self.mutex_);
      self.away_ = false;
    }
  } const on_every_way_out{*this};
  absence();
}

void StandIn::loop() {
  while (wait_for_alarm(alarm_)) {
    std::unique_lock lock(mutex_);
    while (away_ && !ending_) {
      try {
        work_();
      } catch (const std::bad_alloc&) {  // then nobody does it, as long as there is no memory
      }
      changed_.wait_for(lock, kPause);
    }
    if (ending_) return;
  }
}

}  // namespace socktrace::source
