#include "sys/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace socktrace::sys {

Result<UniqueFd> open_at(int dir, const char* path, int flags) {
  const int fd = openat(dir, path, flags | O_CLOEXEC);
  if (fd < 0) return Error::system(std::string("open ") + path, errno);
  return UniqueFd(fd);
}

Result<std::string> read_all(int fd, size_t limit) {
  std::string text;
  std::array<char, 4096> buffer;
  while (text.size() < limit) {
    const ssize_t length = read(fd, buffer.data(), std::min(buffer.size(), limit - text.size()));
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return Error::system("read", errno);
    if (length == 0) break;
    text.append(buffer.data(), static_cast<size_t>(length));
  }
  return text;
}

Result<std::string> read_file_at(int dir, const char* path, size_t limit) {
  auto fd = open_at(dir, path, O_RDONLY);
  if (!fd) return std::move(fd.error());
  auto text = read_all(fd->get(), limit);
  if (!text) return std::move(text.error()).within(path);
  return text;
}

Result<std::string> read_tail(const std::string& path, size_t limit) {
  auto fd = open_at(AT_FDCWD, path.c_str(), O_RDONLY);
  if (!fd) return std::move(fd.error());
  const off_t size = lseek(fd->get(), 0, SEEK_END);
  if (size < 0) return Error::system("seek in " + path, errno);
  const off_t begin = std::max<off_t>(size - static_cast<off_t>(limit), 0);
  if (lseek(fd->get(), begin, SEEK_SET) < 0) return Error::system("seek in " + path, errno);
  auto text = read_all(fd->get(), limit);
  if (!text) return std::move(text.error()).within(path);
  return text;
}

Result<std::string> read_link_at(int dir, const char* path) {
  std::array<char, 4096> target;  // PATH_MAX: the kernel gives no more
  const ssize_t length = readlinkat(dir, path, target.data(), target.size());
  if (length < 0) return Error::system(std::string("read link ") + path, errno);
  return std::string(target.data(), static_cast<size_t>(length));
}

Result<void> for_each_name(int dir, const std::function<bool(const char* name, unsigned char type)>& visit) {
  alignas(dirent64) std::array<char, 32768> buffer;
  if (lseek(dir, 0, SEEK_SET) < 0) return Error::system("rewind directory", errno);
  for (;;) {
    const long length = syscall(SYS_getdents64, dir, buffer.data(), buffer.size());
    if (length < 0) return Error::system("read directory", errno);
    if (length == 0) return {};
    for (long offset = 0; offset < length;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + offset);
      offset += entry->d_reclen;
      const char* name = entry->d_name;
      if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
      if (!visit(name, entry->d_type)) return {};
    }
  }
}

bool is_gone(const Error& error) {
  return error.code == ENOENT || error.code == ESRCH || error.code == ENODEV;
}

bool is_denied(const Error& error) {
  return error.code == EACCES || error.code == EPERM;
}

bool is_shortage(const Error& error) {
  return error.code == EMFILE || error.code == ENFILE || error.code == ENOMEM;
}

}  // namespace socktrace::sys
