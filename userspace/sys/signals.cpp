#include "sys/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace socktrace::sys {
namespace {

std::atomic<bool> given_up = false;

}  // namespace

Result<Signals> Signals::block(std::initializer_list<int> signals) {
  sigset_t blocked;
  sigset_t former;
  sigset_t ignored;
  sigemptyset(&blocked);
  sigemptyset(&ignored);
  for (const int signal : signals) {
    sigaddset(&blocked, signal);
    struct sigaction former_action {};
    if (sigaction(signal, nullptr, &former_action) == 0 && former_action.sa_handler == SIG_IGN)
      sigaddset(&ignored, signal);
  }
  UniqueFd fd(signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return Error::system("signalfd", errno);
  struct sigaction interrupt {};  // without SA_RESTART
  interrupt.sa_handler = [](int) {};
  if (sigaction(SIGRTMIN, &interrupt, nullptr) != 0) return Error::system("sigaction", errno);
  if (const int error = pthread_sigmask(SIG_BLOCK, &blocked, &former); error != 0)
    return Error::system("block signals", error);
  return Signals(std::move(fd), former, ignored);
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

bool Signals::end_is_pending() {
  sigset_t pending;
  return sigpending(&pending) == 0 &&
         (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

void give_up_standard_output(pthread_t writer) {
  given_up = true;
  pthread_kill(writer, SIGRTMIN);
}

bool standard_output_is_given_up() {
  return given_up;
}

void ignore_failed_writes() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace socktrace::sys
