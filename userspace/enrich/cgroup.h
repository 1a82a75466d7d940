#pragma once

#include <string>
#include <string_view>

namespace socktrace::enrich {

// What /proc/PID/cgroup says: one line "ID:CONTROLLERS:PATH" per hierarchy; "0::PATH" is cgroup v2,
// CONTROLLERS "name=systemd" systemd's own on hosts with v1 (cgroups(7)).
struct CgroupMembership {
  std::string path;          // where the process belongs; see below
  std::string unified_path;  // of the "0::" line, which a cgroup v2 id refers to; empty without one
};

// A host with v1 hierarchies shows a process several times, and not every one tells where it belongs: systemd
// keeps its units in its own hierarchy and in v2, a container runtime without systemd its containers in the
// v1 hierarchies but not in v2. So `path` is the first that names a container, else systemd's, else that of
// v2. " (deleted)" (the cgroup was removed) is cut off.
CgroupMembership parse_membership(std::string_view text);

// What a cgroup path tells about who runs there.
struct Placement {
  std::string unit;        // "nginx.service", as systemctl takes it (escapes like \x2d are part of the name)
  bool user_unit = false;  // the unit belongs to a user's manager: systemctl --user
  std::string container;   // full id, or name for LXC and systemd-nspawn; the innermost if nested
  std::string runtime;     // "docker" "podman" "containerd" "cri-o" "lxc" "systemd-nspawn"; empty: some other
  std::string pod;         // Kubernetes pod uid
};

// The unit is the host's (for a container's process the scope or service it runs in). Below
// "user@UID.service" it is the user's unit when there is one.
Placement placement_of(std::string_view path);

// As the runtime's own commands list it: 12 digits, or 13 for containerd and cri-o (crictl); names whole.
std::string short_container_id(const Placement& placement);

}  // namespace socktrace::enrich
