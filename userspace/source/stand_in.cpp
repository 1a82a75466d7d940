#include "source/stand_in.h"

#include <chrono>
#include <system_error>
#include <utility>

namespace socktrace::source {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience(5);
constexpr milliseconds kPause(2);

}  // namespace

StandIn::StandIn(std::function<void()> work) : work_(std::move(work)) {
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
}

void StandIn::during(const std::function<void()>& absence) {
  {
    const std::lock_guard lock(mutex_);
    away_ = true;
    ++absences_;
  }
  changed_.notify_all();
  struct Return {
    StandIn& self;
    ~Return() {
      const std::lock_guard lock(self.mutex_);
      self.away_ = false;
    }
  } const on_every_way_out{*this};
  absence();
}

void StandIn::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return away_ || ending_; });
    if (ending_) return;
    const uint64_t absence = absences_;
    const auto is_over = [&] { return ending_ || !away_ || absences_ != absence; };
    changed_.wait_for(lock, kPatience, is_over);
    while (!is_over()) {
      work_();
      changed_.wait_for(lock, kPause, is_over);
    }
  }
}

}  // namespace socktrace::source
