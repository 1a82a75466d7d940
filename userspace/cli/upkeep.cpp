#include "cli/upkeep.h"

#include <fmt/format.h>

#include <algorithm>

#include "sys/clock.h"

namespace socktrace::cli {
namespace {

constexpr uint64_t kSecond_ns = 1'000'000'000;
constexpr uint64_t kLossShare = 10;
constexpr uint64_t kAuditShare = 100;
constexpr uint64_t kLookShare = 20;
constexpr uint64_t kEnded_ns = kSecond_ns / 10;  // without another loss
constexpr uint64_t kSayEvery_ns = 10 * kSecond_ns;

uint64_t differences(const ReconcileCounts& counts) {
  return counts.missing + counts.ghosts + counts.wrong_state;
}

std::string named(const ReconcileCounts& counts) {
  return fmt::format("{} missing, {} ghosts, {} in another state", counts.missing, counts.ghosts,
                     counts.wrong_state);
}

}  // namespace

Upkeep::Upkeep(source::Live& live, source::Comparison& comparison, uint64_t audit_ns, bool unix_sockets,
               Output output)
    : live_(live),
      comparison_(comparison),
      output_(std::move(output)),
      after_loss_(kSecond_ns / 3, kLossShare),
      between_audits_(audit_ns, kAuditShare),
      audit_ns_(audit_ns),
      between_looks_(kSecond_ns, kLookShare),
      looks_at_unix_(unix_sockets && !live.sees_unix_ends()) {
  live_.on_loss([this](const LossRun& run) { on_run(run); });
}

void Upkeep::on_run(const LossRun& run) {
  const LogLoss loss{.time_ns = run.to_ns,
                     .where = "ringbuf",
                     .cpu = run.cpu,
                     .count = run.count,
                     .from_ns = run.from_ns,
                     .to_ns = run.to_ns};
  owed_ = true;
  if (batch_.count == 0) {
    batch_ = loss;
    batch_.cpu = -1;
  } else {
    batch_.count += run.count;
    batch_.from_ns = std::min(batch_.from_ns, run.from_ns);
    batch_.to_ns = std::max(batch_.to_ns, run.to_ns);
  }
  if (begun_)
    output_.run(loss);
  else
    early_.push_back(loss);
}

void Upkeep::begin(uint64_t now_ns) {
  begun_ = true;
  for (const LogLoss& loss : std::exchange(early_, {})) output_.run(loss);
  between_audits_.took(now_ns, 0);
  // The first table was made after these.
  lost_then_ = live_.counts().lost;
}

void Upkeep::tell_lost(uint64_t now_ns) {
  live_.settle_losses();
  if (batch_.count == 0) return;
  noticed_ns_ = batch_.time_ns = now_ns;
  output_.lost(std::exchange(batch_, {}));
}

// What is compared while losses go on is soon wrong again; when they have ended, it is right from then on.
bool Upkeep::is_time_to_compare(uint64_t now_ns) const {
  const bool ended = now_ns >= noticed_ns_ + kEnded_ns;
  return ended ? after_loss_.allows_on_credit(now_ns) : after_loss_.allows(now_ns);
}

void Upkeep::round(uint64_t now_ns) {
  tell_lost(now_ns);
  if (owed_ ? is_time_to_compare(now_ns) : unsure_ && after_loss_.is_rested(now_ns))
    compare_after_loss(now_ns);
  else if (audit_ns_ != 0 && between_audits_.allows(now_ns))
    audit(now_ns);
  else if (looks_at_unix_ && between_looks_.allows(now_ns))
    look_at_unix(now_ns);
}

void Upkeep::end(uint64_t now_ns) {
  tell_lost(now_ns);
  if (owed_)
    compare_after_loss(now_ns);
  else if (looks_at_unix_)
    look_at_unix(now_ns);
}

Result<ReconcileCounts> Upkeep::compare(std::string_view reason) {
  owed_ = false;                      // what is lost from here on calls for another one
  (void)comparison_.apply_arrived();  // a backlog is not its cost; what fails here fails again there
  const uint64_t began_ns = sys::boottime_ns();
  const uint64_t cpu_ns = sys::process_cpu_ns();
  Result<ReconcileCounts> counts = comparison_.run(true);
  const uint64_t cost_ns = sys::process_cpu_ns() - cpu_ns;
  after_loss_.took(began_ns, cost_ns);
  between_audits_.took(began_ns, cost_ns);
  lost_then_ = live_.counts().lost;
  if (!counts)
    comparison_.abandon();
  else
    output_.audit({.time_ns = sys::boottime_ns(),
                   .reason = std::string(reason),
                   .sockets = counts->rows,
                   .missing = counts->missing,
                   .ghosts = counts->ghosts,
                   .wrong_state = counts->wrong_state,
                   .wrong_owner = counts->wrong_owner});
  return counts;
}

void Upkeep::compare_after_loss(uint64_t now_ns) {
  const bool confirms = !owed_;
  const Result<ReconcileCounts> counts = compare("loss");
  if (!counts) {
    owed_ = true;
    return failed(counts.error(), now_ns);
  }
  unsure_ = !confirms && counts->unconfirmed > 0;
  ++comparisons_;
  mended_ += differences(*counts) + counts->wrong_owner;
  if (said_ns_ != 0 && now_ns < said_ns_ + kSayEvery_ns) return;
  said_ns_ = now_ns;
  const uint64_t lost = live_.counts().lost - said_lost_;
  output_.say(fmt::format(
      "{}; the table was compared with the kernel, {} differences mended",
      lost == 0 ? "no record was lost since"
                : fmt::format("{} events lost: the ring buffer was full (--ring-size makes it larger)", lost),
      mended_ - said_mended_));
  said_lost_ = live_.counts().lost;
  said_mended_ = mended_;
}

void Upkeep::audit(uint64_t now_ns) {
  const uint64_t lost_before = lost_then_;
  const Result<ReconcileCounts> counts = compare("audit");
  if (!counts) return failed(counts.error(), now_ns);
  ++audits_;
  const uint64_t found = differences(*counts);
  audit_differences_ += found;
  if (found == 0) return;
  const bool nothing_lost = live_.counts().lost == lost_before;
  std::string message = "audit: the table differed from the kernel: " + named(*counts) + "; mended. ";
  if (nothing_lost && every_hook_reports())
    message += "Nothing was lost, so this is a bug of socktrace: please report it with this log";
  else if (nothing_lost)
    message += "Hooks that are off (see socktrace doctor) do not report such changes";
  else
    message += "Records were lost before";
  output_.say(message);
}

void Upkeep::look_at_unix(uint64_t now_ns) {
  const uint64_t cpu_ns = sys::process_cpu_ns();
  const Result<void> looked = comparison_.look_at_unix();
  between_looks_.took(now_ns, sys::process_cpu_ns() - cpu_ns);
  if (looked) return;
  comparison_.abandon();
  failed(looked.error(), now_ns);
}

// Tried again when it is due next.
void Upkeep::failed(const Error& error, uint64_t now_ns) {
  if (failed_ns_ != 0 && now_ns < failed_ns_ + kSayEvery_ns) return;
  failed_ns_ = now_ns;
  output_.say("the table could not be compared with the kernel: " + error.message + "; tried again");
}

bool Upkeep::every_hook_reports() const {
  const std::vector<probe::Hook>& hooks = live_.tracer().hooks();
  return std::all_of(hooks.begin(), hooks.end(), [](const probe::Hook& hook) { return hook.attached; });
}

std::string Upkeep::summary() const {
  const uint64_t lost = live_.counts().lost;
  std::string text = fmt::format("{} lost", lost);
  if (lost > 0)
    text += fmt::format(" in {} runs ({}); {} comparisons mended {} differences", live_.loss_runs(),
                        accounting(), comparisons_, mended_);
  if (audits_ > 0) text += fmt::format("; {} audits, {} differences", audits_, audit_differences_);
  return text;
}

std::string Upkeep::accounting() const {
  const RecordCounts counts = live_.counts();
  std::string text =
      fmt::format("attempted {} = delivered {} + lost {}", counts.attempted, counts.delivered, counts.lost);
  if (const uint64_t open = counts.attempted - counts.delivered - counts.lost; open != 0)
    text += fmt::format(" + {} on their way", open);
  return text;
}

}  // namespace socktrace::cli
