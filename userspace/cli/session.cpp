#include "cli/session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "cli/exit_code.h"
#include "cli/table_text.h"
#include "diagnose/explain.h"
#include "source/dump.h"
#include "source/owners.h"
#include "sys/clock.h"
#include "sys/mounts.h"
#include "sys/netns.h"

namespace socktrace::cli {
namespace {

probe::BindResult bind_result(const std::string& name) {
  if (name == "fexit") return probe::BindResult::fexit;
  if (name == "tracepoint") return probe::BindResult::tracepoint;
  if (name == "infer") return probe::BindResult::infer;
  return probe::BindResult::automatic;
}

}  // namespace

Session::Session(const TraceOptions& options, Selection selection, source::Live live, sys::Procfs procfs, uint32_t netns)
    : options_(options),
      selection_(std::move(selection)),
      live_(std::move(live)),
      netns_(netns),
      processes_(std::move(procfs)),
      tracker_(
          table_, [this](const Task& task) { return processes_.find(task); },
          [this](Event&& event) { on_event(std::move(event)); }),
      clock_(sys::measure_wall_clock()) {}

Result<std::unique_ptr<Session>> Session::start(const TraceOptions& options) {
  Result<Selection> selection = Selection::from(options);
  if (!selection) return std::move(selection.error());

  // The log first: a path that cannot be written must not be noticed after tracing has begun.
  std::optional<TraceLog> log;
  if (!options.log.empty()) {
    Result<TraceLog> opened = TraceLog::open(options.log, selection->text());
    if (!opened) return std::move(opened.error());
    log = std::move(*opened);
  }

  const Result<uint32_t> netns = sys::current_netns();
  if (!netns) return Error(netns.error());
  Result<sys::Procfs> procfs = sys::Procfs::open();
  if (!procfs) return std::move(procfs.error());
  const Result<sys::UniqueFd> cgroup = sys::open_cgroup2();

  source::Live::Options live;
  live.netns = *netns;
  live.probe.bind_result = bind_result(options.bind_result);
  live.probe.ring_bytes = options.ring_bytes;
  live.probe.ignore_pid = static_cast<uint32_t>(::getpid());
  live.probe.cgroup_fd = cgroup ? cgroup->get() : -1;
  Result<source::Live> attached = source::Live::attach(live);
  if (!attached) return std::move(attached.error());

  std::unique_ptr<Session> session(
      new Session(options, std::move(*selection), std::move(*attached), std::move(*procfs), *netns));
  if (!cgroup) session->missing_ = cgroup.error().message;
  session->log_ = std::move(log);
  if (Result<void> ready = session->begin(); !ready) return std::move(ready.error());
  return session;
}

Result<void> Session::begin() {
  style_ = {.utc = options_.utc, .color = use_color(options_.color), .own_netns = netns_};
  if (options_.json) {
    json_.emplace(output_.buffer(), selection_.text());
  }
  Result<ReconcileCounts> counts = compare_with_kernel(false);
  if (!counts) return std::move(counts.error());
  print_table("start");
  if (log_) log_->keyframe(table_, selection_, "start");
  snapshot_done_ = true;
  // What happened during the dump is news.
  Result<void> released = live_.release([this](const Record& record) { tracker_.apply(record); });
  if (!released) return released;
  return {};
}

// The race rule: records that arrive while the dump is read are held, and applied over it.
Result<ReconcileCounts> Session::compare_with_kernel(bool resync) {
  Result<size_t> before = live_.drain([this](const Record& record) { tracker_.apply(record); });
  if (!before) return std::move(before.error());
  live_.hold();
  const uint64_t begin_ns = sys::boottime_ns();
  tracker_.begin_dump(begin_ns, resync);

  source::DumpRequest request;
  request.netns = netns_;
  std::vector<Socket> sockets;
  Result<void> dumped = source::dump_sockets(request, [&](Socket&& socket) {
    sockets.push_back(std::move(socket));
    constexpr size_t kRowsBetweenDrains = 1024;
    if (sockets.size() % kRowsBetweenDrains == 0) (void)live_.drain([](const Record&) {});
  });
  if (!dumped) return std::move(dumped.error());

  Result<source::OwnerMap> owners = source::owners_from(
      [this](const std::function<void(const st_open_socket&)>& sink) { return live_.tracer().for_each_open_socket(sink); });
  if (!owners) {
    Result<sys::Procfs> procfs = sys::Procfs::open();
    if (!procfs) return std::move(procfs.error());
    owners = source::scan_owners(*procfs);
    if (!owners) return std::move(owners.error());
  }
  const auto describe = [this](const source::SocketHolder& holder) {
    return processes_.find(holder.pid, holder.start_ns, holder.comm());
  };
  for (Socket& socket : sockets) {
    source::attribute(socket, *owners, describe);
    tracker_.dump_row(std::move(socket));
  }

  // What the dump did not show may have been missed by it: ask for each.
  const DumpScope scope{netns_, {}};
  for (const Socket& suspect : tracker_.suspects(scope)) {
    Result<std::optional<Socket>> found = source::find_socket(suspect);
    if (found && !found->has_value()) tracker_.confirm_gone(suspect.key, sys::boottime_ns());
  }
  return tracker_.finish_dump(sys::boottime_ns());
}

void Session::explain(Event& event) const {
  std::vector<const Socket*> candidates;
  table_.for_each([&](const Socket& row) {
    if (row.netns == event.socket.netns && row.local.port == event.socket.local.port) candidates.push_back(&row);
  });
  event.conflicts = diagnose::explain_failure(event, candidates);
}

void Session::on_event(Event&& event) {
  if (!snapshot_done_) return;  // the first snapshot is shown as the table
  if (event.kind == EventKind::bind_failed || event.kind == EventKind::listen_failed) explain(event);
  if (!selection_.tells(event)) return;
  ++events_;
  if (json_)
    json_->event(output_.buffer(), event);
  else
    sink::append_event_line(output_.buffer(), event, clock_, style_);
  if (log_) log_->event(event);
}

}  // namespace socktrace::cli
