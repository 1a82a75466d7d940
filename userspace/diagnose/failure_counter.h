#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "core/event.h"

namespace socktrace::diagnose {

// Counts how often a program has failed to bind or listen on a port lately. A service that is restarted has a new
// pid each time, so that a program is its name and unit (or container), not a process.
class FailureCounter {
 public:
  // Of a bind_failed or listen_failed event, this one included. Ten minutes without a failure end a run.
  FailureCount note(const Event& event);

 private:
  struct Run {
    uint64_t first_ns = 0;
    uint64_t last_ns = 0;
    uint32_t count = 0;
  };

  void forget_old(uint64_t now_ns);

  std::unordered_map<std::string, Run> runs_;
};

}  // namespace socktrace::diagnose
