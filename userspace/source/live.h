#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/loss.h"
#include "core/record.h"
#include "core/result.h"
#include "core/tracker/tracker.h"
#include "probe/tracer.h"
#include "source/stand_in.h"

namespace socktrace::source {

// The kernel's records, decoded, of all network namespaces.
class Live {
 public:
  static Result<Live> attach(const probe::Options& options);

  // Hands over everything that was recorded before this call, however far the reader is behind. A hook whose CPU was taken
  // away from it in the middle of a record holds up all that follow, for some milliseconds: that is waited for, until
  // nothing has come for 0.2 s.
  Result<void> catch_up(const std::function<void(const Record&)>& on_record);
  // Hands over some of what has arrived, in bounded time. How many records.
  Result<size_t> drain(const std::function<void(const Record&)>& on_record);

  // Runs `work`, which may wait for a disk or for a reader, or look at all sockets. When it takes long the ring is kept from
  // filling up meanwhile: it is emptied into memory (128 MiB at most), which comes first in the next drain(). To be called when
  // this does not move any more.
  // `also`: done by the other thread too, every few milliseconds, as long as `work` lasts.
  void meanwhile(const std::function<void()>& work, const std::function<void()>& also = {});
  // Ends the thread that does so, until it is needed again: it would keep the privileges that we give up.
  void dismiss_stand_in() { stand_in_.reset(); }

  // Whether the last drain() has left records: some wait in memory, which no descriptor tells, or more than it takes at once.
  [[nodiscard]] bool is_behind() const { return more_ || !taken_.empty(); }

  // Told of every loss run right before the record that followed it is handed over. To be set before the first drain().
  void on_loss(std::function<void(const LossRun&)> sink) { loss_sink_ = std::move(sink); }
  // Tells the runs that no record has followed yet. Call it when drain() has emptied the ring.
  void settle_losses();
  // Detaches the hooks and hands over what they had recorded until then, losses included. Nothing comes afterwards.
  Result<void> finish(const std::function<void(const Record&)>& on_record);

  // attempted = delivered + lost, but for what waits in the ring or in memory at this moment; after finish() exactly.
  [[nodiscard]] RecordCounts counts() const;
  [[nodiscard]] uint64_t loss_runs() const { return ledger_.runs(); }

  [[nodiscard]] probe::Tracer& tracer() { return tracer_; }
  [[nodiscard]] const probe::Tracer& tracer() const { return tracer_; }
  // What the tracker of these records has to know of this kernel and of the hooks.
  [[nodiscard]] TrackerOptions tracker_options() const;
  // Whether records tell of TCP connections.
  [[nodiscard]] bool tells_connections() const { return tracer_.tells_connections(); }
  // Whether records tell that unix sockets are closed.
  [[nodiscard]] bool sees_unix_ends() const;
  // "bind errors are inferred": what the missing hooks cost, each once; empty when everything is attached.
  [[nodiscard]] std::vector<std::string> costs() const;

 private:
  Live(probe::Tracer tracer, uint64_t began_ns, uint64_t ring_bytes);
  void deliver(const Record& record, const std::function<void(const Record&)>& on_record);
  // How many records wait in the ring, nearly: hooks are adding to them.
  [[nodiscard]] uint64_t waiting_in_ring() const;
  void take();

  probe::Tracer tracer_;
  LossLedger ledger_;
  std::function<void(const LossRun&)> loss_sink_;

  // Records that were taken out of the ring before anybody had time for them, as they were in it, each with its length.
  struct Block {
    static constexpr size_t kBytes = 1 << 20;
    std::unique_ptr<std::byte[]> bytes;
    size_t used = 0;
    uint64_t records = 0;
  };
  std::deque<Block> taken_;
  std::vector<Block> spare_;  // emptied: whoever is behind needs them again
  uint64_t taken_records_ = 0;
  uint64_t ring_bytes_ = 0;
  bool more_ = false;  // the ring was not emptied
  const std::function<void()>* also_ = nullptr;
  std::unique_ptr<StandIn> stand_in_;  // since the first meanwhile(); last: it ends before what it fills
};

}  // namespace socktrace::source
