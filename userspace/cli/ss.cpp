#include "cli/ss.h"

#include "core/ss/layout.h"
#include "core/ss/row_text.h"
#include "core/ss/selection.h"
#include "source/dump.h"

namespace socktrace::cli {
namespace {

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

source::DumpRequest dump_request(const ss::Options& options, const SsEdges& edges) {
  const ss::Selection& selection = options.selection;
  source::DumpRequest request;
  request.tables = tables_to_dump(selection);
  request.states = selection.states;
  request.inet = (selection.families & ss::bit(Family::inet)) != 0 && selection.preferred != Family::inet6;
  request.inet6 = (selection.families & ss::bit(Family::inet6)) != 0 && selection.preferred != Family::inet;
  request.detail = ss::detail(options.show);
  request.bytecode = edges.bytecode;
  return request;
}

Result<int> print_table(const ss::Options& options, const SsEdges& edges) {
  const ss::Selection& selection = options.selection;
  ss::Layout layout({.header = options.show.header,
                     .netid = !one_bit(selection.tables),
                     .state = !one_bit(selection.states),
                     .queues = options.show.queues,
                     .width = edges.width},
                    edges.write);
  ss::Line line;
  Result<source::DumpReport> report = source::dump_rows(dump_request(options, edges), [&](diag::Row&& row) {
    if (edges.matches && !edges.matches(row.socket)) return true;
    if (options.show.processes && edges.add_owners) edges.add_owners(row.socket);
    ss::write_row(line, row, options.show, edges.names);
    return layout.add(line);
  });
  layout.finish();
  if (!report) return std::move(report.error());
  if (report->interrupted && edges.message)
    edges.message("sockets changed during the dump; rows may be missing or repeated");
  return 0;
}

}  // namespace

Result<int> run_ss(const ss::Options& options, const SsEdges& edges) {
  return print_table(options, edges);
}

}  // namespace socktrace::cli
