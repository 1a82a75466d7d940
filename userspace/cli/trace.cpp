#include "cli/trace.h"

#include <memory>

#include "cli/session.h"
#include "sys/signals.h"

namespace socktrace::cli {

Result<int> run_trace(const TraceOptions& options) {
  sys::ignore_failed_writes();
  Result<std::unique_ptr<Session>> session = Session::start(options);
  if (!session) return std::move(session.error());
  return (*session)->run();
}

}  // namespace socktrace::cli
