#include "source/find_owners.h"

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "probe/open_sockets.h"
#include "sys/mounts.h"
#include "sys/privileges.h"

namespace socktrace::source {
namespace {

// Reading a link in /proc takes about 4 us, loading the iterator 30 ms.
constexpr uint64_t kManyDescriptors = 10'000;
constexpr uint64_t kLargeProcess = 1'000;

// Where the descriptors are.
struct Spread {
  std::vector<uint32_t> large;  // processes with many
  std::vector<uint32_t> small;
  uint64_t descriptors = 0;
  uint64_t in_small = 0;
};

// Since 6.2 (f1f1f2569901) the size of /proc/PID/fd is the number of descriptors; before, it is 0 everywhere,
// and nothing is known.
Spread spread_of(const sys::Procfs& procfs) {
  Spread spread;
  Result<std::vector<uint32_t>> pids = procfs.pids();
  if (!pids) return spread;
  for (const uint32_t pid : *pids) {
    struct stat status {};
    const bool known = stat(("/proc/" + std::to_string(pid) + "/fd").c_str(), &status) == 0;
    const uint64_t count = known ? static_cast<uint64_t>(status.st_size) : 0;
    spread.descriptors += count;
    if (count <= kLargeProcess) spread.in_small += count;
    (count > kLargeProcess ? spread.large : spread.small).push_back(pid);
  }
  return spread;
}

// The iterator for the few processes that have nearly all descriptors, the links in /proc for the others. Nothing when
// the iterator cannot be had for some processes alone.
std::optional<OwnerMap> find_owners_apart(const sys::Procfs& procfs, const Spread& spread,
                                          std::span<const uint32_t> wanted) {
  OwnerMap owners;
  owners.reserve(spread.descriptors);  // at most; pages that are not used cost nothing
  const Result<bool> apart = probe::for_each_socket_owner_of(
      spread.large, wanted, [&](const st_open_socket& socket) { owners.add(socket); });
  if (!apart || !*apart) return std::nullopt;
  if (!scan_processes(procfs, spread.small, owners)) return std::nullopt;
  owners.seal();
  return owners;
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

Result<OwnerMap> find_owners(const sys::Procfs& procfs, std::span<const uint32_t> wanted) {
  const Spread spread = spread_of(procfs);
  if (spread.descriptors != 0 && spread.descriptors <= kManyDescriptors) return scan(procfs);
  if (spread.descriptors != 0 && spread.in_small <= kManyDescriptors / 4)
    if (std::optional<OwnerMap> owners = find_owners_apart(procfs, spread, wanted)) return std::move(*owners);
  return find_owners_and_options(procfs);
}

Result<OwnerMap> find_owners_and_options(const sys::Procfs& procfs) {
  Result<OwnerMap> owners = owners_from([](const auto& visit) { return probe::for_each_open_socket(visit); });
  return owners ? std::move(owners) : scan(procfs);
}

}  // namespace socktrace::source
