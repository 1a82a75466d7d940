#pragma once

#include <string>

#include "core/result.h"
#include "source/dump.h"

namespace socktrace::source {

// The rows of a file that `ss -D` wrote (core/diag/dump_file.h), past every end of a dump in it; "-": standard input.
// ErrorKind::damaged after the rows that were readable when the file is cut or is none.
Result<void> read_diag_file(const std::string& path, const RowSink& sink);

}  // namespace socktrace::source
