#include "cli/session.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "cli/log_header.h"
#include "cli/netns_named.h"
#include "cli/ss_names.h"
#include "enrich/netns_name.h"
#include "sink/rotation.h"
#include "source/owners.h"
#include "source/self_test.h"
#include "sys/clock.h"
#include "sys/mounts.h"
#include "sys/netns.h"
#include "sys/notify.h"
#include "sys/priority.h"
#include "sys/privileges.h"
#include "sys/procfs.h"
#include "sys/sandbox.h"
#include "sys/signals.h"
#include "sys/terminal.h"

// From the options to `ready`: attach, prove, take the first table, give up privileges, open the logs.
namespace socktrace::cli {
namespace {

probe::BindResult bind_result(const std::string& name) {
  if (name == "fexit") return probe::BindResult::fexit;
  if (name == "tracepoint") return probe::BindResult::tracepoint;
  if (name == "infer") return probe::BindResult::infer;
  return probe::BindResult::automatic;
}

// As many as we may have: programs, maps and links alone take some 80.
Result<void> allow_descriptors() {
  constexpr rlim_t kLeast = 128;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return Error::system("limit of descriptors", errno);
  if (limit.rlim_max < kLeast)
    return Error{
        fmt::format("only {} descriptors may be open, {} are needed: raise RLIMIT_NOFILE (ulimit -n 1024)",
                    limit.rlim_max, kLeast),
        ErrorKind::unavailable};
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
  return {};
}

// Blocks that grow with a burst are to come from the system and go back to it: between the small ones that live a little
// longer, the holes that they leave are never filled again.
void keep_large_blocks_apart() {
  constexpr int kLarge = 256 << 10;
  ::mallopt(M_MMAP_THRESHOLD, kLarge);
  ::mallopt(M_TRIM_THRESHOLD, 2 * kLarge);
}

// All of the host, unless one was named or we may not enter others.
Result<source::KnownNamespaces> namespaces_of(const TraceOptions& options, bool& confined) {
  if (!options.netns.empty()) {
    Result<sys::NetNamespace> named = netns_of_option(options.netns);
    if (!named) return std::move(named.error());
    return source::KnownNamespaces::only(std::move(*named));
  }
  const Result<uint32_t> own = sys::current_netns();
  if (!own) return Error(own.error());
  const Result<sys::Privileges> privileges = sys::current_privileges();
  confined = privileges && !privileges->sys_admin;
  if (!confined) return source::KnownNamespaces::all(*own);
  sys::NetNamespace netns;
  netns.inode = *own;
  return source::KnownNamespaces::only(std::move(netns));
}

// Interfaces of the filter are those of the namespace that is traced, or, if that is all, our own.
Result<Selection> selection_of(const TraceOptions& options, const source::KnownNamespaces& namespaces) {
  if (namespaces.is_all()) return Selection::from(options);
  return sys::in_netns(namespaces.list().front(), [&] { return Selection::from(options); });
}

}  // namespace

Session::Session(const TraceOptions& options, Selection selection, sys::Signals signals, source::Live live,
                 sys::Procfs procfs, source::KnownNamespaces namespaces)
    : options_(options),
      selection_(std::move(selection)),
      signals_(std::move(signals)),
      live_(std::move(live)),
      namespaces_(std::move(namespaces)),
      netns_names_(namespaces_.own()),
      processes_(std::move(procfs)),
      names_(system_names(namespaces_.is_all() ? std::nullopt : std::optional(namespaces_.list().front()))),
      tracker_(
          table_, [this](const Task& task) { return processes_.find(task); },
          [this](Event&& event) { on_event(std::move(event)); }, live_.tracker_options()),
      comparison_(live_, tracker_, namespaces_,
                  [this](const source::SocketHolder& holder) {
                    return processes_.find(holder.pid, holder.start_ns, holder.comm());
                  }),
      upkeep_(live_, comparison_, options.audit_interval_ns, options.unix_sockets,
              {.run = [this](const LogLoss& loss) { add_to_logs(loss); },
               .lost =
                   [this](const LogLoss& lost) {
                     if (prints_lines() && started_)
                       sink::append_loss_line(output_.buffer(), lost, clock_, style_);
                   },
               .audit = [this](const LogAudit& audit) { add_to_logs(audit); },
               .say = [this](std::string_view message) { say(message); }}),
      clock_(sys::measure_wall_clock()),
      explainer_(table_, comparison_, namespaces_) {
  namespaces_.listen({.on_known =
                          [this](const sys::NetNamespace& netns) {
                            netns_names_.set(netns.inode, enrich::netns_name(netns));
                          },
                      .on_vanished = [this](uint32_t netns) { netns_names_.forget(netns); }});
}

Result<std::unique_ptr<Session>> Session::start(const TraceOptions& options) {
  bool confined = false;
  Result<source::KnownNamespaces> namespaces = namespaces_of(options, confined);
  if (!namespaces) return std::move(namespaces.error());
  Result<Selection> selection = selection_of(options, *namespaces);
  if (!selection) return std::move(selection.error());
  if (Result<void> allowed = allow_descriptors(); !allowed) return std::move(allowed.error());

  // A Ctrl-C from here on ends the run in order.
  Result<sys::Signals> signals = sys::Signals::block({SIGINT, SIGTERM, SIGHUP, SIGUSR1});
  if (!signals) return std::move(signals.error());
  Result<sys::Procfs> procfs = sys::Procfs::open();
  if (!procfs) return std::move(procfs.error());
  const Result<sys::UniqueFd> cgroup = sys::open_cgroup2();

  probe::Options probe;
  probe.bind_result = bind_result(options.bind_result);
  probe.ring_bytes = options.ring_bytes;
  probe.unix_sockets = options.unix_sockets;
  probe.connections = selection->may_tell_connections() && !options.no_connections;
  probe.ignore_pid = sys::initial_pid();
  probe.cgroup_fd = cgroup ? cgroup->get() : -1;
  Result<source::Live> attached = source::Live::attach(probe);
  if (!attached) return std::move(attached.error());
  keep_large_blocks_apart();
  sys::go_before_others();

  std::unique_ptr<Session> session(new Session(options, std::move(*selection), std::move(*signals),
                                               std::move(*attached), std::move(*procfs),
                                               std::move(*namespaces)));
  session->confined_ = confined;
  if (!cgroup) session->no_cgroup_ = cgroup.error().message;
  if (Result<void> ready = session->begin(); !ready) return std::move(ready.error());
  return session;
}

Result<void> Session::open_logs() {
  sink::LogFileOptions options;
  options.header = make_log_header(selection_.text(), live_.tracer().hooks());
  const auto tell = [&](const char* name, const std::string& missing) {
    options.header.probes.emplace_back(name, missing.empty() ? "ok" : missing);
  };
  tell("network namespaces", confined_ ? "this one only: others need CAP_SYS_ADMIN" : "");
  tell("self-test", self_test_);
  options.netns = &netns_names_;
  sink::LogFileHooks hooks;
  hooks.warn = [this](const std::string& message) {
    if (!json_ || json_->last_error() != EPIPE) say(message);
  };
  hooks.sockets = [this](const sink::SocketVisitor& visit) {
    table_.for_each([&](const Socket& row) {
      if (selection_.records(row)) visit(row);
    });
  };
  if (!options_.log.empty()) {
    options.path = options_.log;
    options.rotation = options_.rotation;
    options.keyframe_interval_ns = options_.keyframe_interval_ns;
    auto log = sink::LogFile::open(options, hooks, now());
    if (!log) return std::move(log.error());
    log_ = std::move(*log);
  }
  if (options_.json) {
    options.path = "-";
    hooks.sockets = [this](const sink::SocketVisitor& visit) {
      table_.for_each([&](const Socket& row) {
        if (selection_.lists(row)) visit(row);
      });
    };
    if (options_.no_table) hooks.sockets = nullptr;
    auto json = sink::LogFile::open(options, hooks, now());
    if (!json) return std::move(json.error());
    json_ = std::move(*json);
  }
  return {};
}

Result<void> Session::prove_events_flow() {
  const Result<source::SelfTest> test =
      source::self_test(live_, [this](const Record& record) { comparison_.apply(record); });
  if (!test) return test.error();
  if (test->blind())
    return Error{"tracing is blind: hooks are attached, but sockets of our own were not reported (" +
                     test->missed() + "): see  socktrace doctor",
                 ErrorKind::unavailable};
  if (!test->missed().empty()) self_test_ = "attached but silent: " + test->missed();
  if (!test->trouble.empty()) self_test_ = "not proven that events flow: " + test->trouble;
  return {};
}

// Where it is known, the hook is better: it tells the process, and costs the host less.
void Session::follow_udp_ends() {
  for (const probe::Hook& hook : live_.tracer().hooks())
    if (hook.name == "cgroup/sock_release" && hook.attached) return;
  const Result<uint32_t> netns = sys::current_netns();
  if (!netns) return;
  if (Result<source::UdpEnds> ends = source::UdpEnds::follow(*netns)) udp_ends_ = std::move(*ends);
}

// Everything is attached: what is left to do needs little, and takes names and bytes from strangers.
Result<void> Session::give_up_privileges() {
  const probe::Tracer& tracer = live_.tracer();
  sys::SandboxNeeds needs;
  needs.other_namespaces = true;
  needs.scan_descriptors = !tracer.has_iterator();
  needs.can_iterate = [&tracer] { return !tracer.has_iterator() || tracer.can_iterate(); };
  if (!options_.log.empty()) needs.log_directory = sink::directory_of(options_.log);
  Result<void> entered = sys::enter_sandbox(needs);
  if (entered || entered.error().kind != ErrorKind::unavailable) return entered;
  no_filter_ = entered.error().message;
  return {};
}

Result<void> Session::begin() {
  follow_udp_ends();
  if (!options_.once)
    if (Result<void> proven = prove_events_flow(); !proven) return proven;
  if (!namespaces_.is_all()) live_.tracer().narrow_to(namespaces_.list().front().inode);
  const Result<sys::ColorMode> color = sys::parse_color_mode(options_.color);
  if (!color) return Error(color.error());
  style_ = {.utc = options_.utc,
            .color = sys::use_color(*color, sys::color_inputs(STDOUT_FILENO)),
            .netns = &netns_names_};

  Result<ReconcileCounts> counts = comparison_.run(false);
  if (!counts) return std::move(counts.error());
  live_.dismiss_stand_in();
  if (Result<void> given_up = give_up_privileges(); !given_up) return given_up;
  Result<void> opened;
  print_to_whoever_reads([&] { opened = open_logs(); });  // each begins with the table
  if (!opened) return opened;
  if (prints_lines() && !options_.no_table) print_table();
  started_ = true;
  upkeep_.begin(sys::boottime_ns());
  // What happened while the dump was read is news.
  if (Result<void> arrived = comparison_.apply_arrived(); !arrived) return arrived;
  if (Result<bool> flushed = flush(); !flushed) return std::move(flushed.error());
  if (!options_.quiet && !options_.once) say_ready();
  if (options_.recorder) sys::notify_service_manager("READY=1");
  return {};
}

void Session::say_ready() const {
  const std::vector<probe::Hook>& hooks = live_.tracer().hooks();
  const auto attached =
      std::count_if(hooks.begin(), hooks.end(), [](const probe::Hook& hook) { return hook.attached; });
  std::string message = fmt::format("ready: {} of {} hooks", attached, hooks.size());
  const std::vector<std::string> costs = live_.costs();
  for (size_t i = 0; i < costs.size(); ++i) message += (i == 0 ? "; off: " : ", ") + costs[i];
  if (options_.unix_sockets && !live_.sees_unix_ends())
    message += live_.tracer().bind_result() == probe::BindResult::infer
                   ? "; unix sockets are looked at every second"
                   : "; closes of unix sockets are found within a second";
  if (options_.no_connections && live_.tells_connections())
    message += "; connections are followed all the same, as bind errors are inferred from them";
  if (!no_cgroup_.empty()) message += " (" + no_cgroup_ + ")";
  if (confined_) message += "; this network namespace only (others need CAP_SYS_ADMIN)";
  if (const size_t closed = comparison_.closed_namespaces(); closed > 0)
    message += fmt::format("; {} network namespace{} could not be entered", closed, closed == 1 ? "" : "s");
  if (!no_filter_.empty()) message += "; without a filter of our own system calls (" + no_filter_ + ")";
  if (!self_test_.empty()) message += "; " + self_test_;
  if (udp_ends_) message += "; ends of UDP sockets come from sock_diag";
  say(message);
  if (!options_.verbose) return;
  for (const probe::Hook& hook : hooks)
    say(hook.attached ? fmt::format("hook {}: attached", hook.name)
                      : fmt::format("hook {}: off: {}; {}", hook.name,
                                    hook.error.empty() ? "not asked for" : hook.error, hook.cost));
}

}  // namespace socktrace::cli
