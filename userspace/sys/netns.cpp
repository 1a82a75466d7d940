#include "sys/netns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>
#include <thread>

#include "sys/file.h"

namespace socktrace::sys {
namespace {

constexpr size_t kMaxPaths = 4;
constexpr uint32_t kInitialNetns =
    0xEFFFFFF9;  // NET_NS_INIT_INO: fixed since 6.18; process 1 may be unreadable

// What `ip netns add NAME` makes; /var/run is a link to /run, but mounts made before it was are listed there.
std::string ip_netns_name(const std::string& path) {
  for (const std::string_view directory : {"/run/netns/", "/var/run/netns/"})
    if (path.starts_with(directory)) return path.substr(directory.size());
  return "";
}

bool leads_to(const UniqueFd& fd, const NetNamespace& netns) {
  struct stat status {};
  return fstat(fd.get(), &status) == 0 && status.st_ino == netns.inode;
}

// By a socket of another process: pidfd_getfd (5.6), which glibc has since 2.36.
UniqueFd open_netns_of_socket(const NetNamespace& netns) {
  if (netns.socket_pid == 0) return {};
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, netns.socket_pid, 0)));
  if (!process) return {};
  const UniqueFd socket(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), netns.socket_fd, 0)));
  if (!socket) return {};
  return UniqueFd(ioctl(socket.get(), SIOCGSKNS));
}

// The path must still lead to that namespace: a pid may have been reused since.
Result<UniqueFd> open_netns(const NetNamespace& netns) {
  Error failure = Error::system("open", ENOENT);
  for (const std::string& path : netns.paths) {
    auto fd = open_at(AT_FDCWD, path.c_str(), O_RDONLY);
    if (!fd)
      failure = std::move(fd.error());
    else if (leads_to(*fd, netns))
      return fd;
  }
  if (UniqueFd fd = open_netns_of_socket(netns); fd && leads_to(fd, netns)) return fd;
  return failure;
}

Result<void> enter_and_run(const NetNamespace& netns, const std::function<void()>& work) {
  {
    const auto fd = open_netns(netns);
    if (!fd) return fd.error();
    if (setns(fd->get(), CLONE_NEWNET) != 0) return Error::system("enter", errno);
  }  // the descriptor is closed before any work, which may take long
  work();
  return {};
}

std::map<uint32_t, NetNamespace> collect_mounted(const std::vector<Mount>& mounts) {
  std::map<uint32_t, NetNamespace> found;
  for (const Mount& mount : mounts) {
    if (mount.type != "nsfs") continue;
    const auto inode = parse_inode_link(mount.root, "net");
    if (!inode) continue;
    NetNamespace& netns = found[*inode];
    if (netns.paths.size() < kMaxPaths) netns.paths.push_back(mount.point);
    if (netns.name.empty()) netns.name = ip_netns_name(mount.point);
  }
  return found;
}

std::vector<NetNamespace> list_of(std::map<uint32_t, NetNamespace> found) {
  std::vector<NetNamespace> list;
  for (auto& [inode, netns] : found) {
    netns.inode = inode;
    netns.initial = netns.initial || inode == kInitialNetns;
    list.push_back(std::move(netns));
  }
  return list;
}

}  // namespace

Result<uint32_t> current_netns() {
  auto target = read_link_at(AT_FDCWD, "/proc/thread-self/ns/net");
  if (!target) {
    Error error = std::move(target.error()).within("current network namespace");
    error.kind = ErrorKind::unavailable;
    if (error.code == ENOENT) error.message += "; mount /proc: mount -t proc proc /proc";
    return error;
  }
  const auto inode = parse_inode_link(*target, "net");
  if (!inode) return Error{"current network namespace: unexpected name " + *target};
  return *inode;
}

bool has_power_in_current_netns() {
  const auto netns = open_at(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY);
  return netns && static_cast<bool>(UniqueFd(ioctl(netns->get(), NS_GET_USERNS)));
}

bool in_initial_netns() {
  const auto own = current_netns();
  const auto target = read_link_at(AT_FDCWD, "/proc/1/ns/net");
  const auto first = target ? parse_inode_link(*target, "net") : std::nullopt;
  return !own || *own == kInitialNetns || (first && *first == *own);
}

std::vector<NetNamespace> mounted_netns(const std::vector<Mount>& mounts) {
  return list_of(collect_mounted(mounts));
}

bool can_be_reached(const NetNamespace& netns) {
  struct stat status {};
  const auto leads = [&](const std::string& path) {
    return stat(path.c_str(), &status) == 0 && status.st_ino == netns.inode;
  };
  if (std::ranges::any_of(netns.paths, leads)) return true;
  if (netns.socket_pid == 0) return false;
  const std::string socket =
      "/proc/" + std::to_string(netns.socket_pid) + "/fd/" + std::to_string(netns.socket_fd);
  return stat(socket.c_str(), &status) == 0;
}

std::vector<NetNamespace> collect_netns(const Procfs& procfs, const std::string& proc_root,
                                        const std::vector<Mount>& mounts, uint32_t own) {
  std::map<uint32_t, NetNamespace> found = collect_mounted(mounts);
  if (const auto pids = procfs.pids()) {
    for (const uint32_t pid : *pids) {
      const auto process = procfs.process(pid);
      if (!process) continue;
      const auto inode = process->net_namespace();
      if (!inode) continue;
      NetNamespace& netns = found[*inode];
      if (netns.pid == 0) netns.pid = pid;
      if (pid == 1) netns.initial = true;
      if (netns.paths.size() < kMaxPaths)
        netns.paths.push_back(proc_root + "/" + std::to_string(pid) + "/ns/net");
    }
  }
  found[own].own = true;
  std::vector<NetNamespace> list = list_of(std::move(found));
  std::stable_partition(list.begin(), list.end(), [](const NetNamespace& netns) { return netns.own; });
  return list;
}

Result<std::vector<NetNamespace>> list_netns() {
  auto own = current_netns();
  if (!own) return std::move(own.error());
  auto procfs = Procfs::open();
  if (!procfs) return std::move(procfs.error());
  auto mounts = read_mounts();
  if (!mounts) return std::move(mounts.error());
  return collect_netns(*procfs, "/proc", *mounts, *own);
}

Result<void> run_in_netns(const NetNamespace& netns, const std::function<void()>& work) {
  const auto own = current_netns();
  if (own && *own == netns.inode) {
    work();
    return {};
  }
  Result<void> result;
  try {
    std::thread([&] { result = enter_and_run(netns, work); }).join();
  } catch (const std::system_error& failure) {
    result = Error::system("start a thread", failure.code().value());
  }
  if (result) return result;
  Error error = std::move(result.error()).within("network namespace " + std::to_string(netns.inode));
  if (is_denied(error)) {
    error.kind = ErrorKind::privilege;
    error.message += "; run as root";
  }
  return error;
}

}  // namespace socktrace::sys
