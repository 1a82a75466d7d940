#pragma once

#include <cstddef>

namespace socktrace::sys {

// While it lives, blocks of megabytes come from the heap in huge pages, where the kernel gives them to those who ask
// (transparent_hugepage/enabled: madvise or always). For who needs some once, such as libbpf, which reads the kernel's BTF (5 MB)
// and copies it: that takes 2,600 page faults otherwise, which cost more than the reading. What is left of them is given back
// at the end. Of the main thread's heap; one at a time.
class LargeBlocks {
 public:
  // `bytes`: of all blocks together.
  explicit LargeBlocks(size_t bytes);
  ~LargeBlocks();

  LargeBlocks(const LargeBlocks&) = delete;
  LargeBlocks& operator=(const LargeBlocks&) = delete;
};

}  // namespace socktrace::sys
