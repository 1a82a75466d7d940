#include "cli/table_text.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "core/event_text.h"
#include "core/reach.h"
#include "core/ss/layout.h"
#include "core/ss/row_text.h"

namespace socktrace::cli {
namespace {

auto order(const Socket& socket) {
  return std::tuple(diag::table_of(socket), socket.family, socket.state != State::listen, socket.local.port,
                    socket.local.address, socket.peer.port, socket.peer.address, socket.key.cookie);
}

// Never blank: who had the socket last, or why nobody is known.
void append_absent_owner(std::string& out, const Socket& socket) {
  const bool inherited = !socket.owners.empty() && socket.owners.front().source == OwnerSource::inherited;
  if (socket.owners.empty() || inherited) {
    out += ' ';
    out += no_owner_text(inherited ? NoOwner::unaccepted : socket.no_owner);
    return;
  }
  append_processes(out, " last:", socket.owners);
}

}  // namespace

std::vector<const Socket*> ordered_rows(const Table& table, const std::function<bool(const Socket&)>& lists) {
  std::vector<const Socket*> rows;
  table.for_each([&](const Socket& row) {
    if (lists(row)) rows.push_back(&row);
  });
  std::sort(rows.begin(), rows.end(), [](const Socket* a, const Socket* b) { return order(*a) < order(*b); });
  return rows;
}

diag::Row recorded_row(const Socket& socket) {
  diag::Row row;
  row.table = diag::table_of(socket);
  row.socket = socket;
  return row;
}

void write_owned_row(ss::Line& line, const diag::Row& row, const ss::Show& show, const ss::Names& names) {
  diag::Row shown = row;
  std::erase_if(shown.socket.owners,
                [](const Owner& owner) { return owner.exited || owner.source == OwnerSource::inherited; });
  ss::write_row(line, shown, show, names);
  if (!show.processes || !shown.socket.owners.empty()) return;
  std::string absent;
  append_absent_owner(absent, row.socket);
  line.text.insert(line.end[ss::kPeerPort], absent);
  line.end[ss::kRest] = static_cast<uint32_t>(line.text.size());
}

void append_table(std::string& out, const std::vector<const Socket*>& rows, const ss::Names& names,
                  const TableStyle& style) {
  const bool elsewhere = style.netns && std::ranges::any_of(rows, [&](const Socket* socket) {
                           return !style.netns->foreign_name(socket->netns).empty();
                         });
  ss::Layout layout({.header = style.header, .netns = elsewhere, .width = style.width},
                    [&](std::string_view text) {
                      out += text;
                      return true;
                    });
  ss::Show show;
  show.numeric = style.numeric;
  show.processes = true;
  ss::Line line;
  for (const Socket* socket : rows) {
    diag::Row row = recorded_row(*socket);
    std::string netns;
    if (elsewhere) row.netns_name = netns = style.netns->name(socket->netns);
    write_owned_row(line, row, show, names);
    if (const Reach reach = reach_of(*socket);
        is_inet(*socket) && is_listening(*socket) && is_exposed(reach)) {
      line.text += " ! ";
      line.text += name(reach);
      line.end[ss::kRest] = static_cast<uint32_t>(line.text.size());
    }
    layout.add(line);
  }
  layout.finish();
}

}  // namespace socktrace::cli
