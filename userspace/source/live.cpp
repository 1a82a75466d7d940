#include "source/live.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <span>
#include <thread>

#include "sys/clock.h"
#include "sys/file.h"
#include "sys/procfs.h"

namespace socktrace::source {

Live::Live(probe::Tracer tracer, uint64_t began_ns, uint64_t ring_bytes)
    : tracer_(std::move(tracer)), ledger_(tracer_.lost_by_cpu().size(), began_ns), ring_bytes_(ring_bytes) {}

Result<Live> Live::attach(const probe::Options& options) {
  const uint64_t began_ns = sys::boottime_ns();
  Result<probe::Tracer> tracer = probe::Tracer::attach(options);
  if (!tracer) return std::move(tracer.error());
  return Live(std::move(*tracer), began_ns, options.ring_bytes);
}

void Live::deliver(const Record& record, const std::function<void(const Record&)>& on_record) {
  if (const std::optional<LossRun> run = ledger_.note(record.cpu, record.lost, record.time_ns);
      run && loss_sink_)
    loss_sink_(*run);
  on_record(record);
}

uint64_t Live::waiting_in_ring() const {
  const probe::Counters counters = tracer_.counters();
  const uint64_t gone = counters.lost + ledger_.delivered() + taken_records_;
  return counters.attempted > gone ? counters.attempted - gone : 0;
}

// Into memory, behind what is there already, once a quarter of the ring is in use, or nearly: every record that is taken costs a copy.
void Live::take() {
  constexpr size_t kMostTaken = 128 << 20;  // then the ring may overflow, and counts what is lost
  constexpr uint64_t kLargeRecord = 256;
  if (taken_.size() * Block::kBytes >= kMostTaken || waiting_in_ring() < ring_bytes_ / 4 / kLargeRecord)
    return;
  (void)tracer_.drain([this](std::span<const std::byte> record) {
    const auto length = static_cast<uint32_t>(record.size());
    if (taken_.empty() || Block::kBytes - taken_.back().used < sizeof length + length) {
      if (spare_.empty()) {
        taken_.push_back({.bytes = std::make_unique_for_overwrite<std::byte[]>(Block::kBytes)});
      } else {
        taken_.push_back(std::move(spare_.back()));
        spare_.pop_back();
      }
    }
    Block& block = taken_.back();
    std::memcpy(block.bytes.get() + block.used, &length, sizeof length);
    std::memcpy(block.bytes.get() + block.used + sizeof length, record.data(), length);
    block.used += sizeof length + length;
    ++block.records;
    ++taken_records_;
  });
}

void Live::meanwhile(const std::function<void()>& work, const std::function<void()>& also) {
  if (!stand_in_)
    stand_in_ = std::make_unique<StandIn>([this] {
      take();
      if (also_) (*also_)();
    });
  also_ = also ? &also : nullptr;
  stand_in_->during(work);
}

Result<size_t> Live::drain(const std::function<void(const Record&)>& on_record) {
  std::optional<Error> damage;
  const auto note = [&](std::span<const std::byte> bytes) {
    Result<Record> record = decode(bytes);
    if (!record) {
      if (!damage) damage = std::move(record.error());
      return;
    }
    deliver(*record, on_record);
  };
  Result<size_t> count = size_t{0};
  if (taken_.empty()) {
    count = tracer_.drain(note);
    more_ = count && *count >= probe::Tracer::kMostDrained;
  } else {
    take();  // so that the ring does not overflow while we are behind
    constexpr size_t kMostSpare = 4;
    Block block = std::move(taken_.front());
    taken_.pop_front();
    taken_records_ -= block.records;
    for (std::span<const std::byte> rest(block.bytes.get(), block.used); !rest.empty(); ++*count) {
      uint32_t length = 0;
      std::memcpy(&length, rest.data(), sizeof length);
      note(rest.subspan(sizeof length, length));
      rest = rest.subspan(sizeof length + length);
    }
    block.used = block.records = 0;
    if (!taken_.empty() && spare_.size() < kMostSpare)
      spare_.push_back(std::move(block));
    else if (taken_.empty())
      spare_.clear();
  }
  if (damage) return std::move(*damage);
  return count;
}

Result<void> Live::catch_up(const std::function<void(const Record&)>& on_record) {
  constexpr uint64_t kPatience_ns = 200'000'000;
  const probe::Counters begun = tracer_.counters();
  uint64_t deadline_ns = sys::boottime_ns() + kPatience_ns;
  while (true) {
    const Result<size_t> drained = drain(on_record);
    if (!drained) return Error(drained.error());
    if (ledger_.delivered() + begun.lost >= begun.attempted) return {};
    const uint64_t now_ns = sys::boottime_ns();
    if (*drained > 0)
      deadline_ns = now_ns + kPatience_ns;
    else if (now_ns >= deadline_ns)
      return {};
    else
      std::this_thread::yield();
  }
}

void Live::settle_losses() {
  const std::vector<uint64_t> lost = tracer_.lost_by_cpu();
  ledger_.settle(lost, sys::boottime_ns(), [this](const LossRun& run) {
    if (loss_sink_) loss_sink_(run);
  });
}

Result<void> Live::finish(const std::function<void(const Record&)>& on_record) {
  tracer_.stop();
  // Twice: a hook may have been about to begin a record when it was detached.
  for (int round = 0; round < 2; ++round) {
    if (Result<void> arrived = catch_up(on_record); !arrived) return arrived;
    settle_losses();
  }
  return {};
}

RecordCounts Live::counts() const {
  return {
      .attempted = tracer_.counters().attempted, .delivered = ledger_.delivered(), .lost = ledger_.lost()};
}

TrackerOptions Live::tracker_options() const {
  constexpr uint64_t kTimeWait_ns = 60'000'000'000;
  TrackerOptions options;
  options.connections = tells_connections();
  options.timers_late_ns = sys::timer_step_ns(kTimeWait_ns);
  options.ends_are_seen = std::any_of(tracer_.hooks().begin(), tracer_.hooks().end(), [](const auto& hook) {
    return hook.attached && (hook.name == "tp_btf/tcp_destroy_sock" || hook.name == "cgroup/sock_release");
  });
  options.every_process_is_seen = sys::in_initial_pid_namespace();
  // A namespace begins with the same limit.
  const Result<std::string> limit = sys::read_file_at(AT_FDCWD, "/proc/sys/net/ipv4/tcp_max_tw_buckets");
  if (limit) (void)std::from_chars(limit->data(), limit->data() + limit->size(), options.max_timewait);
  return options;
}

bool Live::sees_unix_ends() const {
  return std::any_of(tracer_.hooks().begin(), tracer_.hooks().end(),
                     [](const auto& hook) { return hook.attached && hook.name == "fentry/unix_release"; });
}

std::vector<std::string> Live::costs() const {
  std::vector<std::string> costs;
  for (const probe::Hook& hook : tracer_.hooks())
    if (!hook.attached && std::find(costs.begin(), costs.end(), hook.cost) == costs.end())
      costs.push_back(hook.cost);
  return costs;
}

}  // namespace socktrace::source
