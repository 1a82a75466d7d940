#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "sys/unique_fd.h"

namespace socktrace::sink {

// A file that only ever grows by whole lines, or standard output.
//
// Because it is written as root, in directories that others may know, open() refuses what could make it write
// somewhere else: symbolic and hard links, FIFOs and devices, files of other users, files that are not event
// logs, and directories in which everybody may rename files. One process at a time holds it (flock).
class AppendFile {
 public:
  // "-" is standard output, which is not checked. A missing file is made with mode 0640 less the umask. A
  // torn last line, left by a crash, is cut off. Errors name the reason and what to do.
  static Result<AppendFile> open(const std::string& path);

  struct Wrote {
    size_t bytes = 0;  // from the front; always whole lines
    int error = 0;     // errno; 0 when everything was written
  };
  // Appends whole lines with one write(2), more only if the kernel takes less. After an error the file again
  // ends with a whole line.
  Wrote write(std::string_view lines);

  // The descriptor for fdatasync() on another thread; it stays open as long as somebody holds it.
  [[nodiscard]] std::shared_ptr<const sys::UniqueFd> descriptor() const { return fd_; }
  [[nodiscard]] bool is_stdout() const { return is_stdout_; }
  [[nodiscard]] uint64_t size() const { return size_; }                    // bytes, as far as written here
  [[nodiscard]] uint64_t trimmed_bytes() const { return trimmed_bytes_; }  // of a torn line, at open
  // Whether somebody has cut the file (copytruncate of logrotate(8)) since this was last asked.
  bool notice_cut();
  // The path still leads to this file (nobody renamed or removed it).
  [[nodiscard]] bool is_at(const std::string& path) const;

 private:
  AppendFile(sys::UniqueFd fd, bool is_stdout)
      : fd_(std::make_shared<const sys::UniqueFd>(std::move(fd))), is_stdout_(is_stdout) {}
  Result<void> check(const std::string& path);
  Result<void> trim_torn_line(const std::string& path);

  std::shared_ptr<const sys::UniqueFd> fd_;
  bool is_stdout_ = false;
  bool torn_ = false;  // an unfinished line could not be taken back: end it before the next
  uint64_t size_ = 0;
  uint64_t trimmed_bytes_ = 0;
};

}  // namespace socktrace::sink
