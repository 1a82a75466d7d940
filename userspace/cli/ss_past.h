#pragma once

#include <memory>

#include "cli/past.h"
#include "cli/ss.h"
#include "core/filter/filter.h"
#include "core/log/replay.h"
#include "core/ss/names.h"
#include "core/ss/options.h"

namespace socktrace::cli {

// `socktrace ss --from`: rows and names of a log. Nothing is taken from the reader's host, which may be another one, or call
// by the same number or name what is something else by now.
using Replay = std::shared_ptr<const LogReplay>;

// The table of --from and --at. What was asked for and is in no log is said. `damaged`: as PastTable.
Result<Replay> read_log(const ss::Options& options, const Message& message, bool& damaged);

// The rows of the namespaces that -N and --all-netns choose, in the order of the trace table. Refers to `replay` only.
Result<RowSource> rows_of_log(const ss::Options& options, const Replay& replay);

// What names in a filter mean is known once the log has been read: until then (null) any will do.
FilterNames filter_names_of_log(const LogReplay* past, FilterNames names);
ss::Names names_of_log(const LogReplay& past, ss::Names names);

}  // namespace socktrace::cli
