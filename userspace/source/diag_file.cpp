#include "source/diag_file.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sys/file.h"
#include "sys/netlink.h"

namespace socktrace::source {
namespace {

constexpr size_t kReadBytes = size_t{256} << 10;
constexpr size_t kLongestMessage = size_t{1} << 20;  // the kernel sends 64 KiB at most

// Whether `bytes` begin with a whole message; damaged when they cannot become one.
Result<bool> has_message(std::span<const std::byte> bytes) {
  nlmsghdr header;
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > kLongestMessage)
    return Error{"not netlink messages as `ss -D` writes them", ErrorKind::damaged};
  return bytes.size() >= NLMSG_ALIGN(header.nlmsg_len);
}

}  // namespace

Result<void> read_diag_file(const std::string& path, const RowSink& sink) {
  sys::UniqueFd file;
  if (path != "-") {
    Result<sys::UniqueFd> opened = sys::open_at(AT_FDCWD, path.c_str(), O_RDONLY);
    if (!opened) return std::move(opened.error());
    file = std::move(*opened);
  }
  const int fd = path == "-" ? STDIN_FILENO : file.get();
  std::vector<std::byte> buffer;
  std::vector<std::byte> piece(kReadBytes);
  while (true) {
    const ssize_t count = ::read(fd, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::system("read " + path, errno);
    if (count == 0) break;
    buffer.insert(buffer.end(), piece.begin(), piece.begin() + count);
    std::span<const std::byte> rest(buffer);
    while (true) {
      Result<bool> whole = has_message(rest);
      if (!whole) return std::move(whole.error()).within(path);
      if (!*whole) break;
      Result<sys::NetlinkMessage> message = sys::take_message(rest);
      if (!message) return std::move(message.error()).within(path);
      if (message->type != SOCK_DIAG_BY_FAMILY) continue;  // NLMSG_DONE: the next dump may follow
      Result<diag::Row> row = diag::parse_row(diag::Table::tcp, message->payload);
      if (!row) return std::move(row.error()).within(path);
      if (!sink(std::move(*row))) return {};
    }
    buffer.erase(buffer.begin(), buffer.end() - static_cast<std::ptrdiff_t>(rest.size()));
  }
  if (!buffer.empty()) return Error{path + ": cut off within a message", ErrorKind::damaged};
  return {};
}

}  // namespace socktrace::source
