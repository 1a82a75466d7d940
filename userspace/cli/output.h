#pragma once

#include <string>

#include "core/result.h"

namespace socktrace::cli {

// Standard output, written in whole batches.
class Output {
 public:
  // What is to be printed next; flush() writes and empties it.
  std::string& buffer() { return buffer_; }
  // False when nobody reads any more (EPIPE): the caller ends quietly.
  Result<bool> flush();

 private:
  std::string buffer_;
};

}  // namespace socktrace::cli
