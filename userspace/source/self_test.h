#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/record.h"
#include "source/live.h"
#include "source/sightings.h"

namespace socktrace::source {

// Whether what is attached also reports: hooks that load and attach can still be silent.
struct SelfTest {
  std::vector<Sighting> steps;
  std::string trouble;  // why the exercise could not be done, or not be judged; empty: it was

  // A vital hook is silent: nothing would be traced.
  [[nodiscard]] bool blind() const;
  // "listen, connect": the steps that hooks are attached for and that were not reported; empty: all were.
  [[nodiscard]] std::string missed() const;
};

// Opens and closes a few sockets on loopback (sys/exercise.h) and looks for them in the ring. Takes a few milliseconds,
// and half a second when something is missing. Records of these sockets are taken out; all others are handed over in
// order. Call it before threads are started and while nothing is held.
Result<SelfTest> self_test(Live& live, const std::function<void(const Record&)>& others);

}  // namespace socktrace::source
