#pragma once

#include <string>

#include "core/result.h"

namespace socktrace::sink {

// Rewrites a finished log as zstd and deletes the plain file. Each frame holds about 1 MiB of whole lines,
// its size and a checksum, so that damage costs one frame and a reader can begin at any of them. The result
// appears under its name only when it is complete and on disk, with the times of the plain file; an unfinished one
// from a crash is replaced.
Result<void> compress_log(const std::string& plain, const std::string& compressed);

}  // namespace socktrace::sink
