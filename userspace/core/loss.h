#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace socktrace {

// Every record that a hook wanted to make was handed over or is counted as lost: attempted = delivered + lost, but for
// what is on its way at that moment.
struct RecordCounts {
  uint64_t attempted = 0;
  uint64_t delivered = 0;
  uint64_t lost = 0;

  bool operator==(const RecordCounts&) const = default;
};

// Records of one CPU that found no room in the ring, one after another.
struct LossRun {
  uint16_t cpu = 0;
  uint64_t count = 0;
  uint64_t from_ns = 0;  // of the last record of this CPU before them, or when tracing began
  uint64_t to_ns = 0;    // of the first one after them, or when they were noticed
};

// Finds the place of every loss. A record carries how many its CPU had lost before it (st_head.lost), so that two
// records of a CPU enclose what was lost between them, whatever the other CPUs did. What no later record encloses is
// known from the kernel's counters once the ring is empty. The counts of all runs add up to those counters, always.
class LossLedger {
 public:
  // `cpus`: as many as the kernel counts for; `began_ns`: CLOCK_BOOTTIME before the first hook was attached.
  LossLedger(size_t cpus, uint64_t began_ns);

  // To be called for every record, in the order of the ring. The run that ended with it, if it is not told yet.
  std::optional<LossRun> note(uint16_t cpu, uint32_t lost, uint64_t time_ns);

  // Tells the runs that no record has ended yet. `lost`: the kernel's counters, read after the ring was emptied and
  // before `now_ns`.
  void settle(std::span<const uint64_t> lost, uint64_t now_ns,
              const std::function<void(const LossRun&)>& tell);

  [[nodiscard]] uint64_t delivered() const { return delivered_; }
  [[nodiscard]] uint64_t lost() const { return lost_; }  // the sum of all runs
  [[nodiscard]] uint64_t runs() const { return runs_; }

 private:
  struct Cpu {
    uint64_t lost = 0;  // told
    uint64_t last_ns = 0;
  };
  LossRun tell(uint16_t cpu, uint64_t count, uint64_t to_ns);

  std::vector<Cpu> cpus_;
  uint64_t delivered_ = 0;
  uint64_t lost_ = 0;
  uint64_t runs_ = 0;
};

}  // namespace socktrace
