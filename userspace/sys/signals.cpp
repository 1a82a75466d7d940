#include "sys/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

namespace socktrace::sys {

Result<Signals> Signals::block(std::initializer_list<int> signals) {
  sigset_t blocked;
  sigset_t former;
  sigemptyset(&blocked);
  for (const int signal : signals) sigaddset(&blocked, signal);
  UniqueFd fd(signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return Error::system("signalfd", errno);
  if (const int error = pthread_sigmask(SIG_BLOCK, &blocked, &former); error != 0)
    return Error::system("block signals", error);
  return Signals(std::move(fd), former);
}

Signals::~Signals() {
  if (!fd_) return;
  while (next()) {
  }  // what came last asked for what is being done
  pthread_sigmask(SIG_SETMASK, &former_, nullptr);
}

std::optional<int> Signals::next() const {
  signalfd_siginfo info{};
  if (read(fd_.get(), &info, sizeof info) != sizeof info) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

void Signals::end_by_those_that_wait() {
  sigset_t ending;
  sigset_t former;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  pthread_sigmask(SIG_UNBLOCK, &ending, &former);  // delivered here, before this returns
  pthread_sigmask(SIG_SETMASK, &former, nullptr);
}

void ignore_failed_writes() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace socktrace::sys
