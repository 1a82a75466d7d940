#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/diag/row.h"
#include "enrich/processes.h"
#include "source/find_owners.h"

namespace socktrace::cli {

// The owners of the rows of `socktrace ss`. The host is scanned when the first socket with a descriptor asks for its owner: a
// table without rows costs no scan.
class SsOwners {
 public:
  // `threads`: one owner for each thread of a process (-T). `described`: with user, unit and container, which cost several
  // reads per process.
  SsOwners(bool threads, bool described) : with_threads_(threads), described_(described) {}

  // Before the first add_to(): it will be asked of these inodes alone, which can make the scan quicker.
  void want(std::span<const uint32_t> inodes) { wanted_.assign(inodes.begin(), inodes.end()); }

  // Sets the owners of the socket, or why it has none, and of a unix socket those of the other end. Fails when the host could
  // not be scanned.
  Result<void> add_to(diag::Row& row);

  // add_to() will be asked for this inode, some eight others later: what it will read is fetched into the cache meanwhile.
  void expect(uint32_t inode) {
    if (!owners_) return;
    owners_->prefetch_place(inode);
    owners_->prefetch_owners(std::exchange(expected_[turn_++ % expected_.size()], inode));
  }

 private:
  Result<void> attribute(Socket& socket);
  void expand_threads(Socket& socket);
  const ProcessRef& process(const source::SocketHolder& holder);
  ProcessRef describe(const source::SocketHolder& holder);

  std::vector<uint32_t> wanted_;  // empty: all
  std::optional<source::OwnerMap> owners_;
  std::optional<enrich::Processes> describer_;
  std::array<uint32_t, 4> expected_{};
  size_t turn_ = 0;
  std::unordered_map<const source::SocketHolder*, ProcessRef> processes_;
  std::unordered_map<const Process*, std::vector<std::pair<uint32_t, ProcessRef>>> threads_;
  bool with_threads_;
  bool described_;
};

}  // namespace socktrace::cli
