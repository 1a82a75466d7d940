#pragma once

#include "core/diag/row.h"
#include "core/ss/line.h"
#include "core/ss/names.h"
#include "core/ss/options.h"

namespace socktrace::ss {

// Writes a socket as one row of the ss table, with the owners that the socket carries.
void write_row(Line& line, const diag::Row& row, const Show& show, const Names& names);

}  // namespace socktrace::ss
