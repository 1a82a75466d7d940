#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "core/diag/table.h"
#include "core/result.h"
#include "core/tracker/tracker.h"
#include "source/dump.h"
#include "source/known_namespaces.h"
#include "source/live.h"
#include "source/owners.h"

namespace socktrace::source {

// The table against the kernel's sockets as they are now, in all traced network namespaces: the first snapshot, and
// every later look whether the two still agree. What is referred to must outlive it.
class Comparison {
 public:
  Comparison(Live& live, Tracker& tracker, KnownNamespaces& namespaces, DescribeHolder describe)
      : live_(live), tracker_(tracker), namespaces_(namespaces), describe_(std::move(describe)) {}

  // The race rule: records that arrive while the dump is read wait, and are applied over it. With `resync` they have
  // been when this returns; without, they wait still, so that the first table can be printed before what is news:
  // apply_arrived() follows.
  Result<ReconcileCounts> run(bool resync);

  // A record, into the table; the namespace it tells of may be one that nobody knew, or not be traced.
  void apply(const Record& record) {
    if (namespaces_.note(record)) tracker_.apply(record);
  }
  // All records that were made until now. run() begins with it.
  Result<void> apply_arrived();
  // As run(true), of unix sockets alone: for hosts on which no hook tells of their ends. Owners are only looked for when one
  // is new.
  Result<void> look_at_unix();
  // Adds the sockets of namespaces that have become known since the last look, and ends those of namespaces that have
  // vanished. Costs nothing when there are none.
  Result<void> follow_namespaces();
  [[nodiscard]] bool sees_unix_ends() const { return live_.sees_unix_ends(); }
  [[nodiscard]] bool tells_connections() const { return live_.tells_connections(); }
  // After a run or a look that failed: what has waited is applied, and what was read of the dump.
  void abandon();

  // Which processes hold the sockets of this host at this moment.
  Result<OwnerMap> find_owners();
  [[nodiscard]] const DescribeHolder& describe() const { return describe_; }
  // Namespaces that could not be looked into by the last run().
  [[nodiscard]] size_t closed_namespaces() const { return unread_.size(); }

 private:
  // A socket of a dump, and when a timer of the kernel ends it (mini-sockets); 0: none does.
  struct Dumped {
    Socket socket;
    uint64_t expires_ns = 0;
  };

  Result<void> dump(const std::vector<sys::NetNamespace>& list, std::vector<Dumped>& rows,
                    diag::TableSet tables = DumpRequest().tables);
  Result<void> dump_one(const sys::NetNamespace& netns, std::vector<Dumped>& rows, diag::TableSet tables);
  Result<OwnerMap> dump_all(std::vector<Dumped>& rows);
  Result<OwnerMap> dump_unix();
  void take_rows(std::vector<Dumped>&& rows, const OwnerMap& owners);
  [[nodiscard]] bool is_dumped(const Socket& row) const;
  [[nodiscard]] DumpScope dumped_scope() const;
  void confirm_suspects(const DumpScope& scope, const OwnerMap& owners);
  void confirm_vanished(const std::vector<Socket>& suspects, const OwnerMap& owners);
  Result<void> look_into_new();
  Result<void> end_vanished();

  Live& live_;
  Tracker& tracker_;
  KnownNamespaces& namespaces_;
  DescribeHolder describe_;
  std::unordered_set<uint32_t> read_;    // namespaces, by this run
  std::unordered_set<uint32_t> unread_;  // there, but closed to us
  // What no dump of this kernel shows.
  diag::TableSet unlisted_ = 0;
  std::optional<bool> lists_bound_;  // unknown until the first dump
};

}  // namespace socktrace::source
