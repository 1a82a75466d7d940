#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

#include "sys/unique_fd.h"
#include "sys/worker.h"

namespace socktrace::source {

// A thread that does somebody's work while he is kept by something else: a disk, whoever reads standard output, a look at all
// sockets.
class StandIn {
 public:
  // `work`: some of it, in bounded time. Is only called, by the thread, while a during() is under way.
  explicit StandIn(std::function<void()> work);
  ~StandIn();
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  // Runs `absence`. One that takes no longer than 5 ms does not even wake the thread; from then on it works, with pauses of
  // 2 ms. When this returns it has stopped. Where no thread or no memory is to be had, nobody does the work.
  void during(const std::function<void()>& absence);

 private:
  void loop();

  std::function<void()> work_;
  sys::UniqueFd alarm_;  // wakes the thread
  std::mutex mutex_;     // held by who works
  std::condition_variable changed_;
  bool away_ = false;
  bool ending_ = false;
  sys::Worker thread_;  // last: it ends before what it uses
};

}  // namespace socktrace::source
