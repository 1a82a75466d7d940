#include "cli/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "cli/exit_code.h"
#include "core/batch.h"
#include "sys/signals.h"

namespace socktrace::cli {
namespace {

constexpr size_t kMostKept = 4 << 20;

}  // namespace

Result<bool> Output::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    if (fd_ == STDOUT_FILENO && sys::standard_output_is_given_up()) {
      empty_batch(buffer_, kMostKept);
      return false;
    }
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd writable{fd_, POLLOUT, 0};
      ::poll(&writable, 1, -1);
    } else if (errno == EPIPE || errno == EIO) {  // EIO: the terminal is gone
      empty_batch(buffer_, kMostKept);
      return false;
    } else if (errno != EINTR) {
      const int code = errno;
      buffer_.erase(0, buffer_.size() - rest.size());
      return Error::system(fd_ == STDOUT_FILENO ? "write standard output" : "write", code);
    }
  }
  empty_batch(buffer_, kMostKept);
  return true;
}

Result<int> print_text(std::string_view text) {
  Output output;
  output.buffer() = text;
  Result<bool> flushed = output.flush();
  if (!flushed) return std::move(flushed.error());
  return kOk;
}

}  // namespace socktrace::cli
