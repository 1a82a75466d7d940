#include "cli/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "cli/exit_code.h"

namespace socktrace::cli {

Result<bool> Output::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd writable{fd_, POLLOUT, 0};
      ::poll(&writable, 1, -1);
    } else if (errno == EPIPE || errno == EIO) {  // EIO: the terminal is gone
      empty();
      return false;
    } else if (errno != EINTR) {
      return Error::system(fd_ == STDOUT_FILENO ? "write standard output" : "write", errno);
    }
  }
  empty();
  return true;
}

// What a burst has let grow is given back.
void Output::empty() {
  constexpr size_t kMostKept = 4 << 20;
  buffer_.clear();
  if (buffer_.capacity() > kMostKept) std::string().swap(buffer_);
}

Result<int> print_text(std::string_view text) {
  Output output;
  output.buffer() = text;
  Result<bool> flushed = output.flush();
  if (!flushed) return std::move(flushed.error());
  return kOk;
}

}  // namespace socktrace::cli
