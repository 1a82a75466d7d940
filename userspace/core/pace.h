#pragma once

#include <algorithm>
#include <cstdint>

namespace socktrace {

// How often something dear may be done: not more than once an interval, and never for more than its share of the time.
class Pace {
 public:
  // `share`: one part in so many. Times are of any clock, always the same one.
  Pace(uint64_t interval_ns, uint64_t share) : interval_ns_(interval_ns), share_(share) {}

  [[nodiscard]] bool allows(uint64_t now_ns) const { return now_ns >= std::max(rested_ns_, paid_ns_); }
  [[nodiscard]] bool is_rested(uint64_t now_ns) const { return now_ns >= rested_ns_; }
  // When it matters more: on credit, once, and never before the interval is over.
  [[nodiscard]] bool allows_on_credit(uint64_t now_ns) const {
    return now_ns >= rested_ns_ && (!on_credit_ || now_ns >= paid_ns_);
  }
  // It was begun at `began_ns` and used `cost_ns` of CPU time.
  void took(uint64_t began_ns, uint64_t cost_ns) {
    const uint64_t price_ns = cost_ns * share_;
    on_credit_ = began_ns < paid_ns_;
    paid_ns_ = (on_credit_ ? std::min(paid_ns_, began_ns + price_ns) : began_ns) + price_ns;
    rested_ns_ = began_ns + interval_ns_;
  }

 private:
  uint64_t interval_ns_;
  uint64_t share_;
  uint64_t rested_ns_ = 0;  // the interval is over
  uint64_t paid_ns_ = 0;    // its share of the time makes up for what it has cost
  bool on_credit_ = false;  // the last time it was not
};

}  // namespace socktrace
