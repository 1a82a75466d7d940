#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/output.h"
#include "cli/selection.h"
#include "cli/trace_options.h"
#include "core/result.h"
#include "core/ss/names.h"
#include "core/table.h"
#include "core/time.h"
#include "core/tracker/tracker.h"
#include "diagnose/failure_counter.h"
#include "enrich/processes.h"
#include "sink/event_line.h"
#include "sink/log_file.h"
#include "source/comparison.h"
#include "source/live.h"
#include "sys/signals.h"

namespace socktrace::cli {

// One run of trace mode: the kernel's hooks, the table, and where the events go.
class Session {
 public:
  // Attaches the hooks, takes the snapshot, prints the table, and says on stderr what is attached and what is missing.
  static Result<std::unique_ptr<Session>> start(const TraceOptions& options);

  // Until a signal, the end of --for, or the reader of standard output goes away. The value is the exit code.
  Result<int> run();

 private:
  Session(const TraceOptions& options, Selection selection, sys::Signals signals, source::Live live,
          sys::Procfs procfs, uint32_t netns);

  Result<void> give_up_privileges();
  Result<void> open_logs();
  Result<void> begin();
  // A few sockets of our own must be reported before anything is said to be traced.
  Result<void> prove_events_flow();
  // One round: takes what the kernel has recorded, notices losses, writes what there is to say.
  [[nodiscard]] int patience_ms();
  Result<bool> pump();
  Result<void> notice_loss();
  void notice_clock(uint64_t now_ns);
  // Table and event lines for people, on standard output.
  [[nodiscard]] bool prints_lines() const { return !json_ && !options_.recorder; }
  Result<void> table_on_demand();

  void on_event(Event&& event);
  void explain(Event& event);
  size_t print_table();  // the number of rows
  // Writes what has been said to standard output. False when nobody reads it any more.
  Result<bool> flush();
  void say(std::string_view message) const;
  void say_ready() const;

  TraceOptions options_;
  Selection selection_;
  sys::Signals signals_;
  source::Live live_;
  uint32_t netns_;
  std::string self_test_;  // what it found wrong; empty: nothing
  std::string no_cgroup_;  // why the cgroup hooks could not be tried; empty: they were
  enrich::Processes processes_;
  ss::Names names_;
  Table table_;
  Tracker tracker_;
  source::Comparison comparison_;
  WallClock clock_;
  uint64_t clock_checked_ns_ = 0;
  sink::LineStyle style_;
  Output output_;
  std::unique_ptr<sink::LogFile> log_;   // --log
  std::unique_ptr<sink::LogFile> json_;  // --json: standard output as a log
  diagnose::FailureCounter failures_;
  bool started_ = false;  // events of the first snapshot are the table, not news
  uint64_t events_ = 0;
  uint64_t lost_ = 0;
  uint32_t quiet_rounds_ = 0;  // looks at the ring in a row that found nothing
};

}  // namespace socktrace::cli
