#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/ss_withheld.h"
#include "core/diag/row.h"
#include "core/result.h"
#include "core/socket.h"
#include "core/ss/names.h"
#include "core/ss/options.h"
#include "sys/netns.h"

namespace socktrace::cli {

// Passes rows on until the sink returns false.
using RowSource = std::function<Result<void>(const std::function<bool(diag::Row&&)>&)>;

// What `socktrace ss` is plugged into.
struct SsEdges {
  RowSource rows;                              // of a log or a dump file; absent: this host's
  bool rows_are_recorded = false;              // they have their owners
  std::function<bool(const Socket&)> matches;  // the filter; absent: every socket
  bool matches_owners = false;                 // the filter asks for owners: they are added before it decides
  SsWithheld::Filter filter_needs;
  std::function<std::span<const std::byte>()>
      bytecode;  // the part of it that the kernel applies; may be empty
  // Fills Socket::owners and Row::peer_owners; called for matching sockets, when shown.
  std::function<Result<void>(diag::Row&)> add_owners;
  // Before the first add_owners, when all rows are there and few: it will be asked of these inodes alone.
  std::function<void(std::span<const uint32_t> inodes)> want_owners;
  std::function<void(uint32_t inode)> expect_owners;  // of a socket that add_owners is about to be asked of
  // Called in each namespace of --all-netns before its dump: gives its name, and makes the filter one of that namespace.
  std::function<Result<std::string>(const sys::NetNamespace&)> enter;
  bool sees_every_process = true;  // else sockets of other users show ?permission, and a message says so
  ss::Names names;
  std::function<bool(std::string_view)> write;    // standard output; false when its reader is gone
  std::function<void(std::string_view)> message;  // a line for standard error
  uint32_t width = 0;                             // columns of the terminal; 0: not a terminal
};

// Dumps, filters and prints as the options say. Memory is bounded by the layout's sections, except for --sort, --columns and
// --group-by, which need all rows. The value is the exit code.
Result<int> run_ss(const ss::Options& options, const SsEdges& edges);

// `socktrace ss WORDS...` on this host.
Result<int> run_ss_command(const std::vector<std::string>& words);

}  // namespace socktrace::cli
