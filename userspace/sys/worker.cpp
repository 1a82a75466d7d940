#include "sys/worker.h"

#include <csignal>
#include <exception>
#include <system_error>
#include <utility>

#include "sys/priority.h"

namespace socktrace::sys {

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Worker::run(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable()) {
    // Signals are for the thread that handles them, not for this one.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::exception_ptr refused;
    try {
      thread_ = std::thread([this] { loop(); });
    } catch (const std::system_error&) {
      refused = std::current_exception();
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (refused) std::rethrow_exception(refused);
  }
  jobs_.push_back(std::move(job));
  changed_.notify_all();
}

void Worker::run_or_do(std::function<void()> job) {
  try {
    run(job);
  } catch (const std::system_error&) {
    job();
  }
}

void Worker::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return jobs_.empty() && !busy_; });
}

void Worker::loop() {
  if (urgency_ == Urgency::can_wait) let_others_go_first();
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    job();
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace socktrace::sys
