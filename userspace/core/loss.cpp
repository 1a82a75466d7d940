#include "core/loss.h"

#include <algorithm>

namespace socktrace {

LossLedger::LossLedger(size_t cpus, uint64_t began_ns) : cpus_(cpus, Cpu{.lost = 0, .last_ns = began_ns}) {}

LossRun LossLedger::tell(uint16_t cpu, uint64_t count, uint64_t to_ns) {
  Cpu& counted = cpus_[cpu];
  counted.lost += count;
  lost_ += count;
  ++runs_;
  const uint64_t from_ns = counted.last_ns;
  counted.last_ns = std::max(from_ns, to_ns);
  return {.cpu = cpu, .count = count, .from_ns = from_ns, .to_ns = counted.last_ns};
}

std::optional<LossRun> LossLedger::note(uint16_t cpu, uint32_t lost, uint64_t time_ns) {
  ++delivered_;
  // The kernel counts modulo the slots it has.
  cpu = static_cast<uint16_t>(cpu % cpus_.size());
  Cpu& counted = cpus_[cpu];
  // Only the low half is in the record. It may also be behind: a record that was interrupted by others, or a loss that
  // settle() has told while the record was being written.
  const auto count = static_cast<int32_t>(lost - static_cast<uint32_t>(counted.lost));
  std::optional<LossRun> run;
  if (count > 0) run = tell(cpu, static_cast<uint64_t>(count), time_ns);
  counted.last_ns = std::max(counted.last_ns, time_ns);
  return run;
}

void LossLedger::settle(std::span<const uint64_t> lost, uint64_t now_ns,
                        const std::function<void(const LossRun&)>& tell_run) {
  for (size_t cpu = 0; cpu < std::min(lost.size(), cpus_.size()); ++cpu)
    if (lost[cpu] > cpus_[cpu].lost)
      tell_run(tell(static_cast<uint16_t>(cpu), lost[cpu] - cpus_[cpu].lost, now_ns));
}

}  // namespace socktrace
