#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "core/result.h"
#include "core/socket.h"
#include "core/ss/names.h"
#include "core/ss/options.h"

namespace socktrace::cli {

// What `socktrace ss` is plugged into.
struct SsEdges {
  std::function<bool(const Socket&)> matches;  // the filter; absent: every socket
  std::span<const std::byte> bytecode;         // the part of it that the kernel applies; may be empty
  std::function<void(Socket&)> add_owners;  // fills Socket::owners; called with -p only, for matching sockets
  ss::Names names;
  std::function<bool(std::string_view)> write;    // standard output; false when its reader is gone
  std::function<void(std::string_view)> message;  // a line for standard error
  uint32_t width = 0;                             // columns of the terminal; 0: not a terminal
};

// Dumps, filters and prints as the options say, in a bounded amount of memory. The value is the exit code.
Result<int> run_ss(const ss::Options& options, const SsEdges& edges);

}  // namespace socktrace::cli
