#include "sys/privileges.h"

#include <sys/capability.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace socktrace::sys {

Result<Privileges> current_privileges() {
  const std::unique_ptr<_cap_struct, int (*)(void*)> caps(cap_get_proc(), cap_free);
  if (!caps) return Error::system("read our capabilities", errno);
  // A capability that the kernel or the library does not know is not there.
  const auto has = [&](cap_value_t value) {
    cap_flag_value_t set = CAP_CLEAR;
    return cap_get_flag(caps.get(), value, CAP_EFFECTIVE, &set) == 0 && set == CAP_SET;
  };
  Privileges privileges;
  privileges.root = geteuid() == 0;
  privileges.net_admin = has(CAP_NET_ADMIN);
  privileges.bpf = has(CAP_BPF);
  privileges.perfmon = has(CAP_PERFMON);
  privileges.sys_admin = has(CAP_SYS_ADMIN);
  privileges.sys_ptrace = has(CAP_SYS_PTRACE);
  privileges.dac_read_search = has(CAP_DAC_READ_SEARCH);
  privileges.net_bind_service = has(CAP_NET_BIND_SERVICE);
  privileges.sys_resource = has(CAP_SYS_RESOURCE);
  return privileges;
}

std::vector<std::string_view> missing_for_tracing(const Privileges& privileges) {
  std::vector<std::string_view> missing;
  if (!privileges.bpf && !privileges.sys_admin) missing.emplace_back("CAP_BPF");
  if (!privileges.perfmon && !privileges.sys_admin) missing.emplace_back("CAP_PERFMON");
  if (!privileges.net_admin) missing.emplace_back("CAP_NET_ADMIN");
  return missing;
}

}  // namespace socktrace::sys
