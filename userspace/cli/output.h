#pragma once

#include <unistd.h>

#include <string>
#include <string_view>

#include "core/result.h"

namespace socktrace::cli {

// Standard output or another descriptor, borrowed; written in whole batches.
class Output {
 public:
  explicit Output(int fd = STDOUT_FILENO) : fd_(fd) {}
  // What is to be printed next; flush() writes and empties it.
  std::string& buffer() { return buffer_; }
  // False when nobody reads any more (EPIPE): the caller ends quietly.
  Result<bool> flush();

 private:
  int fd_;
  std::string buffer_;
};

// A whole text, such as --help. The value is exit status 0.
Result<int> print_text(std::string_view text);

}  // namespace socktrace::cli
