#include "sys/procfs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "sys/clock.h"
#include "sys/file.h"

namespace socktrace::sys {
namespace {

// A whole decimal number, or nothing.
template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The n-th blank-separated word, counted from 0; empty when there are fewer.
std::string_view word(std::string_view text, size_t n) {
  for (;; --n) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\n"), text.size()));
    const size_t length = std::min(text.find_first_of(" \t\n"), text.size());
    if (n == 0 || length == 0) return text.substr(0, length);
    text.remove_prefix(length);
  }
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  const size_t open = text.find('(');
  const size_t close = text.rfind(')');
  if (open == text.npos || close == text.npos || close < open) return std::nullopt;
  const std::string_view rest = text.substr(close + 1);  // begins with field 3
  const std::string_view state = word(rest, 0);
  const auto parent = parse_number<uint32_t>(word(rest, 1));
  const auto start = parse_number<uint64_t>(word(rest, 19));
  if (state.size() != 1 || !parent || !start) return std::nullopt;
  return ProcessStat{std::string(text.substr(open + 1, close - open - 1)), state[0], *parent, *start};
}

std::optional<uint32_t> parse_effective_uid(std::string_view status) {
  constexpr std::string_view kLine = "\nUid:";
  const size_t at = status.find(kLine);
  if (at == status.npos) return std::nullopt;
  return parse_number<uint32_t>(word(status.substr(at + kLine.size()), 1));
}

std::optional<uint32_t> parse_inode_link(std::string_view target, std::string_view kind) {
  if (!target.starts_with(kind)) return std::nullopt;
  target.remove_prefix(kind.size());
  if (!target.starts_with(":[") || !target.ends_with(']')) return std::nullopt;
  return parse_number<uint32_t>(target.substr(2, target.size() - 3));
}

Error ProcessDir::about(Error error) const {
  return std::move(error).within("process " + std::to_string(pid_));
}

Result<std::string> ProcessDir::read(const char* name) const {
  auto text = read_file_at(dir_.get(), name);
  if (!text) return about(std::move(text.error()));
  return text;
}

Result<std::string> ProcessDir::link(const char* name) const {
  auto target = read_link_at(dir_.get(), name);
  if (!target) return about(std::move(target.error()));
  return target;
}

Result<ProcessStat> ProcessDir::stat() const {
  auto text = read("stat");
  if (!text) return std::move(text.error());
  auto parsed = parse_process_stat(*text);
  if (!parsed) return about({"its stat file is malformed"});
  return *std::move(parsed);
}

uint64_t ProcessDir::start_ns(const ProcessStat& stat) const {
  const auto tick_ns = static_cast<uint64_t>(1'000'000'000 / sysconf(_SC_CLK_TCK));
  return stat.start_ticks * tick_ns - static_cast<uint64_t>(boottime_shift_ns_);
}

Result<uint32_t> ProcessDir::effective_uid() const {
  auto text = read("status");
  if (!text) return std::move(text.error());
  const auto uid = parse_effective_uid(*text);
  if (!uid) return about({"its status file has no uid"});
  return *uid;
}

Result<std::string> ProcessDir::executable() const {
  return link("exe");
}

Result<std::string> ProcessDir::cgroup() const {
  return read("cgroup");
}

Result<std::string> ProcessDir::arguments() const {
  return read("cmdline");
}

Result<uint32_t> ProcessDir::namespace_inode(const char* kind) const {
  const std::string name = std::string("ns/") + kind;
  auto target = link(name.c_str());
  if (!target) return std::move(target.error());
  const auto inode = parse_inode_link(*target, kind);
  if (!inode) return about({name + " does not name a namespace: " + *target});
  return *inode;
}

Result<DescriptorDir> ProcessDir::descriptors() const {
  auto dir = open_at(dir_.get(), "fd", O_RDONLY | O_DIRECTORY);
  if (!dir) return about(std::move(dir.error()));
  return DescriptorDir(*std::move(dir));
}

Result<std::vector<int32_t>> DescriptorDir::list() const {
  std::vector<int32_t> fds;
  auto visited = for_each_name(dir_.get(), [&](const char* name, unsigned char) {
    if (const auto fd = parse_number<int32_t>(name)) fds.push_back(*fd);
    return true;
  });
  if (!visited) return std::move(visited.error()).within("descriptors");
  std::sort(fds.begin(), fds.end());
  return fds;
}

Result<uint32_t> DescriptorDir::socket_inode(int32_t fd) const {
  std::array<char, 16> name{};
  std::to_chars(name.data(), name.data() + name.size() - 1, fd);
  std::array<char, 32> target;  // a longer target is cut, and is no socket
  const ssize_t length = readlinkat(dir_.get(), name.data(), target.data(), target.size());
  if (length < 0) return Error::system("descriptor " + std::to_string(fd), errno);
  if (target[0] != 's') return 0U;
  return parse_inode_link({target.data(), static_cast<size_t>(length)}, "socket").value_or(0);
}

Result<Procfs> Procfs::open(const char* root) {
  auto dir = open_at(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
  if (!dir) return std::move(dir.error()).within("process filesystem");
  return Procfs(*std::move(dir), boottime_shift_ns());
}

Result<ProcessDir> Procfs::process(uint32_t pid) const {
  std::array<char, 16> name{};
  std::to_chars(name.data(), name.data() + name.size() - 1, pid);
  auto dir = open_at(root_.get(), name.data(), O_PATH | O_DIRECTORY);
  if (!dir) return std::move(dir.error()).within("process");
  return ProcessDir(*std::move(dir), pid, boottime_shift_ns_);
}

Result<std::vector<uint32_t>> Procfs::pids() const {
  std::vector<uint32_t> pids;
  auto visited = for_each_name(root_.get(), [&](const char* name, unsigned char) {
    if (const auto pid = parse_number<uint32_t>(name)) pids.push_back(*pid);
    return true;
  });
  if (!visited) return std::move(visited.error()).within("process list");
  std::sort(pids.begin(), pids.end());
  return pids;
}

bool in_initial_pid_namespace() {
  constexpr ino_t kInitial = 0xEFFFFFFC;  // PROC_PID_INIT_INO, include/linux/proc_ns.h
  struct stat status {};
  return stat("/proc/self/ns/pid", &status) != 0 || status.st_ino == kInitial;
}

uint32_t initial_pid() {
  return in_initial_pid_namespace() ? static_cast<uint32_t>(getpid()) : 0;
}

}  // namespace socktrace::sys
