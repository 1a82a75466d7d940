#pragma once

#include <memory>
#include <optional>
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

  // Sets the owners of the socket, or why it has none, and of a unix socket those of the other end.
  void add_to(diag::Row& row);

  // add_to() is about to be asked for this inode: what it will read is fetched into the cache meanwhile.
  void expect(uint32_t inode) const {
    if (owners_) owners_->prefetch(inode);
  }

 private:
  void attribute(Socket& socket);
  void expand_threads(Socket& socket);
  const ProcessRef& process(const source::SocketHolder& holder);
  ProcessRef describe(const source::SocketHolder& holder);

  std::optional<source::OwnerMap> owners_;
  std::optional<enrich::Processes> describer_;
  std::unordered_map<const source::SocketHolder*, ProcessRef> processes_;
  std::unordered_map<const Process*, std::vector<std::pair<uint32_t, ProcessRef>>> threads_;
  bool with_threads_;
  bool described_;
};

}  // namespace socktrace::cli
