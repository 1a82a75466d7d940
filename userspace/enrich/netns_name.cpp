#include "enrich/netns_name.h"

#include "enrich/cgroup.h"

namespace socktrace::enrich {

std::string netns_name(const sys::NetNamespace& netns, const sys::Procfs& procfs) {
  if (!netns.name.empty()) return netns.name;
  if (netns.initial) return "host";
  if (const auto process = procfs.process(netns.pid); netns.pid != 0 && process) {
    const auto inside = process->net_namespace();
    const auto text = process->cgroup();
    if (inside && *inside == netns.inode && text) {
      const Placement placement = placement_of(parse_membership(*text).path);
      if (!placement.container.empty()) return short_container_id(placement);
      if (!placement.unit.empty()) return placement.unit;
    }
  }
  return std::to_string(netns.inode);
}

std::string netns_name(const sys::NetNamespace& netns) {
  const Result<sys::Procfs> procfs = sys::Procfs::open();
  return procfs ? netns_name(netns, *procfs) : std::to_string(netns.inode);
}

}  // namespace socktrace::enrich
