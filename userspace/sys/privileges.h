#pragma once

#include <string_view>
#include <vector>

#include "core/result.h"

namespace socktrace::sys {

// The effective capabilities that matter to a tracer (capabilities(7)).
struct Privileges {
  bool root = false;        // effective uid 0; means little in a container without the capabilities below
  bool net_admin = false;   // attach cgroup programs, read all of sock_diag
  bool bpf = false;         // 5.8
  bool perfmon = false;     // 5.8
  bool sys_admin = false;   // covers the two above; needed to enter network namespaces
  bool sys_ptrace = false;  // read the descriptors of other users' processes
  bool dac_read_search = false;   // open cgroups by their id
  bool net_bind_service = false;  // bind ports below net.ipv4.ip_unprivileged_port_start
  bool sys_resource = false;      // raise the limit of locked memory, which bounds BPF maps before 5.11
};

Result<Privileges> current_privileges();

// What must be added to load and attach the BPF programs: "CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN". Empty:
// nothing.
std::vector<std::string_view> missing_for_tracing(const Privileges& privileges);

}  // namespace socktrace::sys
