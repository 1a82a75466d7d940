#include "sys/large_blocks.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

namespace socktrace::sys {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr int kLargest = 32 << 20;  // that M_MMAP_THRESHOLD takes: mallopt(3)
// What glibc would have come to by itself once blocks as large as the kernel's BTF were freed.
constexpr int kLarge = 4 << 20;

}  // namespace

LargeBlocks::LargeBlocks(size_t bytes) {
  mallopt(M_MMAP_THRESHOLD, kLargest);
  mallopt(M_TRIM_THRESHOLD, kLargest);
  // A block that nobody has touched, so that the kernel has not decided about its pages yet.
  void* block = std::malloc(bytes + kHugePage);
  if (block == nullptr) return;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(block) + kHugePage - 1) & ~(kHugePage - 1);
  (void)madvise(reinterpret_cast<void*>(begin), bytes & ~(kHugePage - 1), MADV_HUGEPAGE);
  std::free(block);
}

LargeBlocks::~LargeBlocks() {
  mallopt(M_MMAP_THRESHOLD, kLarge);
  mallopt(M_TRIM_THRESHOLD, 2 * kLarge);
  malloc_trim(0);
}

}  // namespace socktrace::sys
