#include "cli/ss.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <memory>

#include "cli/exit_code.h"
#include "cli/table_text.h"
#include "core/event_text.h"
#include "core/ss/columns.h"
#include "core/ss/json.h"
#include "core/ss/layout.h"
#include "core/ss/row_text.h"
#include "core/ss/selection.h"
#include "core/ss/summary.h"
#include "source/dump.h"
#include "source/namespaces.h"

namespace socktrace::cli {
namespace {

constexpr size_t kWriteBytes = size_t{64} << 10;

bool one_bit(uint64_t set) {
  return (set & (set - 1)) == 0;
}

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

Result<const Field*> field_named(const std::string& name) {
  if (const Field* field = find_field(name)) return field;
  std::string known;
  for (const Field& field : fields()) known += fmt::format(" {}", field.name);
  return Error{fmt::format("ss: no field is called `{}`; there are{}", name, known), ErrorKind::usage};
}

// What to print, with the names of fields looked up.
struct Plan {
  ss::Options options;
  std::vector<const Field*> columns;
  std::vector<ss::SortedRows::Key> sort;
  const Field* group = nullptr;
  bool owners = false;

  // Fields make the dump ask for what they need.
  void need(const Field& field) {
    if (field.needs == FieldNeeds::owners) owners = true;
    if (field.needs == FieldNeeds::information) options.show.information = true;
    if (field.needs == FieldNeeds::memory) options.show.memory = true;
  }
};

Result<Plan> plan_for(const ss::Options& options) {
  Plan plan{.options = options, .columns = {}, .sort = {}, .owners = options.show.processes};
  for (const std::string& name : options.columns) {
    Result<const Field*> field = field_named(name);
    if (!field) return std::move(field.error());
    plan.columns.push_back(*field);
    plan.need(**field);
  }
  for (std::string name : options.sort) {
    const bool descending = name.starts_with('-');
    if (descending) name.erase(0, 1);
    Result<const Field*> field = field_named(name);
    if (!field) return std::move(field.error());
    plan.sort.push_back({*field, descending});
    plan.need(**field);
  }
  if (!options.group_by.empty()) {
    Result<const Field*> field = field_named(options.group_by);
    if (!field) return std::move(field.error());
    plan.group = *field;
    plan.need(**field);
  }
  return plan;
}

// One way of printing rows. False from either: nobody reads any more.
class Printer {
 public:
  virtual ~Printer() = default;
  virtual bool add(const diag::Row& row) = 0;
  virtual bool finish() = 0;
};

class TablePrinter final : public Printer {
 public:
  TablePrinter(const ss::Options& options, const SsEdges& edges)
      : show_(options.show),
        names_(edges.names),
        sees_every_process_(edges.sees_every_process),
        recorded_(edges.recorded != nullptr),
        layout_({.header = options.show.header,
                 .netid = !one_bit(options.selection.tables),
                 .state = !one_bit(options.selection.states),
                 .queues = options.show.queues,
                 .width = edges.width},
                edges.write) {}
  bool add(const diag::Row& row) override {
    if (recorded_ || is_hidden(row.socket))
      write_owned_row(line_, row, show_, names_);
    else
      ss::write_row(line_, row, show_, names_);
    return layout_.add(line_);
  }
  bool finish() override { return layout_.finish(); }

 private:
  const ss::Show& show_;
  // As ss, an owner that nobody has is blank; one that we may not see is told.
  [[nodiscard]] bool is_hidden(const Socket& socket) const {
    return !sees_every_process_ && socket.owners.empty() && socket.no_owner == NoOwner::permission;
  }

  const ss::Names& names_;
  bool sees_every_process_;
  bool recorded_;
  ss::Layout layout_;
  ss::Line line_;
};

class JsonPrinter final : public Printer {
 public:
  explicit JsonPrinter(const SsEdges& edges) : write_(edges.write) {}
  bool add(const diag::Row& row) override {
    ss::append_json(out_, row);
    return out_.size() < kWriteBytes || finish();
  }
  bool finish() override {
    const bool written = out_.empty() || write_(out_);
    out_.clear();
    return written;
  }

 private:
  const std::function<bool(std::string_view)>& write_;
  std::string out_;
};

class ColumnPrinter final : public Printer {
 public:
  ColumnPrinter(const Plan& plan, const SsEdges& edges)
      : table_(plan.columns), header_(plan.options.show.header), write_(edges.write) {}
  bool add(const diag::Row& row) override {
    table_.add(row);
    return true;
  }
  bool finish() override {
    std::string out;
    table_.render(out, header_);
    return write_(out);
  }

 private:
  ss::ColumnTable table_;
  bool header_;
  const std::function<bool(std::string_view)>& write_;
};

class GroupPrinter final : public Printer {
 public:
  GroupPrinter(const Plan& plan, const SsEdges& edges)
      : table_(*plan.group), options_(plan.options), write_(edges.write) {}
  bool add(const diag::Row& row) override {
    table_.add(row);
    return true;
  }
  bool finish() override {
    std::string out;
    if (options_.json)
      table_.render_json(out);
    else
      table_.render(out, options_.show.header);
    return write_(out);
  }

 private:
  ss::GroupTable table_;
  const ss::Options& options_;
  const std::function<bool(std::string_view)>& write_;
};

std::unique_ptr<Printer> printer_for(const Plan& plan, const SsEdges& edges) {
  if (plan.group) return std::make_unique<GroupPrinter>(plan, edges);
  if (plan.options.json) return std::make_unique<JsonPrinter>(edges);
  if (!plan.columns.empty()) return std::make_unique<ColumnPrinter>(plan, edges);
  return std::make_unique<TablePrinter>(plan.options, edges);
}

// One run over one or more network namespaces.
class Run {
 public:
  Run(const Plan& plan, const SsEdges& edges)
      : plan_(plan), edges_(edges), printer_(printer_for(plan, edges)), sorted_(plan.sort) {}

  Result<void> dump_current_netns() {
    const ss::Selection& selection = plan_.options.selection;
    source::DumpRequest request;
    request.tables = tables_to_dump(selection);
    if (plan_.options.kill) request.tables &= diag::kInetTables;
    request.states = selection.states;
    request.inet = (selection.families & ss::bit(Family::inet)) != 0 && selection.preferred != Family::inet6;
    request.inet6 = (selection.families & ss::bit(Family::inet6)) != 0 && selection.preferred != Family::inet;
    request.detail = ss::detail(plan_.options.show);
    request.bytecode = edges_.bytecode;
    Result<source::DumpReport> report =
        source::dump_rows(request, [this](diag::Row&& row) { return take(std::move(row)); });
    if (!report) return std::move(report.error());
    if (report->interrupted)
      edges_.message("sockets changed during the dump; rows may be missing or repeated");
    return {};
  }

  Result<void> read_recorded() {
    return edges_.recorded([this](diag::Row&& row) {
      if (!ss::selects(plan_.options.selection, row)) return true;
      return take(std::move(row));
    });
  }

  [[nodiscard]] bool found() const { return found_; }

  // The exit code.
  int finish() {
    if (sorting()) sorted_.for_each([this](const diag::Row& row) { return printer_->add(row); });
    printer_->finish();
    if (hidden_ > 0 && plan_.owners && !edges_.sees_every_process)
      edges_.message(fmt::format("{} socket{} of other users: root sees their processes", hidden_,
                                 hidden_ == 1 ? "" : "s"));
    return found_ && !kill_failed_ ? kOk : kNothingFound;
  }

 private:
  [[nodiscard]] bool sorting() const { return !plan_.sort.empty(); }

  bool take(diag::Row&& row) {
    const bool has_owners = edges_.recorded != nullptr;
    if (edges_.matches_owners && !has_owners) edges_.add_owners(row.socket);
    if (edges_.matches && !edges_.matches(row.socket)) return true;
    if (plan_.owners && !edges_.matches_owners && !has_owners) edges_.add_owners(row.socket);
    if (row.socket.owners.empty() && row.socket.no_owner == NoOwner::permission) ++hidden_;
    if (plan_.options.kill && !kill(row.socket)) return true;
    found_ = true;
    if (!sorting()) return printer_->add(row);
    sorted_.add(std::move(row));
    return true;
  }

  // What could not be closed is said, and not printed.
  bool kill(const Socket& socket) {
    const Result<void> closed = source::destroy_socket(socket);
    if (closed) return true;
    if (closed.error().code == ENOENT) return false;  // it has just ended by itself
    kill_failed_ = true;
    std::string where;
    append_where(where, socket);
    const bool cannot = closed.error().code == EOPNOTSUPP;
    edges_.message(fmt::format("{}: {}", where,
                               cannot
                                   ? "this kernel cannot close it (CONFIG_INET_DIAG_DESTROY, or its protocol)"
                                   : closed.error().message));
    return false;
  }

  const Plan& plan_;
  const SsEdges& edges_;
  bool kill_failed_ = false;
  size_t hidden_ = 0;  // rows whose owners we may not see
  std::unique_ptr<Printer> printer_;
  ss::SortedRows sorted_;  // used when there are keys to sort by
  bool found_ = false;
};

std::string contents(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
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
    edges.write(ss::summary_text(contents("/proc/thread-self/net/sockstat"),
                                 contents("/proc/thread-self/net/sockstat6"),
                                 contents("/proc/thread-self/net/snmp")));
    if (options.summary_only) return kOk;
  }
  if (const char* why = why_nothing(options.selection)) {
    edges.message(why);
    return kNothingFound;
  }
  if (options.kill && !edges.matches)
    return Error{"ss: -K without a filter would close every connection: say which", ErrorKind::usage};
  if (options.kill && edges.recorded)
    return Error{"ss: -K closes sockets of this host, not of a log", ErrorKind::usage};
  Run run(*plan, edges);
  const auto dump = [&](const source::NetworkNamespace&) { return run.dump_current_netns(); };
  Result<void> dumped;
  if (edges.recorded) {
    dumped = run.read_recorded();
  } else if (options.all_netns) {
    Result<size_t> closed = source::in_every_netns(dump);
    if (!closed)
      dumped = std::move(closed.error());
    else if (*closed > 0)
      edges.message(
          fmt::format("{} network namespaces could not be entered: run as root to see them", *closed));
  } else {
    dumped = options.netns.empty() ? run.dump_current_netns() : source::in_named_netns(options.netns, dump);
  }
  if (!dumped && !run.found()) return std::move(dumped.error());
  const int code = run.finish();  // what could be read is printed, whatever happened then
  if (!dumped) return std::move(dumped.error());
  return code;
}

}  // namespace socktrace::cli
