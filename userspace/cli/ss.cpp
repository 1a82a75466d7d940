#include "cli/ss.h"

#include <fmt/format.h>

#include <cerrno>
#include <deque>
#include <fstream>

#include "cli/exit_code.h"
#include "cli/ss_printers.h"
#include "core/event_text.h"
#include "core/ss/rest.h"
#include "core/ss/selection.h"
#include "core/ss/summary.h"
#include "source/destroyed.h"
#include "source/dump.h"
#include "source/namespaces.h"

namespace socktrace::cli {
namespace {

// The part of the selection that a dump does not know: tables are asked for only with their family, and those
// whose sockets are always closed only when closed ones are wanted.
diag::TableSet tables_to_dump(const ss::Selection& selection) {
  using diag::bit;
  using diag::Table;
  diag::TableSet tables = selection.tables;
  const auto has = [&](Family family) { return (selection.families & ss::bit(family)) != 0; };
  const bool closed = (selection.states & mask(State::close)) != 0;
  if (!has(Family::inet) && !has(Family::inet6)) tables &= ~diag::kInetTables;
  if (!has(Family::unix)) tables &= ~diag::kUnixTables;
  if (!has(Family::vsock)) tables &= ~diag::kVsockTables;
  if (!has(Family::tipc)) tables &= ~bit(Table::tipc);
  // One packet table brings both, as in ss: it asks the kernel, which knows one.
  if (tables & diag::kPacketTables) tables |= diag::kPacketTables;
  if (!has(Family::packet) || !closed) tables &= ~diag::kPacketTables;
  if (!has(Family::netlink) || !closed) tables &= ~bit(Table::netlink);
  if (!has(Family::xdp) || !closed) tables &= ~bit(Table::xdp);
  return tables;
}

// One run over one or more network namespaces.
class Run {
 public:
  Run(const Plan& plan, const SsEdges& edges)
      : plan_(plan),
        edges_(edges),
        withheld_(plan.options, edges.filter_needs),
        printer_(printer_for(plan, edges)),
        holding_((plan.owners || edges.matches_owners) && !edges.rows && !plan.options.events &&
                 !plan.options.all_netns),
        held_({}),
        sorted_(plan.sort) {}

  Result<void> dump_current_netns() {
    if (plan_.options.events) return follow();
    const source::DumpRequest request = this->request();
    Result<source::DumpReport> report =
        source::dump_rows(request, [this](diag::Row&& row) { return take(std::move(row)); });
    if (holding_) release(true);
    if (!report) return std::move(report.error());
    withheld_.look_at(*report);
    if (report->interrupted)
      edges_.message("sockets changed during the dump; rows may be missing or repeated");
    return refusal();
  }

  Result<void> read_rows() {
    Result<void> read = edges_.rows([this](diag::Row&& row) {
      if (!ss::selects(plan_.options.selection, row)) return true;
      return take(std::move(row));
    });
    return read ? refusal() : std::move(read);
  }

  Result<void> dump_one_of_many(const sys::NetNamespace& netns) {
    Result<std::string> name = edges_.enter(netns);
    if (!name) return std::move(name.error());
    netns_name_ = netns_names_.emplace_back(*std::move(name));
    return dump_current_netns();
  }

  [[nodiscard]] bool found() const { return found_; }

  // The exit code.
  int finish() {
    if (sorting()) sorted_.for_each([this](const diag::Row& row) { return printer_->add(row); });
    printer_->finish();
    if (!edges_.rows) withheld_.tell(edges_.message);
    if (hidden_ > 0 && (plan_.owners || edges_.matches_owners) && !edges_.sees_every_process)
      edges_.message(fmt::format("{} socket{} of other users: root sees their processes", hidden_,
                                 hidden_ == 1 ? "" : "s"));
    return found_ && !kill_failed_ ? kOk : kNothingFound;
  }

 private:
  [[nodiscard]] bool sorting() const { return !plan_.sort.empty(); }

  [[nodiscard]] source::DumpRequest request() const {
    const ss::Selection& selection = plan_.options.selection;
    source::DumpRequest request;
    request.read_ahead = true;
    if (plan_.owners || edges_.matches_owners) request.coming = edges_.expect_owners;
    request.tables = tables_to_dump(selection);
    if (plan_.options.kill) request.tables &= diag::kInetTables;
    if (!plan_.options.dump_file.empty()) request.tables &= diag::bit(diag::Table::tcp);
    request.states = selection.states;
    request.inet = (selection.families & ss::bit(Family::inet)) != 0 && selection.preferred != Family::inet6;
    request.inet6 = (selection.families & ss::bit(Family::inet6)) != 0 && selection.preferred != Family::inet;
    request.detail = ss::detail(plan_.options.show);
    request.bytecode = edges_.bytecode();
    return request;
  }

  // Until nobody reads any more, or a signal ends us.
  Result<void> follow() {
    printer_->finish();  // the headings
    return source::follow_destroyed(
        request(), [this](diag::Row&& row) { return take(std::move(row)) && printer_->finish(); },
        [this] { edges_.message("sockets ended faster than they could be read: some are not shown"); });
  }

  bool take(diag::Row&& row) {
    if (!edges_.rows) row.netns_name = netns_name_;
    const bool has_owners = edges_.rows_are_recorded;
    if (!has_owners) {
      Result<void> told = withheld_.look_at(row);
      if (!told) refusal_ = std::move(told.error());
      if (refusal_) return false;
    }
    if (!holding_) return show(std::move(row));
    if (!edges_.matches_owners && edges_.matches && !edges_.matches(row.socket)) return true;
    held_.add(std::move(row));
    return ++held_count_ <= kFewRows || release(false);
  }

  // The owners of few sockets can be found more quickly, once it is known which they are.
  bool release(bool all_are_here) {
    holding_ = false;
    if (all_are_here) {
      std::vector<uint32_t> inodes;
      held_.for_each([&](const diag::Row& row) {
        inodes.push_back(row.socket.inode);
        if (row.socket.details) inodes.push_back(row.socket.details->peer_inode);
        return true;
      });
      edges_.want_owners(inodes);
    }
    bool wanted = true;
    held_.for_each([&](const diag::Row& row) { return wanted = show(diag::Row(row)); });
    return wanted;
  }

  bool show(diag::Row&& row) {
    const bool has_owners = edges_.rows_are_recorded;
    if (edges_.matches_owners && !has_owners && !add_owners(row)) return false;
    const bool matches = !edges_.matches || edges_.matches(row.socket);
    if (matches && plan_.owners && !edges_.matches_owners && !has_owners && !add_owners(row)) return false;
    // Without its owner a filter has left it out, perhaps.
    if ((matches || edges_.matches_owners) && row.socket.owners.empty() &&
        row.socket.no_owner == NoOwner::permission)
      ++hidden_;
    if (!matches) return true;
    if (plan_.options.kill && !kill(row.socket)) return !refusal_;
    found_ = true;
    if (plan_.fields) look_up_names(row);
    if (!sorting()) return printer_->add(row);
    sorted_.add(std::move(row));
    return true;
  }

  bool add_owners(diag::Row& row) {
    Result<void> added = edges_.add_owners(row);
    if (!added) refusal_ = std::move(added.error());
    return added.has_value();
  }

  Result<void> refusal() {
    return refusal_ ? Result<void>(*std::exchange(refusal_, std::nullopt)) : Result<void>();
  }

  // Here, since a row that is sorted is printed when its namespace has been left.
  void look_up_names(diag::Row& row) const {
    if (row.socket.ifindex != 0) row.interface = edges_.names.interface(row.socket.netns, row.socket.ifindex);
    if (plan_.cgroup_paths && row.socket.cgroup_id != 0)
      row.cgroup_path = edges_.names.cgroup(row.socket.cgroup_id);
    if (!plan_.options.show.bpf_maps || !is_inet(row.socket)) return;
    ss::Show show = plan_.options.show;
    show.one_line = true;
    ss::append_storages(row.storages, row, show, edges_.names);
    if (!row.storages.empty()) row.storages.erase(0, 1);
  }

  // What could not be closed is said, and not printed.
  bool kill(const Socket& socket) {
    const Result<void> closed = source::destroy_socket(socket);
    if (closed) return true;
    // The kernel looks for it among connections and listeners only.
    const bool bound_only =
        is_tcp(socket) && (socket.state == State::close || socket.state == State::bound_inactive);
    // Only sock_diag tells cookies: who has none is from /proc, and the kernel lacks the module that could close it.
    const bool unknown = closed.error().code == ENOENT && socket.key.cookie == 0;
    if (closed.error().code == ENOENT && !bound_only && !unknown)
      return false;  // it has just ended by itself
    if (closed.error().code == EPERM) {
      refusal_ = Error{"ss: -K needs CAP_NET_ADMIN: run as root", ErrorKind::privilege, EPERM};
      return false;
    }
    kill_failed_ = true;
    std::string where;
    append_where(where, socket);
    const bool cannot = closed.error().code == EOPNOTSUPP || unknown;
    edges_.message(fmt::format(
        "{}: {}", where,
        bound_only ? "the kernel cannot close a TCP socket that is only bound"
        : cannot   ? "this kernel cannot close it (CONFIG_INET_DIAG_DESTROY, or its protocol's diag module)"
                   : closed.error().message));
    return false;
  }

  const Plan& plan_;
  const SsEdges& edges_;
  SsWithheld withheld_;
  std::optional<Error> refusal_;  // why we stop: the filter cannot be decided, owners cannot be found
  bool kill_failed_ = false;
  std::string_view netns_name_;
  std::deque<std::string> netns_names_;  // rows borrow them
  size_t hidden_ = 0;                    // rows whose owners we may not see
  std::unique_ptr<Printer> printer_;
  static constexpr size_t kFewRows = 256;
  bool holding_;  // rows wait for the others, to ask for the owners of all
  ss::SortedRows held_;
  size_t held_count_ = 0;
  ss::SortedRows sorted_;  // used when there are keys to sort by
  bool found_ = false;
};

Result<std::string> contents(const char* path) {
  std::ifstream file(path);
  if (!file) return Error::system(std::string("ss: -s: open ") + path, errno);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Sockets that are not even bound are in no dump; the host's counter has them.
Result<std::optional<ss::TcpCounts>> count_tcp() {
  if (sys::in_initial_netns()) return std::optional<ss::TcpCounts>();
  ss::TcpCounts counts;
  source::DumpRequest request;
  request.tables = diag::bit(diag::Table::tcp);
  request.states &= ~(mask(State::time_wait) | mask(State::syn_recv));
  const auto dumped = source::dump_rows(request, [&](const diag::Row& row) {
    if (row.timer.is_timewait()) return true;  // in FIN-WAIT-2, and counted with TIME-WAIT
    ++counts.sockets;
    if (row.socket.state == State::close)
      ++counts.closed;
    else if (row.socket.inode == 0 && row.socket.state != State::established &&
             row.socket.state != State::close_wait)
      ++counts.orphaned;
    return true;
  });
  if (!dumped) return dumped.error();
  return std::optional(counts);
}

// Counted by the kernel of this network namespace. Without IPv6 there is no sockstat6.
Result<std::string> summary() {
  const auto counted = count_tcp();
  if (!counted) return counted.error();
  const Result<std::string> sockstat = contents("/proc/thread-self/net/sockstat");
  if (!sockstat) return sockstat.error();
  const Result<std::string> snmp = contents("/proc/thread-self/net/snmp");
  if (!snmp) return snmp.error();
  const Result<std::string> sockstat6 = contents("/proc/thread-self/net/sockstat6");
  return ss::summary_text(*sockstat, sockstat6 ? *sockstat6 : std::string(), *snmp, *counted);
}

// What ss says instead of an empty table.
const char* why_nothing(const ss::Selection& selection) {
  if (selection.tables == 0) return "no socket tables to show with such filter";
  if (selection.families == 0) return "no families to show with such filter";
  if (selection.states == 0) return "no socket states to show with such filter";
  return nullptr;
}

}  // namespace

Result<int> run_ss(const ss::Options& options, const SsEdges& edges) {
  Result<Plan> plan = plan_for(options);
  if (!plan) return std::move(plan.error());
  if (options.summary) {
    const Result<std::string> text = summary();
    if (!text) return text.error();
    edges.write(*text);
    if (options.summary_only) return kOk;
  }
  if (const char* why = why_nothing(options.selection)) {
    edges.message(why);
    return kNothingFound;
  }
  if (options.kill && !edges.matches)
    return Error{"ss: -K without a filter would close every connection: say which", ErrorKind::usage};
  if (options.kill && !(tables_to_dump(options.selection) & diag::kInetTables))
    return Error{"ss: -K: the kernel closes TCP, UDP and other inet sockets only, and none are selected",
                 ErrorKind::usage};
  if (options.kill && edges.rows)
    return Error{"ss: -K closes sockets of this host, not of a file", ErrorKind::usage};
  Run run(*plan, edges);
  Result<void> dumped;
  if (edges.rows) {
    dumped = run.read_rows();
  } else if (options.all_netns) {
    Result<size_t> closed =
        source::in_every_netns([&](const sys::NetNamespace& netns) { return run.dump_one_of_many(netns); });
    if (!closed)
      dumped = std::move(closed.error());
    else if (*closed > 0)
      edges.message(
          fmt::format("{} network namespaces could not be entered: run as root to see them", *closed));
  } else {
    dumped = run.dump_current_netns();
  }
  if (!dumped && !run.found()) return std::move(dumped.error());
  const int code = run.finish();  // what could be read is printed, whatever happened then
  if (!dumped) return std::move(dumped.error());
  return code;
}

}  // namespace socktrace::cli
