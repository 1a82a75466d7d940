#include "cli/ss_printers.h"

#include <fmt/format.h>
#include <utility>

#include "cli/table_text.h"
#include "core/diag/dump_file.h"
#include "core/ss/json.h"
#include "core/ss/layout.h"
#include "core/ss/row_text.h"

namespace socktrace::cli {
namespace {

constexpr size_t kWriteBytes = size_t{64} << 10;

bool one_bit(uint64_t set) {
  return (set & (set - 1)) == 0;
}

Result<const Field*> field_named(const std::string& name) {
  if (const Field* field = find_field(name)) return field;
  std::string known;
  for (const Field& field : fields()) known += fmt::format(" {}", field.name);
  return Error{fmt::format("ss: no field is called `{}`; there are{}", name, known), ErrorKind::usage};
}

class TablePrinter final : public Printer {
 public:
  TablePrinter(const ss::Options& options, const SsEdges& edges)
      : show_(shown(options.show, edges)),
        names_(edges.names),
        sees_every_process_(edges.sees_every_process),
        recorded_(edges.rows_are_recorded),
        layout_({.header = options.show.header,
                 .netns = options.all_netns,
                 .netid = !one_bit(options.selection.tables),
                 .state = !one_bit(options.selection.states),
                 .queues = options.show.queues,
                 .width = edges.width},
                edges.write) {}
  bool add(const diag::Row& row) override {
    if (show_.every_owner || recorded_ || is_hidden(row.socket))
      write_owned_row(line_, row, show_, names_);
    else
      ss::write_row(line_, row, show_, names_);
    return layout_.add(line_);
  }
  bool finish() override { return layout_.finish(); }

 private:
  static ss::Show shown(ss::Show show, const SsEdges& edges) {
    show.every_owner = edges.width != 0;
    return show;
  }
  // Away from a terminal, a socket that nobody has shows no owner, as in ss; one whose owner we may not see tells so.
  [[nodiscard]] bool is_hidden(const Socket& socket) const {
    return !sees_every_process_ && socket.owners.empty() && socket.no_owner == NoOwner::permission;
  }

  const ss::Show show_;
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
      : table_(plan.columns), header_(plan.options.show.header), width_(edges.width), write_(edges.write) {}
  bool add(const diag::Row& row) override {
    table_.add(row);
    return true;
  }
  bool finish() override {
    std::string out;
    table_.render(out, std::exchange(header_, false), width_);
    return write_(out);
  }

 private:
  ss::ColumnTable table_;
  bool header_;
  size_t width_;
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

// The answers of the kernel as they came, in one dump: what `ss -D` writes.
class DumpPrinter final : public Printer {
 public:
  explicit DumpPrinter(const SsEdges& edges) : write_(edges.write) {}
  bool add(const diag::Row& row) override {
    diag::append_dump_message(out_, row.attributes.message());
    if (out_.size() < kWriteBytes) return true;
    const bool written = write_(out_);
    out_.clear();
    return written;
  }
  bool finish() override {
    diag::append_dump_end(out_);
    return write_(out_);
  }

 private:
  const std::function<bool(std::string_view)>& write_;
  std::string out_;
};

}  // namespace

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
  plan.fields = options.json || !plan.columns.empty() || !plan.sort.empty() || plan.group;
  if (options.json && (options.show.extended || options.show.cgroup)) plan.cgroup_paths = true;
  return plan;
}

std::unique_ptr<Printer> printer_for(const Plan& plan, const SsEdges& edges) {
  if (!plan.options.dump_file.empty()) return std::make_unique<DumpPrinter>(edges);
  if (plan.group) return std::make_unique<GroupPrinter>(plan, edges);
  if (plan.options.json) return std::make_unique<JsonPrinter>(edges);
  if (!plan.columns.empty()) return std::make_unique<ColumnPrinter>(plan, edges);
  return std::make_unique<TablePrinter>(plan.options, edges);
}

}  // namespace socktrace::cli
