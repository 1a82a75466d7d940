#pragma once

#include <algorithm>
#include <cstdint>

namespace socktrace {

// How often something dear may be done: not more than once an interval, and never for more than its share of the time.
class Pace {
 public:
  // `share`: one part in so many. Times are of any clock, always the same one.
  Pace(uint64_t interval_ns, uint64_t share) : interval_ns_(interval_ns), share_(share) {}

  [[nodiscard]] bool allows(uint64_t now_ns) const { return now_ns >= next_ns_; }
  // It was begun at `began_ns` and used `cost_ns` of CPU time.
  void took(uint64_t began_ns, uint64_t cost_ns) {
    next_ns_ = began_ns + std::max(interval_ns_, cost_ns * share_);
  }

 private:
  uint64_t interval_ns_;
  uint64_t share_;
  uint64_t next_ns_ = 0;
};

}  // namespace socktrace
