#include "source/known_namespaces.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <unordered_set>

#include "sys/file.h"

namespace socktrace::source {
namespace {

constexpr uint64_t kLookEvery_ns = 1'000'000'000;
constexpr size_t kMaxPaths = 4;

bool is_of_proc(const std::string& path) {
  return path.starts_with("/proc/");
}

}  // namespace

KnownNamespaces KnownNamespaces::only(sys::NetNamespace netns) {
  KnownNamespaces one;
  one.own_ = netns.inode;
  for (const std::string& path : netns.paths) {
    if (one.held_) break;
    if (Result<sys::UniqueFd> held = sys::open_at(AT_FDCWD, path.c_str(), O_RDONLY))
      one.held_ = std::move(*held);
  }
  netns.own = true;
  one.known_[netns.inode].netns = std::move(netns);
  one.new_ = 1;
  return one;
}

Result<KnownNamespaces> KnownNamespaces::all(uint32_t own) {
  KnownNamespaces every;
  every.all_ = true;
  every.own_ = own;
  Result<sys::UniqueFd> mounts = sys::open_at(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY);
  if (!mounts) return std::move(mounts.error()).within("network namespaces");
  every.mounts_ = std::move(*mounts);
  return every;
}

void KnownNamespaces::take(sys::NetNamespace&& found) {
  const auto [at, is_new] = known_.try_emplace(found.inode);
  Entry& entry = at->second;
  const bool other_name = entry.netns.name != found.name || is_new;
  found.own = found.inode == own_;
  found.socket_pid = entry.netns.socket_pid;
  found.socket_fd = entry.netns.socket_fd;
  entry.netns = std::move(found);
  entry.missing = false;
  if (is_new) ++new_;
  if (other_name && listener_.on_known) listener_.on_known(entry.netns);
}

Result<void> KnownNamespaces::refresh() {
  if (!all_) return {};
  Result<std::vector<sys::NetNamespace>> list = sys::list_netns();
  if (!list) return std::move(list.error());
  std::unordered_set<uint32_t> found;
  for (sys::NetNamespace& netns : *list) {
    found.insert(netns.inode);
    take(std::move(netns));
  }
  for (auto& [inode, entry] : known_)
    entry.missing = !found.contains(inode) && !sys::can_be_reached(entry.netns);
  return {};
}

// Only what mounts tell is renewed: names, and the paths that are not a process's.
Result<void> KnownNamespaces::look_at_mounts() {
  Result<std::vector<sys::Mount>> mounts = sys::read_mounts();
  if (!mounts) return std::move(mounts.error());
  std::unordered_set<uint32_t> mounted;
  for (sys::NetNamespace& netns : sys::mounted_netns(*mounts)) {
    mounted.insert(netns.inode);
    if (const sys::NetNamespace* before = find(netns.inode)) {
      for (const std::string& path : before->paths)
        if (is_of_proc(path) && netns.paths.size() < kMaxPaths) netns.paths.push_back(path);
      netns.pid = before->pid;
      netns.initial = before->initial;
    }
    take(std::move(netns));
  }
  for (const auto& [inode, entry] : known_) {
    const sys::NetNamespace& before = entry.netns;
    if (mounted.contains(inode) || std::ranges::all_of(before.paths, is_of_proc)) continue;
    sys::NetNamespace unmounted = before;
    unmounted.name.clear();
    std::erase_if(unmounted.paths, [](const std::string& path) { return !is_of_proc(path); });
    take(std::move(unmounted));
  }
  return {};
}

void KnownNamespaces::look_for_missing() {
  const bool all_found = std::ranges::all_of(
      known_, [](const auto& one) { return one.second.netns.own || sys::can_be_reached(one.second.netns); });
  if (!all_found) (void)refresh();
}

void KnownNamespaces::poll(uint64_t now_ns) {
  if (!all_) return;
  pollfd changed{mounts_.get(), POLLPRI, 0};
  if (::poll(&changed, 1, 0) > 0) mounts_unread_ = !look_at_mounts();
  if (now_ns < looked_ns_ + kLookEvery_ns) return;
  looked_ns_ = now_ns;
  if (mounts_unread_) mounts_unread_ = !look_at_mounts();
  look_for_missing();
}

bool KnownNamespaces::note(const Record& record) {
  const uint32_t inode = record.socket.netns;
  // 0: the hook could not tell (release records under lockdown); the cookie tells whether it concerns us.
  if (inode == latest_ || inode == 0) return true;
  if (!all_) return inode == own_;
  latest_ = inode;
  if (known_.contains(inode)) return true;
  (void)look_at_mounts();
  if (known_.contains(inode)) return true;
  sys::NetNamespace netns;
  netns.inode = inode;
  if (record.has_task) {
    netns.pid = record.task.pid;
    netns.paths = {"/proc/" + std::to_string(record.task.pid) + "/task/" + std::to_string(record.task.tid) +
                   "/ns/net"};
  }
  take(std::move(netns));
  return true;
}

void KnownNamespaces::note(const st_open_socket& socket) {
  if (!all_ || socket.netns == 0) return;
  if (const auto known = known_.find(socket.netns); known != known_.end() && !known->second.missing) return;
  if (!known_.contains(socket.netns)) {
    sys::NetNamespace netns;
    netns.inode = socket.netns;
    take(std::move(netns));
  }
  Entry& entry = known_[socket.netns];
  entry.missing = false;
  entry.netns.socket_pid = socket.pid;
  entry.netns.socket_fd = socket.fd;
}

const sys::NetNamespace* KnownNamespaces::find(uint32_t netns) const {
  const auto found = known_.find(netns);
  return found == known_.end() ? nullptr : &found->second.netns;
}

std::vector<sys::NetNamespace> KnownNamespaces::list() const {
  std::vector<sys::NetNamespace> list;
  for (const auto& [inode, entry] : known_) list.push_back(entry.netns);
  std::ranges::sort(list, {},
                    [](const sys::NetNamespace& netns) { return std::pair(!netns.own, netns.inode); });
  return list;
}

std::vector<sys::NetNamespace> KnownNamespaces::take_new() {
  std::vector<sys::NetNamespace> fresh;
  if (new_ == 0) return fresh;
  new_ = 0;
  for (auto& [inode, entry] : known_)
    if (std::exchange(entry.is_new, false)) fresh.push_back(entry.netns);
  std::ranges::sort(fresh, {},
                    [](const sys::NetNamespace& netns) { return std::pair(!netns.own, netns.inode); });
  return fresh;
}

std::vector<uint32_t> KnownNamespaces::missing() const {
  std::vector<uint32_t> missing;
  for (const auto& [inode, entry] : known_)
    if (entry.missing) missing.push_back(inode);
  return missing;
}

void KnownNamespaces::forget(uint32_t netns) {
  known_.erase(netns);
  if (latest_ == netns) latest_ = 0;
  if (listener_.on_vanished) listener_.on_vanished(netns);
}

}  // namespace socktrace::source
