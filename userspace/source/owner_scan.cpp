#include "source/owners.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "sys/file.h"
#include "sys/parallel.h"

namespace socktrace::source {
namespace {

constexpr size_t kSlice = 1024;  // descriptors that one thread reads on its own

// What is known about one process after the scan; each is written by one thread at a time.
struct Scanned {
  SocketHolder holder;
  bool denied = false;
  std::optional<Error> shortage;  // which kept us from looking at it
  std::vector<SocketDescriptor> sockets;
  // Of a process with many descriptors: still to be read.
  std::optional<sys::DescriptorDir> dir;
  std::vector<int32_t> fds;
};

// A part of such a process.
struct Slice {
  Scanned* process;
  size_t begin;
  size_t end;
  std::vector<SocketDescriptor> sockets;
  bool denied = false;
};

// False when we may not look at it (any more).
bool read_links(const sys::DescriptorDir& dir, std::span<const int32_t> fds,
                std::vector<SocketDescriptor>& out) {
  for (const int32_t fd : fds) {
    const auto inode = dir.socket_inode(fd);
    if (!inode && sys::is_denied(inode.error())) return false;
    if (inode && *inode != 0) out.push_back({fd, *inode});
  }
  return true;
}

void note_failure(Scanned& scanned, const Error& error) {
  scanned.denied = sys::is_denied(error);
  if (sys::is_shortage(error)) scanned.shortage = error;
}

void scan_process(const sys::Procfs& procfs, uint32_t pid, Scanned& scanned) {
  const auto process = procfs.process(pid);
  if (!process) return note_failure(scanned, process.error());
  auto dir = process->descriptors();
  if (!dir) return note_failure(scanned, dir.error());
  auto fds = dir->list();
  if (!fds) return note_failure(scanned, fds.error());
  if (fds->empty()) return;
  const bool large = fds->size() > kSlice;
  if (!large) scanned.denied = !read_links(*dir, *fds, scanned.sockets);
  if (!large && scanned.sockets.empty()) return;
  // Of the same process, as its directory is open; what has ended by now owns nothing.
  const auto stat = process->stat();
  if (!stat) {
    scanned.sockets.clear();
    return note_failure(scanned, stat.error());
  }
  scanned.holder = {pid, process->start_ns(*stat), {}};
  std::array<char, 16>& comm = scanned.holder.name;
  std::memcpy(comm.data(), stat->name.data(), std::min(stat->name.size(), comm.size() - 1));
  if (!large) return;
  scanned.dir = *std::move(dir);
  scanned.fds = *std::move(fds);
}

std::vector<Slice> slices_of(std::vector<Scanned>& processes) {
  std::vector<Slice> slices;
  for (Scanned& process : processes)
    for (size_t begin = 0; begin < process.fds.size(); begin += kSlice)
      slices.push_back({&process, begin, std::min(begin + kSlice, process.fds.size()), {}});
  return slices;
}

}  // namespace

Result<void> scan_processes(const sys::Procfs& procfs, std::span<const uint32_t> pids, OwnerMap& owners,
                            unsigned threads) {
  std::vector<Scanned> processes(pids.size());
  sys::in_parallel(processes.size(), threads, [&](size_t i) { scan_process(procfs, pids[i], processes[i]); });
  std::vector<Slice> slices = slices_of(processes);
  sys::in_parallel(slices.size(), threads, [&](size_t i) {
    Slice& slice = slices[i];
    const std::span fds = std::span(slice.process->fds).subspan(slice.begin, slice.end - slice.begin);
    slice.denied = !read_links(*slice.process->dir, fds, slice.sockets);
  });

  for (Slice& slice : slices) {
    Scanned& process = *slice.process;
    process.denied = process.denied || slice.denied;
    process.sockets.insert(process.sockets.end(), slice.sockets.begin(), slice.sockets.end());
  }
  for (const Scanned& process : processes) {
    if (process.shortage) return *process.shortage;
    if (process.denied) owners.add_unreadable_process();
    owners.add(process.holder, process.sockets);
  }
  return {};
}

Result<OwnerMap> scan_owners(const sys::Procfs& procfs, unsigned threads) {
  auto pids = procfs.pids();
  if (!pids) return std::move(pids.error()).within("owners of sockets");
  OwnerMap owners;
  Result<void> scanned = scan_processes(procfs, *pids, owners, threads);
  if (!scanned) return std::move(scanned.error()).within("owners of sockets");
  owners.seal();
  return owners;
}

}  // namespace socktrace::source
