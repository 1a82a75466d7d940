#include "source/find_owners.h"

#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "probe/open_sockets.h"
#include "sys/mounts.h"
#include "sys/privileges.h"

namespace socktrace::source {
namespace {

// Reading a link in /proc takes about 4 us, loading the iterator 40 ms.
constexpr uint64_t kManyDescriptors = 10'000;

// Since 6.2 (f1f1f2569901) the size of /proc/PID/fd is the number of descriptors; before, it is 0 everywhere,
// and nothing is known.
bool has_many_descriptors(const sys::Procfs& procfs) {
  Result<std::vector<uint32_t>> pids = procfs.pids();
  if (!pids) return false;
  uint64_t descriptors = 0;
  for (const uint32_t pid : *pids) {
    struct stat status {};
    if (stat(("/proc/" + std::to_string(pid) + "/fd").c_str(), &status) == 0)
      descriptors += static_cast<uint64_t>(status.st_size);
  }
  return descriptors == 0 || descriptors > kManyDescriptors;
}

// Processes that /proc does not even list count as one that may not be read.
Result<OwnerMap> scan(const sys::Procfs& procfs) {
  Result<OwnerMap> owners = scan_owners(procfs);
  const Result<std::vector<sys::Mount>> mounts = sys::read_mounts();
  const Result<sys::Privileges> privileges = sys::current_privileges();
  if (owners && mounts && sys::hides_processes(*mounts) && !(privileges && privileges->sys_ptrace))
    owners->add_unreadable_process();
  return owners;
}

}  // namespace

Result<OwnerMap> find_owners(const sys::Procfs& procfs) {
  return has_many_descriptors(procfs) ? find_owners_and_options(procfs) : scan(procfs);
}

Result<OwnerMap> find_owners_and_options(const sys::Procfs& procfs) {
  Result<OwnerMap> owners = owners_from([](const auto& visit) { return probe::for_each_open_socket(visit); });
  return owners ? std::move(owners) : scan(procfs);
}

}  // namespace socktrace::source
