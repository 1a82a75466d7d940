#include "diagnose/failure_counter.h"

#include <fmt/format.h>

namespace socktrace::diagnose {
namespace {

constexpr uint64_t kRunEnds_ns = 600'000'000'000;
constexpr size_t kMostRuns = 4096;

std::string key_of(const Event& event) {
  const Process& process = *event.process;
  return fmt::format("{} {} {} {} {} {} {}", event.socket.netns, event.socket.protocol,
                     event.socket.local.port, process.name, process.unit, process.container,
                     details_of(event.socket).name);
}

}  // namespace

FailureCount FailureCounter::note(const Event& event) {
  if (!event.process) return {};
  if (runs_.size() >= kMostRuns) forget_old(event.time_ns);
  Run& run = runs_[key_of(event)];
  if (run.count == 0 || event.time_ns > run.last_ns + kRunEnds_ns) run = {.first_ns = event.time_ns};
  run.last_ns = event.time_ns;
  ++run.count;
  return {run.count, event.time_ns - run.first_ns};
}

// Somebody tries every port there is: what is left of the others is not worth the memory.
void FailureCounter::forget_old(uint64_t now_ns) {
  std::erase_if(runs_, [&](const auto& entry) { return now_ns > entry.second.last_ns + kRunEnds_ns; });
  if (runs_.size() >= kMostRuns) runs_.clear();
}

}  // namespace socktrace::diagnose
