#include "support/temp_tree.h"

#include <stdlib.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace socktrace::test {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::abort();
}

}  // namespace

TempTree::TempTree() {
  std::string name = (fs::temp_directory_path() / "socktrace.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) fail("mkdtemp");
  root_ = name;
}

TempTree::~TempTree() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

TempTree& TempTree::file(const std::string& path, std::string_view content) {
  const fs::path full = fs::path(root_) / path;
  fs::create_directories(full.parent_path());
  std::ofstream out(full, std::ios::binary | std::ios::trunc);
  out << content;
  if (!out.flush()) fail("write");
  return *this;
}

TempTree& TempTree::link(const std::string& path, const std::string& target) {
  const fs::path full = fs::path(root_) / path;
  fs::create_directories(full.parent_path());
  fs::create_symlink(target, full);
  return *this;
}

TempTree& TempTree::directory(const std::string& path) {
  fs::create_directories(fs::path(root_) / path);
  return *this;
}

TempTree& TempTree::remove(const std::string& path) {
  fs::remove_all(fs::path(root_) / path);
  return *this;
}

}  // namespace socktrace::test
