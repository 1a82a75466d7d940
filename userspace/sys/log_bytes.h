#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "sys/unique_fd.h"

struct ZSTD_DCtx_s;

namespace socktrace::sys {

// The text of a log file, plain or zstd, in pieces. A zstd frame that is damaged or cut off is skipped to the
// next one; a newline then stands in its place, so that no line is made of two. The text of a frame up to 16
// MiB is given out only after its checksum was right.
class LogBytes {
 public:
  // "-" is standard input, which must be plain text.
  static Result<LogBytes> open(const std::string& path);

  // The next piece, valid until the call after the next, so that another thread may ask for the next while this one is
  // used; empty at the end.
  Result<std::string_view> next();
  // The same piece, which next() will give again.
  Result<std::string_view> peek();

  // Passes over up to `bytes` of the text where that is cheap: in plain files. The value is how many were.
  uint64_t skip(uint64_t bytes);

  // The file has this path now.
  [[nodiscard]] bool is_at(const std::string& path) const;

  [[nodiscard]] uint64_t damaged_frames() const { return damaged_frames_; }
  [[nodiscard]] uint64_t skipped_bytes() const { return skipped_bytes_; }  // compressed

 private:
  struct FreeContext {
    void operator()(ZSTD_DCtx_s* context) const;
  };

  LogBytes(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Result<std::string_view> next_plain();
  Result<std::string_view> next_compressed();
  Result<bool> fill();
  Result<std::string_view> skip_frame();

  UniqueFd fd_;
  std::string path_;
  bool seekable_ = true;
  std::unique_ptr<ZSTD_DCtx_s, FreeContext> zstd_;  // null: plain text
  std::vector<char> in_;
  size_t in_begin_ = 0;  // what of in_ is not used yet
  size_t in_end_ = 0;
  uint64_t offset_ = 0;  // in the file, of in_end_
  std::vector<char> out_;
  std::vector<char>
      given_;  // the piece before the present one: of in_ where that is plain text, else of out_
  std::optional<std::string_view> peeked_;
  bool in_frame_ = false;
  uint64_t frame_offset_ = 0;
  uint64_t damaged_frames_ = 0;
  uint64_t skipped_bytes_ = 0;
};

}  // namespace socktrace::sys
