#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "sys/worker.h"

namespace socktrace::source {

// A thread that does somebody's work while he waits for something else: a disk, or whoever reads standard output.
class StandIn {
 public:
  // `work`: some of it, in bounded time. Is only called, by the thread, while a during() is under way.
  explicit StandIn(std::function<void()> work);
  ~StandIn();
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  // Runs `absence`. What takes no longer than 5 ms is over before the thread has begun; from then on it works, with
  // pauses of 2 ms. When this returns it has stopped. Where no thread is to be had, nobody does the work.
  void during(const std::function<void()>& absence);

 private:
  void loop();

  std::function<void()> work_;
  std::mutex mutex_;  // held by who works
  std::condition_variable changed_;
  bool away_ = false;
  bool ending_ = false;
  uint64_t absences_ = 0;
  sys::Worker thread_;  // last: it ends before what it uses
};

}  // namespace socktrace::source
