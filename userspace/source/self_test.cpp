#include "source/self_test.h"

#include <poll.h>

#include <algorithm>

#include "sys/clock.h"

namespace socktrace::source {

bool SelfTest::blind() const {
  return std::any_of(steps.begin(), steps.end(),
                     [](const Sighting& step) { return step.vital && step.sight == Sight::missed; });
}

std::string SelfTest::missed() const {
  std::string names;
  for (const Sighting& step : steps)
    if (step.sight == Sight::missed) names += (names.empty() ? "" : ", ") + std::string(step.what);
  return names;
}

Result<SelfTest> self_test(Live& live, const std::function<void(const Record&)>& others) {
  SelfTest test{nothing_sighted(), {}};
  // What waits in the ring was recorded before, and has to make room.
  if (const Result<size_t> drained = live.drain(others); !drained) return Error(drained.error());
  const uint64_t lost = live.tracer().counters().lost;
  const Result<sys::Exercise> exercise = sys::exercise_loopback();
  if (!exercise) {
    test.trouble = exercise.error().message;
    return test;
  }

  Sightings sightings(*exercise, live.tells_connections());
  const std::vector<probe::Hook>& hooks = live.tracer().hooks();
  constexpr uint64_t kPatience_ns =
      500'000'000;  // all is in the ring by now, but for what a busy softirq still owes
  const uint64_t deadline_ns = sys::boottime_ns() + kPatience_ns;
  while (true) {
    const Result<size_t> drained = live.drain([&](const Record& record) {
      if (!sightings.note(record)) others(record);
    });
    if (!drained) return Error(drained.error());
    if (sightings.complete(hooks) || sys::boottime_ns() >= deadline_ns) break;
    constexpr int kSlice_ms = 5;
    pollfd ring{live.tracer().fd(), POLLIN, 0};
    ::poll(&ring, 1, kSlice_ms);
  }
  test.steps = sightings.result(hooks);
  if (live.tracer().counters().lost != lost && !test.missed().empty()) {
    for (Sighting& step : test.steps)
      if (step.sight == Sight::missed) step.sight = Sight::untested;
    test.trouble = "records were lost meanwhile: the ring buffer is too small for this host (--ring-size)";
  }
  return test;
}

}  // namespace socktrace::source
