#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace socktrace::sys {

// Runs jobs one after the other on a thread of its own, which begins with the first job: for what may block
// on a disk, so that events go on being taken from the kernel. The destructor waits for the jobs that were
// given. One that `can_wait` leaves the processors to others first (let_others_go_first).
class Worker {
 public:
  enum class Urgency { ordinary, can_wait };

  explicit Worker(Urgency urgency = Urgency::ordinary) : urgency_(urgency) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // Throws std::system_error, and forgets the job, when the system has no thread for us (pids.max, RLIMIT_NPROC).
  void run(std::function<void()> job);
  // The same, but then the caller does the job, at once.
  void run_or_do(std::function<void()> job);
  // Returns when every job given so far is done.
  void wait();

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  const Urgency urgency_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace socktrace::sys
