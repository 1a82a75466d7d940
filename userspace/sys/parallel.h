#pragma once

#include <cstddef>
#include <functional>

namespace socktrace::sys {

// Calls work(0) ... work(count - 1), each once, on up to `threads` threads, one of which is ours; 0: as many as there are
// processors, at most 8. Fewer when no more are to be had.
void in_parallel(size_t count, unsigned threads, const std::function<void(size_t)>& work);

}  // namespace socktrace::sys
