#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cli/explanation.h"
#include "cli/output.h"
#include "cli/selection.h"
#include "cli/trace_options.h"
#include "cli/upkeep.h"
#include "core/netns_names.h"
#include "core/result.h"
#include "core/ss/names.h"
#include "core/table.h"
#include "core/time.h"
#include "core/tracker/tracker.h"
#include "enrich/processes.h"
#include "sink/event_line.h"
#include "sink/log_file.h"
#include "source/comparison.h"
#include "source/destroyed.h"
#include "source/known_namespaces.h"
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
          sys::Procfs procfs, source::KnownNamespaces namespaces);

  static sink::Moment now();
  Result<void> give_up_privileges();
  Result<void> open_logs();
  Result<void> begin();
  // A few sockets of our own must be reported before anything is said to be traced.
  Result<void> prove_events_flow();
  [[nodiscard]] int patience_ms();
  void follow_udp_ends();
  // One round: takes what the kernel has recorded, notices losses, writes what there is to say.
  Result<bool> pump();
  Result<void> finish();
  void notice_clock(uint64_t now_ns);
  template <typename Record>
  void add_to_logs(const Record& record) {
    if (log_) log_->add(record);
    if (json_) json_->add(record);
  }
  // Table and event lines for people, on standard output.
  [[nodiscard]] bool prints_lines() const { return !json_ && !options_.recorder; }
  Result<void> table_on_demand();

  void on_event(Event&& event);
  size_t print_table();  // the number of rows
  // Writes what has been said to standard output. False when nobody reads it any more.
  Result<bool> flush();
  Result<size_t> work_off_records();
  void print_to_whoever_reads(const std::function<void()>& print);
  void say(std::string_view message) const;
  void say_ready() const;

  TraceOptions options_;
  Selection selection_;
  sys::Signals signals_;
  source::Live live_;
  source::KnownNamespaces namespaces_;
  NetnsNames netns_names_;
  bool confined_ = false;  // to our own namespace, for want of privileges
  std::string no_filter_;  // why no seccomp filter holds for us; empty: one does
  std::string self_test_;  // what it found wrong; empty: nothing
  std::string no_cgroup_;  // why the cgroup hooks could not be tried; empty: they were
  enrich::Processes processes_;
  ss::Names names_;
  Table table_;
  Tracker tracker_;
  source::Comparison comparison_;
  Upkeep upkeep_;
  std::optional<source::UdpEnds> udp_ends_;  // where no hook tells them
  WallClock clock_;
  uint64_t clock_checked_ns_ = 0;
  sink::LineStyle style_;
  Output output_;
  std::unique_ptr<sink::LogFile> log_;   // --log
  std::unique_ptr<sink::LogFile> json_;  // --json: standard output as a log
  Explainer explainer_;
  bool started_ = false;  // events of the first snapshot are the table, not news
  uint64_t events_ = 0;
  std::atomic<bool> stopping_ = false;
  uint32_t quiet_rounds_ = 0;  // looks at the ring in a row that found nothing
};

}  // namespace socktrace::cli
