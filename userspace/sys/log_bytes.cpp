#include "sys/log_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace socktrace::sys {
namespace {

constexpr size_t kInput = 256 << 10;      // two of them stay in the cache
constexpr size_t kHeldOutput = 16 << 20;  // of a frame that is not verified yet
constexpr std::array<char, 4> kMagic = {'\x28', '\xb5', '\x2f', '\xfd'};

}  // namespace

void LogBytes::FreeContext::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}

Result<LogBytes> LogBytes::open(const std::string& path) {
  const std::string context = "read event log " + path;
  const bool is_stdin = path == "-";
  UniqueFd fd(is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                       : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Error::system(context, errno);
  LogBytes log(std::move(fd), path);
  log.seekable_ = lseek(log.fd_.get(), 0, SEEK_CUR) >= 0 && !is_stdin;
  log.in_.resize(kInput);
  log.given_.resize(kInput);
  Result<bool> filled = log.fill();
  if (!filled) return std::move(filled.error());
  const bool is_zstd =
      log.in_end_ >= kMagic.size() && std::memcmp(log.in_.data(), kMagic.data(), kMagic.size()) == 0;
  if (!is_zstd) return log;
  if (!log.seekable_)
    return Error{context + ": compressed data cannot be read from a pipe; put zstd -dc in front",
                 ErrorKind::usage};
  log.zstd_.reset(ZSTD_createDCtx());
  if (!log.zstd_) return Error::system(context, ENOMEM);
  return log;
}

// More input behind what is left of it; false at the end of the file.
Result<bool> LogBytes::fill() {
  std::move(in_.begin() + static_cast<ptrdiff_t>(in_begin_), in_.begin() + static_cast<ptrdiff_t>(in_end_),
            in_.begin());
  in_end_ -= in_begin_;
  in_begin_ = 0;
  for (;;) {
    char* to = in_.data() + in_end_;
    const size_t room = in_.size() - in_end_;
    const ssize_t count =
        seekable_ ? pread(fd_.get(), to, room, static_cast<off_t>(offset_)) : read(fd_.get(), to, room);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::system("read event log " + path_, errno);
    in_end_ += static_cast<size_t>(count);
    offset_ += static_cast<uint64_t>(count);
    return count > 0;
  }
}

Result<std::string_view> LogBytes::next() {
  if (const std::optional<std::string_view> peeked = std::exchange(peeked_, std::nullopt)) return *peeked;
  return zstd_ ? next_compressed() : next_plain();
}

Result<std::string_view> LogBytes::peek() {
  Result<std::string_view> piece = next();
  if (piece) peeked_ = *piece;
  return piece;
}

bool LogBytes::is_at(const std::string& path) const {
  struct stat here {};
  struct stat there {};
  return fstat(fd_.get(), &here) == 0 && stat(path.c_str(), &there) == 0 && here.st_dev == there.st_dev &&
         here.st_ino == there.st_ino;
}

uint64_t LogBytes::skip(uint64_t bytes) {
  if (zstd_ || !seekable_) return 0;
  if (peeked_) in_begin_ -= std::exchange(peeked_, std::nullopt)->size();
  const uint64_t held = in_end_ - in_begin_;
  if (bytes <= held) {
    in_begin_ += bytes;
    return bytes;
  }
  in_begin_ = in_end_ = 0;
  offset_ += bytes - held;
  return bytes;
}

Result<std::string_view> LogBytes::next_plain() {
  if (in_begin_ == in_end_) {
    in_.swap(given_);
    if (const Result<bool> filled = fill(); !filled) return Error{filled.error()};
  }
  const std::string_view piece(in_.data() + in_begin_, in_end_ - in_begin_);
  in_begin_ = in_end_;
  return piece;
}

Result<std::string_view> LogBytes::next_compressed() {
  out_.swap(given_);
  out_.clear();
  for (;;) {
    if (in_begin_ == in_end_) {
      const Result<bool> filled = fill();
      if (!filled) return Error{filled.error()};
      if (!*filled) return in_frame_ ? skip_frame() : Result<std::string_view>(std::string_view());
    }
    if (!in_frame_) {
      in_frame_ = true;
      frame_offset_ = offset_ - (in_end_ - in_begin_);
      ZSTD_DCtx_reset(zstd_.get(), ZSTD_reset_session_only);
    }
    const size_t used = out_.size();
    out_.resize(used + ZSTD_DStreamOutSize());
    ZSTD_outBuffer out{out_.data() + used, out_.size() - used, 0};
    ZSTD_inBuffer in{in_.data() + in_begin_, in_end_ - in_begin_, 0};
    const size_t left = ZSTD_decompressStream(zstd_.get(), &out, &in);
    in_begin_ += in.pos;
    out_.resize(used + out.pos);
    if (ZSTD_isError(left)) return skip_frame();
    if (left == 0) in_frame_ = false;
    if (!out_.empty() && (left == 0 || out_.size() >= kHeldOutput))
      return std::string_view(out_.data(), out_.size());
  }
}

// To the next magic number after the beginning of the damaged frame. Found by chance inside of one, it leads
// to another damaged frame and on.
Result<std::string_view> LogBytes::skip_frame() {
  ++damaged_frames_;
  in_frame_ = false;
  in_begin_ = in_end_ = 0;
  offset_ = frame_offset_ + 1;
  for (;;) {
    const Result<bool> filled = fill();
    if (!filled) return Error{filled.error()};
    const auto begin = in_.begin() + static_cast<ptrdiff_t>(in_begin_);
    const auto end = in_.begin() + static_cast<ptrdiff_t>(in_end_);
    const auto found = std::search(begin, end, kMagic.begin(), kMagic.end());
    in_begin_ = static_cast<size_t>(found - in_.begin());
    if (found != end) break;
    if (!*filled) break;  // no other frame
    in_begin_ = in_end_ -
                std::min(in_end_, kMagic.size() - 1);  // the magic number may be cut by the end of the buffer
  }
  skipped_bytes_ += offset_ - (in_end_ - in_begin_) - frame_offset_;
  return std::string_view("\n");
}

}  // namespace socktrace::sys
