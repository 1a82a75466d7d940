#include "sink/compress.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "sink/rotation.h"
#include "sys/unique_fd.h"

namespace socktrace::sink {
namespace {

constexpr size_t kFrameBytes = 1 << 20;
constexpr int kLevel = 3;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

Result<void> write_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = ::write(fd, data, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::system("write", errno);
    data += count;
    size -= static_cast<size_t>(count);
  }
  return {};
}

// Fills `block` behind its first `used` bytes; the number of bytes in it then, less than its size only at the
// end of the file.
Result<size_t> fill(int fd, std::vector<char>& block, size_t used) {
  while (used < block.size()) {
    const ssize_t count = ::read(fd, block.data() + used, block.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::system("read", errno);
    if (count == 0) break;
    used += static_cast<size_t>(count);
  }
  return used;
}

Result<void> compress(int from, int to) {
  const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (!context) return Error::system("zstd", ENOMEM);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::vector<char> block(kFrameBytes);
  std::vector<char> frame(ZSTD_compressBound(kFrameBytes));
  size_t kept = 0;  // the beginning of a line that goes into the next frame
  for (;;) {
    const Result<size_t> used = fill(from, block, kept);
    if (!used) return Error{used.error()};
    if (*used == 0) return {};
    size_t whole = *used;
    if (*used == block.size()) {
      const size_t newline = std::string_view(block.data(), *used).rfind('\n');
      if (newline != std::string_view::npos) whole = newline + 1;  // a longer line spans frames
    }
    const size_t size = ZSTD_compress2(context.get(), frame.data(), frame.size(), block.data(), whole);
    if (ZSTD_isError(size)) return Error{std::string("zstd: ") + ZSTD_getErrorName(size)};
    if (Result<void> written = write_all(to, frame.data(), size); !written) return written;
    kept = *used - whole;
    std::move(block.begin() + static_cast<ptrdiff_t>(whole), block.begin() + static_cast<ptrdiff_t>(*used),
              block.begin());
  }
}

}  // namespace

Result<void> compress_log(const std::string& plain, const std::string& compressed) {
  const std::string unfinished = compressed + ".part";
  // O_NONBLOCK: a FIFO that somebody has put in its place is not waited for.
  const sys::UniqueFd from(::open(plain.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!from || fstat(from.get(), &info) != 0) return Error::system("open " + plain, errno);
  if (!S_ISREG(info.st_mode)) return Error{"compress " + plain + ": not a regular file"};
  unlink(unfinished.c_str());
  const sys::UniqueFd to(
      ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, info.st_mode & 0777));
  if (!to) return Error::system("open " + unfinished, errno);
  Result<void> done = compress(from.get(), to.get());
  const timespec times[] = {info.st_atim, info.st_mtim};
  (void)futimens(to.get(), times);  // when its last line was written
  if (done && fsync(to.get()) != 0) done = Error::system("sync " + unfinished, errno);
  if (done && rename(unfinished.c_str(), compressed.c_str()) != 0)
    done = Error::system("rename " + unfinished, errno);
  if (!done) {
    unlink(unfinished.c_str());
    return done;
  }
  if (Result<void> synced = sync_directory_of(compressed); !synced) return synced;
  if (unlink(plain.c_str()) != 0) return Error::system("delete " + plain, errno);
  return {};
}

}  // namespace socktrace::sink
