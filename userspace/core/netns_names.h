#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace socktrace {

// What to call network namespaces, by inode number. The number is used again soon after a namespace has gone, so
// that a name holds for now only.
class NetnsNames {
 public:
  // Of sockets in `own` nobody needs to be told where they are; 0: the names that are known are those of others.
  explicit NetnsNames(uint32_t own = 0) : own_(own) {}

  void set(uint32_t netns, std::string name) { names_[netns] = std::move(name); }
  void forget(uint32_t netns) { names_.erase(netns); }

  // Its name; the number where it has none and ours is known, else empty.
  [[nodiscard]] std::string name(uint32_t netns) const {
    if (netns == 0) return {};
    const auto found = names_.find(netns);
    if (found != names_.end()) return found->second;
    return own_ == 0 ? std::string() : std::to_string(netns);
  }
  // The same, but empty for our own.
  [[nodiscard]] std::string foreign_name(uint32_t netns) const {
    return netns == own_ ? std::string() : name(netns);
  }
  // Those that are called so.
  [[nodiscard]] std::vector<uint32_t> called(std::string_view name) const {
    std::vector<uint32_t> found;
    for (const auto& [netns, known] : names_)
      if (known == name) found.push_back(netns);
    return found;
  }

 private:
  uint32_t own_;
  std::unordered_map<uint32_t, std::string> names_;
};

}  // namespace socktrace
