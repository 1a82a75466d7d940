// A log file of any bytes: plain text, zstd frames, and damage between them.
#include "sys/log_bytes.h"

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "target.h"

using namespace socktrace;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int file = memfd_create("fuzz", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  fuzz::require(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == static_cast<ssize_t>(size),
                "the input is written");
  Result<sys::LogBytes> log = sys::LogBytes::open(path);
  fuzz::require(log.has_value(), "a file can be opened");
  uint64_t text = 0;
  constexpr uint64_t kMost = 64 << 20;  // zstd can make much of little
  while (text < kMost) {
    const Result<std::string_view> piece = log->next();
    fuzz::require(piece.has_value(), "damage is no error");
    if (piece->empty()) break;
    text += piece->size();
  }
  fuzz::require(log->skipped_bytes() <= size, "no more is skipped than there is");
  return 0;
}
