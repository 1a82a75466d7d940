#include "sys/sandbox.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "sys/syscall_filter.h"

namespace socktrace::sys {
namespace {

using Capabilities = std::vector<cap_value_t>;

struct FreeCapabilities {
  void operator()(_cap_struct* set) const { cap_free(set); }
};
using CapabilitySet = std::unique_ptr<_cap_struct, FreeCapabilities>;

bool is_permitted(const CapabilitySet& all, cap_value_t capability) {
  cap_flag_value_t value = CAP_CLEAR;
  return cap_get_flag(all.get(), capability, CAP_PERMITTED, &value) == 0 && value == CAP_SET;
}

Result<void> set_flags(const CapabilitySet& set, cap_flag_t flag, const Capabilities& capabilities) {
  if (!capabilities.empty() &&
      cap_set_flag(set.get(), flag, static_cast<int>(capabilities.size()), capabilities.data(), CAP_SET) != 0)
    return Error::system("choose capabilities", errno);
  return {};
}

// The effective set alone; what is permitted can be taken up again.
Result<void> use(const CapabilitySet& all, const Capabilities& capabilities) {
  const CapabilitySet set(cap_dup(all.get()));
  if (!set || cap_clear_flag(set.get(), CAP_EFFECTIVE) != 0)
    return Error::system("choose capabilities", errno);
  if (Result<void> chosen = set_flags(set, CAP_EFFECTIVE, capabilities); !chosen) return chosen;
  if (cap_set_proc(set.get()) != 0) return Error::system("give up capabilities for a moment", errno);
  return {};
}

// Everything else is gone.
Result<void> keep_only(const Capabilities& capabilities) {
  // As far as we may: without CAP_SETPCAP the bounding set stays, which matters to execve() only.
  for (cap_value_t each = 0; cap_get_bound(each) >= 0; ++each) (void)cap_drop_bound(each);
  (void)cap_reset_ambient();
  const CapabilitySet set(cap_init());
  if (!set) return Error::system("drop capabilities", errno);
  for (const cap_flag_t flag : {CAP_PERMITTED, CAP_EFFECTIVE})
    if (Result<void> chosen = set_flags(set, flag, capabilities); !chosen) return chosen;
  if (cap_set_proc(set.get()) != 0) return Error::system("drop capabilities", errno);
  return {};
}

Result<void> drop_capabilities(const SandboxNeeds& needs) {
  const CapabilitySet all(cap_get_proc());
  if (!all) return Error::system("read our capabilities", errno);
  Capabilities kept;
  const auto keep = [&](cap_value_t capability) {
    if (is_permitted(all, capability)) kept.push_back(capability);
  };
  keep(CAP_SYS_PTRACE);
  if (needs.other_namespaces) keep(CAP_SYS_ADMIN);
  if (needs.scan_descriptors) keep(CAP_DAC_READ_SEARCH);

  if (Result<void> tried = use(all, kept); !tried) return tried;
  const bool iterates = !needs.can_iterate || needs.can_iterate();
  const bool writes = needs.log_directory.empty() ||
                      faccessat(AT_FDCWD, needs.log_directory.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0;
  if (!iterates) keep(CAP_BPF);
  if (!writes) keep(CAP_DAC_OVERRIDE);
  if (cap_set_proc(all.get()) != 0) return Error::system("take up capabilities again", errno);
  return keep_only(kept);
}

// Name services load their modules, which are code, with the first question.
void load_name_services() {
  constexpr uid_t kNobodyHasIt = 0xfffffffe;
  (void)getpwuid(kNobodyHasIt);
}

}  // namespace

Result<void> enter_sandbox(const SandboxNeeds& needs) {
  load_name_services();
  if (Result<void> dropped = drop_capabilities(needs); !dropped) return dropped;
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return Error::system("forbid core dumps", errno);
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return Error::system("forbid being traced", errno);
#ifdef __SANITIZE_ADDRESS__
  return {};  // the sanitizers' own calls are on no list
#else
  return allow_only_needed_syscalls({.enter_namespaces = needs.other_namespaces});
#endif
}

}  // namespace socktrace::sys
