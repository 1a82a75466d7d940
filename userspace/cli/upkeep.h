#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/log/record.h"
#include "core/loss.h"
#include "core/pace.h"
#include "core/result.h"
#include "core/tracker/tracker.h"
#include "source/comparison.h"
#include "source/live.h"

namespace socktrace::cli {

// Keeps the table right while it is traced. Every loss is told in its place; then the table is compared with the kernel's
// sockets and what differs is mended, at once the first time, and while losses go on at most three times a second and
// for a tenth of one CPU; and once more when they have ended. With an audit interval the same is done without a loss, to prove that there is nothing to mend.
class Upkeep {
 public:
  struct Output {
    std::function<void(const LogLoss&)> run;   // every loss run, before what follows it
    std::function<void(const LogLoss&)> lost;  // all that one round() has noticed, as one
    std::function<void(const LogAudit&)> audit;
    std::function<void(std::string_view)> say;  // messages for people
  };
  // `audit_ns`: between audits; 0: none. `unix_sockets`: these are wanted, so that they are looked at every second where no
  // record tells of their ends. What is referred to must outlive it.
  Upkeep(source::Live& live, source::Comparison& comparison, uint64_t audit_ns, bool unix_sockets,
         Output output);

  // The first table is complete and there are logs: what was lost before is told now.
  void begin(uint64_t now_ns);
  // To be called after every batch of records.
  void round(uint64_t now_ns);
  // Another source than the ring has lost something: the table is to be compared.
  void distrust() { owed_ = true; }
  // Whatever is due. `reason` as in LogAudit.
  Result<ReconcileCounts> compare(std::string_view reason);
  // No record is on its way any more: the last losses.
  void end(uint64_t now_ns);

  // "3 lost", and whatever else was not as it should be.
  [[nodiscard]] std::string summary() const;
  // "attempted 9 = delivered 6 + lost 3"
  [[nodiscard]] std::string accounting() const;

 private:
  void on_run(const LossRun& run);
  void tell_lost(uint64_t now_ns);
  void compare_after_loss(uint64_t now_ns);
  void audit(uint64_t now_ns);
  void look_at_unix(uint64_t now_ns);
  void failed(const Error& error, uint64_t now_ns);
  [[nodiscard]] bool is_time_to_compare(uint64_t now_ns) const;
  [[nodiscard]] bool every_hook_reports() const;

  source::Live& live_;
  source::Comparison& comparison_;
  Output output_;

  bool begun_ = false;
  std::vector<LogLoss> early_;  // before begin()
  LogLoss batch_;               // of this round; count 0: none
  bool owed_ = false;           // a loss after which the table was not compared yet
  bool unsure_ = false;         // it was, and the next comparison is to confirm what that one suspects
  uint64_t noticed_ns_ = 0;     // the last loss
  uint64_t lost_then_ = 0;      // when it was compared last
  Pace after_loss_;
  Pace between_audits_;
  uint64_t audit_ns_;
  Pace between_looks_;
  bool looks_at_unix_;

  uint64_t comparisons_ = 0;  // after losses
  uint64_t mended_ = 0;       // by those
  uint64_t audits_ = 0;
  uint64_t audit_differences_ = 0;

  uint64_t said_ns_ = 0;  // of the last message about losses; not one for each
  uint64_t said_lost_ = 0;
  uint64_t said_mended_ = 0;
  uint64_t failed_ns_ = 0;
};

}  // namespace socktrace::cli
