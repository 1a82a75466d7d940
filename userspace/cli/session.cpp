#include "cli/session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "cli/exit_code.h"
#include "cli/message.h"
#include "cli/table_text.h"
#include "sys/clock.h"
#include "sys/event_loop.h"
#include "sys/notify.h"
#include "sys/signals.h"
#include "sys/terminal.h"

// A session that is ready: what it does with events, signals and time. session_start.cpp makes it ready.
namespace socktrace::cli {

sink::Moment Session::now() {
  const uint64_t boottime_ns = sys::boottime_ns();
  return {boottime_ns, sys::measure_wall_clock().realtime_ns(boottime_ns)};
}

void Session::on_event(Event&& event) {
  explainer_.note(event);
  if (!started_ || options_.once) return;  // --once: the table alone
  if (!selection_.tells(event)) return;
  explainer_.explain(event);
  ++events_;
  if (log_) log_->add(event);
  if (json_)
    json_->add(event);
  else if (prints_lines())
    sink::append_event_line(output_.buffer(), event, clock_, style_);
}

void Session::say(std::string_view message) const {
  print_message("", message);
}

size_t Session::print_table() {
  const std::vector<const Socket*> rows =
      ordered_rows(table_, [this](const Socket& row) { return selection_.lists(row); });
  append_table(output_.buffer(), rows, names_,
               {.header = !options_.no_header,
                .numeric = !options_.names,
                .width = static_cast<uint32_t>(
                    sys::is_terminal(STDOUT_FILENO) ? sys::terminal_width(STDOUT_FILENO).value_or(0) : 0),
                .netns = &netns_names_});
  return rows.size();
}

Result<void> Session::table_on_demand() {
  Result<ReconcileCounts> counts = upkeep_.compare("request");
  if (!counts) {
    say("the table could not be compared with the kernel: " + counts.error().message + "; tracing goes on");
    return {};
  }
  const sink::Moment moment = now();
  if (log_) live_.meanwhile([&] { log_->keyframe("request", moment); });
  if (json_) print_to_whoever_reads([&] { json_->keyframe("request", moment); });
  const size_t listed = prints_lines() ? print_table() : table_.size();
  if (Result<bool> flushed = flush(); !flushed) return std::move(flushed.error());
  say(fmt::format(
      "{} of {} sockets listed; compared with the kernel: {} missing, {} ghosts, {} wrong; records: {}",
      listed, table_.size(), counts->missing, counts->ghosts, counts->wrong_state + counts->wrong_owner,
      upkeep_.accounting()));
  return {};
}

// Wall times are computed from the kernel's by an offset, which changes when somebody sets the clock.
void Session::notice_clock(uint64_t now_ns) {
  constexpr uint64_t kInterval_ns = 1'000'000'000;
  constexpr int64_t kStep_ns = 10'000'000;  // less is the clock being slewed
  if (now_ns < clock_checked_ns_ + kInterval_ns) return;
  clock_checked_ns_ = now_ns;
  const WallClock measured = sys::measure_wall_clock();
  const int64_t step_ns = measured.offset_ns - clock_.offset_ns;
  if (step_ns > -kStep_ns && step_ns < kStep_ns) return;
  clock_ = measured;
  const LogClock step{.time_ns = now_ns,
                      .step_ns = step_ns,
                      .realtime_ns = measured.realtime_ns(now_ns),
                      .boottime_ns = now_ns};
  add_to_logs(step);
}

// What is due by time comes after all that had happened by then; where records come faster than they are worked off, after
// half a million of them. How many there were.
Result<size_t> Session::work_off_records() {
  constexpr int kMostRounds = 64;
  size_t count = 0;
  for (int round = 0; round < kMostRounds; ++round) {
    const Result<size_t> drained = live_.drain([this](const Record& record) { comparison_.apply(record); });
    if (!drained) return Error(drained.error());
    count += *drained;
    if (!live_.is_behind()) break;
    if (const Result<bool> is_read = flush(); !is_read) return Error(is_read.error());
  }
  return count;
}

Result<bool> Session::pump() {
  const uint64_t now_ns = sys::boottime_ns();
  notice_clock(now_ns);
  namespaces_.poll(now_ns);
  Result<size_t> drained = work_off_records();
  if (!drained) return std::move(drained.error());
  quiet_rounds_ = *drained > 0 ? 0 : quiet_rounds_ + 1;
  if (Result<void> followed = comparison_.follow_namespaces(); !followed) return std::move(followed.error());
  if (udp_ends_) {
    const Result<bool> complete =
        udp_ends_->drain([this](const Record& record) { comparison_.apply(record); });
    if (!complete || !*complete) upkeep_.distrust();
  }
  tracker_.tick(now_ns);
  upkeep_.round(now_ns);
  return flush();
}

// No more records; those that were made until now are told. The first thing that went wrong, if anything did.
Result<void> Session::finish() {
  Result<void> finished = live_.finish([this](const Record& record) { comparison_.apply(record); });
  upkeep_.end(sys::boottime_ns());
  if (Result<bool> flushed = flush(); !flushed && finished) return std::move(flushed.error());
  return finished;
}

Result<bool> Session::flush() {
  const sink::Moment moment = now();
  if (log_) live_.meanwhile([&] { log_->flush(moment); });
  Result<bool> is_read = true;
  const auto print = [&] {
    if (json_) json_->flush(moment);
    is_read = json_ ? json_->last_error() != EPIPE && json_->last_error() != EIO : output_.flush();
  };
  if (json_ || !output_.buffer().empty()) print_to_whoever_reads(print);
  return is_read;
}

// Who does not read holds us up, but must not keep us from ending, with a log in order.
void Session::print_to_whoever_reads(const std::function<void()>& print) {
  constexpr uint64_t kPatience_ns = 1'000'000'000;
  live_.meanwhile(print, [this, writer = pthread_self(), told_ns = uint64_t{0}]() mutable {
    if (!stopping_ && !sys::Signals::end_is_pending()) return;
    const uint64_t now_ns = sys::boottime_ns();
    if (told_ns == 0) told_ns = now_ns;
    if (now_ns >= told_ns + kPatience_ns) sys::give_up_standard_output(writer);
  });
}

// Most records come without a wakeup, so the ring is looked at often while there are any. On a quiet host the
// next record wakes us, and only what the tracker waits for (ends of TIME_WAIT) needs a look now and then.
int Session::patience_ms() {
  constexpr int kDrainEvery_ms = 20;
  constexpr int kLookEvery_ms = 250;
  constexpr uint32_t kQuietRounds = 10;
  if (live_.is_behind()) return 0;
  if (quiet_rounds_ == kQuietRounds) live_.tracer().wake_on_next_record();
  return quiet_rounds_ > kQuietRounds ? kLookEvery_ms : kDrainEvery_ms;
}

Result<int> Session::run() {
  Result<sys::EventLoop> loop = sys::EventLoop::create();
  if (!loop) return std::move(loop.error());
  bool stop = options_.once;
  std::optional<Error> failure;
  const auto ends = [&](int signal) {
    if (signal != SIGHUP) return signal == SIGINT || signal == SIGTERM;
    return !signals_.was_ignored(SIGHUP) && (!log_ || sys::has_hung_up(STDOUT_FILENO));
  };
  (void)loop->add(signals_.fd(), [&] {
    while (const std::optional<int> signal = signals_.next()) {
      if (ends(*signal)) stop = true;
      if (*signal == SIGHUP && log_)
        live_.meanwhile([this] {
          if (Result<void> reopened = log_->reopen(now()); !reopened) say(reopened.error().message);
        });
      if (*signal == SIGUSR1)
        if (Result<void> printed = table_on_demand(); !printed) failure = std::move(printed.error());
    }
  });
  (void)loop->add(live_.tracer().fd(), [] {});  // pump() follows every wait
  if (udp_ends_) (void)loop->add(udp_ends_->fd(), [] {});
  // A pipe whose reader has gone reports that by itself; nothing else is waited for on standard output.
  if (sys::is_pipe(STDOUT_FILENO)) (void)loop->add(STDOUT_FILENO, [&] { stop = true; });
  std::optional<sys::Timer> deadline;
  if (options_.duration_ns != 0) {
    Result<sys::Timer> timer = sys::Timer::start(options_.duration_ns, 0);
    if (!timer) return std::move(timer.error());
    deadline = std::move(*timer);
    (void)loop->add(deadline->fd(), [&] { stop = true; });
  }

  while (!stop && !failure) {
    if (Result<void> waited = loop->wait(patience_ms()); !waited) failure = std::move(waited.error());
    Result<bool> pumped = pump();
    if (!pumped && !failure) failure = std::move(pumped.error());
    if (pumped && !*pumped) break;  // nobody reads any more
  }
  stopping_ = true;
  if (options_.recorder) sys::notify_service_manager("STOPPING=1");
  // Whatever went wrong, the log ends in order.
  if (Result<void> finished = finish(); !finished && !failure) failure = std::move(finished.error());
  const RecordCounts records = live_.counts();
  if (log_) log_->close(now(), records);
  if (json_) print_to_whoever_reads([&] { json_->close(now(), records); });
  if (failure) return std::move(*failure);
  if (json_ && json_->last_error() != 0 && json_->last_error() != EPIPE)
    return Error::system("write standard output", json_->last_error());
  const uint64_t unwritten = log_ ? log_->events_dropped() : 0;
  if (!options_.quiet && !options_.once)
    say(fmt::format("{} events, {}{}", events_, upkeep_.summary(),
                    unwritten > 0 ? fmt::format(", {} not written to {}", unwritten, options_.log) : ""));
  if (options_.verbose) say("records: " + upkeep_.accounting());
  if (records.attempted != records.delivered + records.lost)
    say("records went astray, neither delivered nor counted as lost: this is a bug of socktrace, please "
        "report it (" +
        upkeep_.accounting() + ")");
  return options_.strict && records.lost + unwritten > 0 ? kLost : kOk;
}

}  // namespace socktrace::cli
