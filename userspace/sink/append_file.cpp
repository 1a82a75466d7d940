#include "sink/append_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/signals.h"

namespace socktrace::sink {
namespace {

// Every log begins so: with a header, or, after copytruncate of logrotate(8), with any line.
constexpr std::string_view kFirstBytes = R"({"k":")";

Error refused(const std::string& path, std::string_view why) {
  return {"open event log " + path + ": " + std::string(why), ErrorKind::general};
}

Error failed(const std::string& path, int code) {
  return Error::system("open event log " + path, code);
}

struct Place {
  std::string directory;
  std::string name;
};

Place split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

Result<sys::UniqueFd> open_directory(const std::string& path, const std::string& directory) {
  sys::UniqueFd fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat info {};
  if (!fd || fstat(fd.get(), &info) != 0) {
    const int code = errno;
    return code == ENOENT ? refused(path, "directory " + directory + " does not exist; make it first")
                          : failed(path, code);
  }
  if ((info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0)
    return refused(path, "directory " + directory +
                             " is writable by everybody; use one that is not, such as /var/log/socktrace");
  return fd;
}

// Made here, or opened without following a link and without waiting for the other end of a FIFO.
Result<sys::UniqueFd> open_in(int directory, const Place& place, const std::string& path) {
  constexpr int kFlags = O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  sys::UniqueFd fd(openat(directory, place.name.c_str(), kFlags | O_CREAT | O_EXCL, 0640));
  if (!fd && errno == EEXIST) fd = sys::UniqueFd(openat(directory, place.name.c_str(), kFlags));
  if (fd) return fd;
  if (errno == ELOOP)
    return refused(path, "it is a symbolic link; name the file itself, or - for standard output");
  if (errno == EISDIR) return refused(path, "it is a directory; name a file in it");
  return failed(path, errno);
}

}  // namespace

Result<AppendFile> AppendFile::open(const std::string& path) {
  if (path == "-") {
    sys::UniqueFd fd(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) return Error::system("standard output", errno);
    return AppendFile(std::move(fd), true);
  }
  const Place place = split(path);
  Result<sys::UniqueFd> directory = open_directory(path, place.directory);
  if (!directory) return std::move(directory.error());
  Result<sys::UniqueFd> fd = open_in(directory->get(), place, path);
  if (!fd) return std::move(fd.error());
  AppendFile file(std::move(*fd), false);
  if (Result<void> checked = file.check(path); !checked) return std::move(checked.error());
  if (Result<void> trimmed = file.trim_torn_line(path); !trimmed) return std::move(trimmed.error());
  return file;
}

Result<void> AppendFile::check(const std::string& path) {
  struct stat info {};
  if (fstat(fd_->get(), &info) != 0) return failed(path, errno);
  if (S_ISFIFO(info.st_mode)) return refused(path, "it is a FIFO; write to - and redirect standard output");
  if (!S_ISREG(info.st_mode)) return refused(path, "it is not a regular file; write to - and redirect");
  if (info.st_nlink > 1) return refused(path, "the file has a second name (hard link); use a new file");
  if (info.st_uid != geteuid() && info.st_uid != 0)
    return refused(path, "the file belongs to user " + std::to_string(info.st_uid) + "; use a new file");
  if (flock(fd_->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return refused(path, "another socktrace is writing to it; use another file");
    return failed(path, errno);
  }
  size_ = static_cast<uint64_t>(info.st_size);
  std::array<char, kFirstBytes.size()> first{};
  const ssize_t count = pread(fd_->get(), first.data(), first.size(), 0);
  if (count < 0) return failed(path, errno);
  if (kFirstBytes.substr(0, static_cast<size_t>(count)) !=
      std::string_view(first.data(), static_cast<size_t>(count)))
    return refused(path, "the file exists and is not a socktrace event log; use a new file");
  return {};
}

Result<void> AppendFile::trim_torn_line(const std::string& path) {
  std::array<char, 65536> block;
  uint64_t whole = size_;  // where the last whole line ends
  while (whole > 0) {
    const uint64_t start = whole > block.size() ? whole - block.size() : 0;
    const ssize_t count = pread(fd_->get(), block.data(), whole - start, static_cast<off_t>(start));
    if (count <= 0) return failed(path, count < 0 ? errno : EIO);
    const size_t newline = std::string_view(block.data(), static_cast<size_t>(count)).rfind('\n');
    if (newline != std::string_view::npos) {
      whole = start + newline + 1;
      break;
    }
    whole = start;
  }
  if (whole == size_) return {};
  if (ftruncate(fd_->get(), static_cast<off_t>(whole)) != 0) return failed(path, errno);
  trimmed_bytes_ = size_ - whole;
  size_ = whole;
  return {};
}

AppendFile::Wrote AppendFile::write(std::string_view lines) {
  const auto is_given_up = [this] { return is_stdout_ && sys::standard_output_is_given_up(); };
  if (is_given_up()) return {0, EPIPE};
  if (torn_) {
    if (::write(fd_->get(), "\n", 1) != 1) return {0, errno};
    torn_ = false;
    size_ += 1;
  }
  size_t written = 0;
  int error = 0;
  while (written < lines.size() && error == 0) {
    const ssize_t count = ::write(fd_->get(), lines.data() + written, lines.size() - written);
    if (count > 0)
      written += static_cast<size_t>(count);
    else if (count == 0)
      error = ENOSPC;  // a regular file never does this; without it the loop might not end
    else if (errno != EINTR)
      error = errno;
    if (error == 0 && written < lines.size() && is_given_up()) error = EPIPE;
  }
  size_ += written;
  if (error == 0) return {written, 0};
  const size_t newline = lines.substr(0, written).rfind('\n');
  const size_t whole = newline == std::string_view::npos ? 0 : newline + 1;
  const size_t torn = written - whole;
  if (torn > 0) {
    struct stat info {};
    const bool taken_back = !is_stdout_ && fstat(fd_->get(), &info) == 0 &&
                            info.st_size >= static_cast<off_t>(torn) &&
                            ftruncate(fd_->get(), info.st_size - static_cast<off_t>(torn)) == 0;
    if (taken_back)
      size_ -= torn;
    else
      torn_ = true;
  }
  return {whole, error};
}

bool AppendFile::notice_cut() {
  struct stat info {};
  if (is_stdout_ || fstat(fd_->get(), &info) != 0 || static_cast<uint64_t>(info.st_size) >= size_)
    return false;
  size_ = static_cast<uint64_t>(info.st_size);
  torn_ = false;
  return true;
}

bool AppendFile::is_at(const std::string& path) const {
  struct stat here {};
  struct stat there {};
  return fstat(fd_->get(), &here) == 0 && lstat(path.c_str(), &there) == 0 && here.st_dev == there.st_dev &&
         here.st_ino == there.st_ino;
}

}  // namespace socktrace::sink
