#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/netns_names.h"
#include "core/ss/names.h"
#include "core/ss/row_text.h"
#include "core/table.h"

namespace socktrace::cli {

// The rows of `table` that `lists` accepts, in a stable order: protocol as in ss, family, listeners first, port.
std::vector<const Socket*> ordered_rows(const Table& table, const std::function<bool(const Socket&)>& lists);

struct TableStyle {
  bool header = true;
  bool numeric = true;                // ports as numbers
  uint32_t width = 0;                 // columns of the terminal; 0: not a terminal
  const NetnsNames* netns = nullptr;  // a column says where each row is, when any is elsewhere
};

// A socket of the table as a row of ss; what only sock_diag tells is missing.
diag::Row recorded_row(const Socket& socket);

// As ss::write_row, but with -p the process column is never blank: see append_table.
void write_owned_row(ss::Line& line, const diag::Row& row, const ss::Show& show, const ss::Names& names);

// The rows as `ss -p` prints them; without users, `last:(name[pid])` tells who had the socket, or `?kernel`, `?permission` …
// why nobody is known. `! any iface` and the like follow a listener that other hosts may reach.
void append_table(std::string& out, const std::vector<const Socket*>& rows, const ss::Names& names,
                  const TableStyle& style);

}  // namespace socktrace::cli
