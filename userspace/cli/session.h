#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/output.h"
#include "cli/selection.h"
#include "cli/trace_options.h"
#include "core/log/encode.h"
#include "core/result.h"
#include "core/table.h"
#include "core/time.h"
#include "core/tracker/tracker.h"
#include "enrich/processes.h"
#include "sink/event_line.h"
#include "sink/log_file.h"
#include "source/live.h"

namespace socktrace::cli {

// One run of trace mode: the kernel's hooks, the table, and where the events go.
class Session {
 public:
  // Attaches the hooks, takes the snapshot and prints the table. What is missing on this host is said in the ready line.
  static Result<std::unique_ptr<Session>> start(const TraceOptions& options);

  // Until a signal, the end of --for, or the reader of standard output goes away. The value is the exit code.
  Result<int> run();

 private:
  Session(const TraceOptions& options, Selection selection, source::Live live, sys::Procfs procfs, uint32_t netns);

  Result<void> snapshot(bool resync);
  Result<ReconcileCounts> compare_with_kernel(bool resync);
  Result<void> drain();
  Result<void> handle_loss();
  Result<void> print_table_again();

  void on_event(Event&& event);
  void explain(Event& event) const;
  void print_table();
  void print_json_table(std::string_view reason);
  Result<bool> flush();
  void say(const std::string& message) const;
  void say_ready() const;

  TraceOptions options_;
  Selection selection_;
  source::Live live_;
  uint32_t netns_;
  enrich::Processes processes_;
  Table table_;
  Tracker tracker_;
  WallClock clock_;
  sink::LineStyle style_;
  Output output_;
  LogEncoder json_;
  std::optional<sink::LogFile> log_;
  bool initial_ = true;  // the snapshot's own events are the table, not news
  uint64_t events_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace socktrace::cli
