#pragma once

#include <string>
#include <string_view>

namespace socktrace::test {

// A directory below the system's temporary directory, gone with the object: the fake /proc, /sys or /run of a
// test.
class TempTree {
 public:
  TempTree();
  ~TempTree();
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;

  // Paths are relative to the root; parent directories are made.
  TempTree& file(const std::string& path, std::string_view content);
  TempTree& link(const std::string& path, const std::string& target);  // need not exist
  TempTree& directory(const std::string& path);
  TempTree& remove(const std::string& path);  // with all below it

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string path(const std::string& relative) const { return root_ + "/" + relative; }

 private:
  std::string root_;
};

}  // namespace socktrace::test
