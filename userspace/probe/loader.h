#pragma once

#include <bpf/libbpf.h>

// The skeleton names these types without declaring them.
#include "bpf/abi.h"
#include "bpf/config.h"

#include "socktrace.skel.h"

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "core/result.h"
#include "probe/tracer.h"

namespace socktrace::probe {

// What libbpf takes while it loads: the kernel's BTF (5 MB) twice, an index of it, and ours.
inline constexpr size_t kLibbpfBytes = size_t{16} << 20;

struct SkeletonDeleter {
  void operator()(socktrace_bpf* skeleton) const { socktrace_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<socktrace_bpf, SkeletonDeleter>;

struct Loaded {
  Skeleton skeleton;
  std::map<std::string, std::string> refused;  // program -> what the kernel said
};

// Opens and loads the programs that `options` ask for. What a kernel refuses is left out and the rest is
// loaded again, so that a kernel with everything pays for one load. Does not attach. BindResult::automatic has been
// decided by then.
Result<Loaded> load(const Options& options);

}  // namespace socktrace::probe
