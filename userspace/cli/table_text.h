#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/ss/names.h"
#include "core/table.h"

namespace socktrace::cli {

// The rows of `table` that `lists` accepts, in a stable order: protocol as in ss, family, listeners first, port.
std::vector<const Socket*> ordered_rows(const Table& table, const std::function<bool(const Socket&)>& lists);

struct TableStyle {
  bool header = true;
  bool numeric = true;  // ports as numbers
  uint32_t width = 0;   // columns of the terminal; 0: not a terminal
};

// The rows as `ss -p` prints them; without users, `last:(name[pid])` tells who had the socket, or `?kernel`, `?permission` …
// why nobody is known.
void append_table(std::string& out, const std::vector<const Socket*>& rows, const ss::Names& names,
                  const TableStyle& style);

}  // namespace socktrace::cli
