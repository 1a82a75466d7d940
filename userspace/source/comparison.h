#pragma once

#include <cstdint>

#include "core/result.h"
#include "core/tracker/tracker.h"
#include "source/live.h"
#include "source/owners.h"

namespace socktrace::source {

// The table against the kernel's sockets as they are now: the first snapshot, and every later look whether the two
// still agree. What is referred to must outlive it.
class Comparison {
 public:
  // `netns`: the namespace that is compared, which must be that of the calling thread.
  Comparison(Live& live, Tracker& tracker, DescribeHolder describe, uint32_t netns)
      : live_(live), tracker_(tracker), describe_(std::move(describe)), netns_(netns) {}

  // The race rule: records that arrive while the dump is read are held, and applied over it. With `resync` they have
  // been when this returns; without, they are still held, so that the first table can be printed before what is news:
  // Live::release() follows.
  Result<ReconcileCounts> run(bool resync);

  // After a run that failed: what was held is applied, and what was read of the dump.
  void abandon();

  // Which processes hold the sockets of this host at this moment.
  Result<OwnerMap> find_owners();
  [[nodiscard]] const DescribeHolder& describe() const { return describe_; }

 private:
  Result<void> dump();
  Result<void> confirm_suspects();
  Result<void> apply_arrived();

  Live& live_;
  Tracker& tracker_;
  DescribeHolder describe_;
  uint32_t netns_;
};

}  // namespace socktrace::source
