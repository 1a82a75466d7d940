#include "sys/mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "sys/file.h"
#include "sys/procfs.h"

namespace socktrace::sys {
namespace {

std::string_view next_word(std::string_view& line) {
  const size_t length = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, length);
  line.remove_prefix(std::min(length + 1, line.size()));
  return word;
}

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

std::string unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

Error unavailable(std::string message) {
  return {std::move(message), ErrorKind::unavailable};
}

Result<UniqueFd> open_directory(const std::string& path) {
  auto dir = open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY);
  if (dir) return dir;
  dir.error().kind = is_denied(dir.error()) ? ErrorKind::privilege : ErrorKind::unavailable;
  if (is_denied(dir.error())) dir.error().message += "; run as root";
  return std::move(dir.error());
}

bool is_whole_cgroup2(const std::string& point) {
  constexpr ino_t kRoot = 1;  // kernfs gives its root the first number; a cgroup namespace's has another
  struct statfs filesystem {};
  struct stat status {};
  return statfs(point.c_str(), &filesystem) == 0 && filesystem.f_type == CGROUP2_SUPER_MAGIC &&
         stat(point.c_str(), &status) == 0 && status.st_ino == kRoot;
}

// "/proc/PID/root/sys/fs/cgroup", or nothing.
std::string cgroup2_of_an_ancestor() {
  constexpr int kMost = 64;
  const Result<Procfs> procfs = Procfs::open();
  auto pid = static_cast<uint32_t>(getppid());
  for (int count = 0; procfs && pid != 0 && count < kMost; ++count) {
    const std::string directory = fmt::format("/proc/{}/", pid);
    const Result<std::vector<Mount>> mounts = read_mounts((directory + "mountinfo").c_str());
    // What of it is mounted reads as "/.." from within a cgroup namespace: its inode is surer.
    for (const Mount& mount : mounts ? *mounts : std::vector<Mount>())
      if (std::string path = directory + "root" + mount.point;
          mount.type == "cgroup2" && is_whole_cgroup2(path))
        return path;
    const Result<ProcessDir> process = procfs->process(pid);
    const Result<ProcessStat> stat = process ? process->stat() : Result<ProcessStat>(Error{});
    pid = stat ? stat->parent : 0;
  }
  return "";
}

}  // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    for (int i = 0; i < 3; ++i) next_word(line);  // mount id, parent id, device
    Mount mount;
    mount.root = unescape(next_word(line));
    mount.point = unescape(next_word(line));
    while (!line.empty() && next_word(line) != "-") {
    }  // options and any number of tags
    mount.type = next_word(line);
    mount.source = unescape(next_word(line));
    mount.super_options = next_word(line);
    if (!mount.type.empty()) mounts.push_back(std::move(mount));
  }
  return mounts;
}

Result<std::vector<Mount>> read_mounts(const char* mountinfo) {
  auto text = read_file_at(AT_FDCWD, mountinfo, size_t{16} << 20);
  if (!text) return std::move(text.error()).within("list of mounts");
  return parse_mountinfo(*text);
}

Result<std::string> find_cgroup2(const std::vector<Mount>& mounts) {
  const Mount* part = nullptr;
  for (const Mount& mount : mounts) {
    if (mount.type != "cgroup2") continue;
    if (mount.root == "/") return mount.point;
    part = &mount;
  }
  if (part != nullptr)
    return unavailable("only a part of cgroup2 (" + part->root + ") is mounted, at " + part->point +
                       "; run outside the container, or mount all of it: mount -t cgroup2 none /mnt");
  return unavailable(
      "cgroup2 is not mounted; mount it: mkdir -p /run/cgroup2 && mount -t cgroup2 none /run/cgroup2");
}

Result<std::string> locate_cgroup2(const std::vector<Mount>& mounts) {
  Result<std::string> here = find_cgroup2(mounts);
  if (here && is_whole_cgroup2(*here)) return here;
  if (std::string elsewhere = cgroup2_of_an_ancestor(); !elsewhere.empty()) return elsewhere;
  if (!here) return here;
  return unavailable("only a part of cgroup2 is visible, at " + *here +
                     ", as this is a cgroup namespace of its own; run outside the container, or give it the "
                     "host's: docker run --cgroupns=host");
}

Result<std::string> find_tracefs(const std::vector<Mount>& mounts) {
  for (const Mount& mount : mounts)
    if (mount.type == "tracefs" && mount.root == "/") return mount.point;
  for (const Mount& mount : mounts)  // where it is an automount, opening the directory mounts it
    if (mount.type == "debugfs" && mount.root == "/") return mount.point + "/tracing";
  return unavailable("tracefs is not mounted; mount it: mount -t tracefs none /sys/kernel/tracing");
}

bool hides_processes(const std::vector<Mount>& mounts) {
  for (const Mount& mount : mounts) {
    if (mount.type != "proc" || mount.point != "/proc") continue;
    const size_t at = mount.super_options.find("hidepid=");
    if (at == std::string::npos) continue;
    const std::string_view value = std::string_view(mount.super_options).substr(at + 8);
    if (!value.starts_with('0') && !value.starts_with("off")) return true;
  }
  return false;
}

Result<UniqueFd> open_cgroup2() {
  auto mounts = read_mounts();
  if (!mounts) return std::move(mounts.error());
  auto point = locate_cgroup2(*mounts);
  if (!point) return std::move(point.error());
  return open_directory(*point);
}

Result<UniqueFd> open_tracefs() {
  auto mounts = read_mounts();
  if (!mounts) return std::move(mounts.error());
  auto point = find_tracefs(*mounts);
  if (!point) return std::move(point.error());
  return open_directory(*point);
}

}  // namespace socktrace::sys
