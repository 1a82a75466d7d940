// Text of /proc: the first byte chooses the file.
#include "core/diag/row.h"
#include "core/ss/summary.h"
#include "enrich/cgroup.h"
#include "safe_text.h"
#include "sys/mounts.h"
#include "sys/procfs.h"
#include "target.h"

using namespace socktrace;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(fuzz::text_of(data + 1, size - 1));
  switch (data[0] % 8) {
    case 0:
      (void)sys::parse_process_stat(text);
      break;
    case 1:
      (void)sys::parse_effective_uid(text);
      break;
    case 2: {
      const std::vector<sys::Mount> mounts = sys::parse_mountinfo(text);
      (void)sys::find_cgroup2(mounts);
      (void)sys::find_tracefs(mounts);
      (void)sys::hides_processes(mounts);
      break;
    }
    case 3: {
      const enrich::CgroupMembership membership = enrich::parse_membership(text);
      fuzz::require(membership.path.size() <= text.size(), "a path is a part of the text");
      const enrich::Placement placement = enrich::placement_of(membership.path);
      (void)enrich::short_container_id(placement);
      break;
    }
    case 4:
      (void)enrich::short_container_id(enrich::placement_of(text));
      break;
    case 5:
      (void)sys::parse_inode_link(text, "socket");
      (void)sys::parse_inode_link(text, "net");
      break;
    case 6:
      for (const Family family : {Family::inet, Family::inet6})
        for (const diag::Table table : {diag::Table::raw, diag::Table::udp, diag::Table::tcp})
          (void)diag::parse_proc_row(table, family, text);
      break;
    default: {
      const size_t third = text.size() / 3;
      (void)ss::summary_text(text.substr(0, third), text.substr(third, third), text.substr(2 * third));
    }
  }
  return 0;
}
