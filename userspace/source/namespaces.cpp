#include "source/namespaces.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

#include "sys/unique_fd.h"

namespace socktrace::source {
namespace {

constexpr const char* kNamedDirectory = "/run/netns";
constexpr const char* kCurrent = "/proc/thread-self/ns/net";

struct Place {
  NetworkNamespace netns;
  std::string path;
};

uint32_t inode_of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? static_cast<uint32_t>(status.st_ino) : 0;
}

template <typename Visit>
void for_each_entry(const char* directory, const Visit& visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(directory), closedir);
  if (!stream) return;
  while (const dirent* entry = readdir(stream.get())) visit(std::string(entry->d_name));
}

// Every namespace once, by its inode.
std::map<uint32_t, Place> find_namespaces() {
  std::map<uint32_t, Place> found;
  for_each_entry(kNamedDirectory, [&](const std::string& name) {
    if (name == "." || name == "..") return;
    Place place;
    place.path = std::string(kNamedDirectory) + "/" + name;
    place.netns.inode = inode_of(place.path);
    place.netns.name = name;
    if (place.netns.inode != 0) found.emplace(place.netns.inode, place);
  });
  for_each_entry("/proc", [&](const std::string& name) {
    char* end = nullptr;
    const auto pid = static_cast<uint32_t>(std::strtoul(name.c_str(), &end, 10));
    if (pid == 0 || *end != '\0') return;
    Place place;
    place.path = "/proc/" + name + "/ns/net";
    place.netns.inode = inode_of(place.path);  // 0 for who may not look
    place.netns.pid = pid;
    if (place.netns.inode == 0) return;
    const auto [known, is_new] = found.emplace(place.netns.inode, place);
    if (!is_new && known->second.netns.pid == 0) known->second.netns.pid = pid;
  });
  return found;
}

// In another namespace until destroyed. Only the calling thread is moved.
class Stay {
 public:
  static Result<Stay> enter(const std::string& path) {
    sys::UniqueFd home(open(kCurrent, O_RDONLY | O_CLOEXEC));
    if (!home) return Error::system(std::string("open ") + kCurrent, errno);
    const sys::UniqueFd there(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!there) return Error::system("open network namespace " + path, errno);
    if (setns(there.get(), CLONE_NEWNET) != 0)
      return Error::system("enter network namespace " + path, errno,
                           errno == EPERM ? ErrorKind::privilege : ErrorKind::general);
    return Stay(std::move(home));
  }
  Stay(Stay&&) noexcept = default;
  Stay& operator=(Stay&&) = delete;
  // Staying abroad would make everything after it look at the wrong sockets.
  ~Stay() {
    if (home_ && setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
  }

 private:
  explicit Stay(sys::UniqueFd home) : home_(std::move(home)) {}
  sys::UniqueFd home_;
};

}  // namespace

Result<size_t> in_every_netns(const NamespaceVisitor& visit) {
  const uint32_t current = inode_of(kCurrent);
  std::map<uint32_t, Place> places = find_namespaces();
  NetworkNamespace here{.inode = current, .name = "", .pid = 0};
  if (const auto found = places.find(current); found != places.end()) here = found->second.netns;
  if (Result<void> visited = visit(here); !visited) return std::move(visited.error());
  places.erase(current);
  size_t closed = 0;
  for (const auto& [inode, place] : places) {
    Result<Stay> stay = Stay::enter(place.path);
    if (!stay) {
      const int code = stay.error().code;
      if (code != ENOENT && code != ESRCH) ++closed;  // those that ended meanwhile are simply gone
      continue;
    }
    if (inode_of(kCurrent) != inode) continue;  // the pid was given to another process
    if (Result<void> visited = visit(place.netns); !visited) return std::move(visited.error());
  }
  return closed;
}

Result<void> in_named_netns(const std::string& name, const NamespaceVisitor& visit) {
  if (name.empty() || name.find('/') != std::string::npos)
    return Error{"`" + name + "` is no name of a network namespace", ErrorKind::usage};
  const std::string path = std::string(kNamedDirectory) + "/" + name;
  Result<Stay> stay = Stay::enter(path);
  if (!stay) return std::move(stay.error());
  return visit({.inode = inode_of(kCurrent), .name = name, .pid = 0});
}

}  // namespace socktrace::source
