#pragma once

#include <csignal>
#include <initializer_list>
#include <optional>

#include "core/result.h"
#include "sys/unique_fd.h"

namespace socktrace::sys {

// Signals as a descriptor (signalfd): they are taken where the event loop is, and interrupt nothing. Made
// before any thread is, which inherits the mask; the former mask returns with the destructor.
class Signals {
 public:
  // Usually SIGINT, SIGTERM (stop), SIGHUP (reopen the log) and SIGUSR1.
  static Result<Signals> block(std::initializer_list<int> signals);
  Signals(Signals&& other) noexcept = default;
  Signals& operator=(Signals&&) = delete;
  ~Signals();

  [[nodiscard]] int fd() const { return fd_.get(); }  // readable when next() would return one
  [[nodiscard]] std::optional<int> next() const;      // does not wait
  // Whether SIGINT or SIGTERM waits to be taken; for another thread, with all signals blocked.
  static bool end_is_pending();
  // Whether who started us had the signal ignored (nohup); it is taken all the same, as it was blocked.
  [[nodiscard]] bool was_ignored(int signal) const { return sigismember(&ignored_, signal) == 1; }

 private:
  Signals(UniqueFd fd, const sigset_t& former, const sigset_t& ignored)
      : fd_(std::move(fd)), former_(former), ignored_(ignored) {}

  UniqueFd fd_;
  sigset_t former_;
  sigset_t ignored_;
};

// Who reads standard output does not, and we are to end: a write that `writer` is in is interrupted, and from now on every
// one to it fails as if nobody read it any more (EPIPE). Needs Signals::block() before.
void give_up_standard_output(pthread_t writer);
bool standard_output_is_given_up();

// Writing to a pipe that nobody reads, or beyond RLIMIT_FSIZE, then fails with EPIPE or EFBIG instead of ending the
// process.
void ignore_failed_writes();

}  // namespace socktrace::sys
