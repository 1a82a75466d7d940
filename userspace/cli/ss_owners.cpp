#include "cli/ss_owners.h"

#include <dirent.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>

#include "sys/cgroupfs.h"
#include "sys/mounts.h"
#include "sys/procfs.h"

namespace socktrace::cli {
namespace {

// The names of a process's threads by id, highest first; of the process alone when it is gone.
std::vector<std::pair<uint32_t, std::string>> threads_of(const Process& process) {
  const std::string directory = "/proc/" + std::to_string(process.pid) + "/task/";
  std::vector<std::pair<uint32_t, std::string>> threads;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(directory.c_str()), closedir);
  while (const dirent* entry = stream ? readdir(stream.get()) : nullptr) {
    const auto tid = static_cast<uint32_t>(std::strtoul(entry->d_name, nullptr, 10));
    if (tid == 0) continue;
    std::ifstream file(directory + entry->d_name + "/comm");
    std::string name(std::istreambuf_iterator<char>(file), {});
    if (name.ends_with('\n')) name.pop_back();
    threads.emplace_back(tid, name.empty() ? process.name : name);
  }
  if (threads.empty()) threads.emplace_back(process.pid, process.name);
  return threads;
}

Result<source::OwnerMap> scan(std::span<const uint32_t> wanted) {
  Result<sys::Procfs> procfs = sys::Procfs::open();
  Result<source::OwnerMap> owners =
      procfs ? source::find_owners(*procfs, wanted) : Result<source::OwnerMap>(std::move(procfs.error()));
  if (owners) return owners;
  Error& error = owners.error();
  if (error.code == EMFILE) error.message += ": raise the limit (ulimit -n), or leave processes out";
  return std::move(error).within("ss");
}

const source::OwnerMap& nobody() {
  static const source::OwnerMap none = [] {
    source::OwnerMap map;
    map.seal();
    return map;
  }();
  return none;
}

}  // namespace

Result<void> SsOwners::add_to(diag::Row& row) {
  if (Result<void> attributed = attribute(row.socket); !attributed) return attributed;
  if (with_threads_) expand_threads(row.socket);
  if (row.socket.family != Family::unix || !row.socket.details || row.socket.details->peer_inode == 0)
    return {};
  Socket peer;
  peer.family = Family::unix;
  peer.inode = row.socket.details->peer_inode;
  if (Result<void> attributed = attribute(peer); !attributed) return attributed;
  row.peer_owners = std::move(peer.owners);
  return {};
}

// A socket without a descriptor needs no scan to be told why it has no owner.
Result<void> SsOwners::attribute(Socket& socket) {
  if (socket.inode != 0 && !owners_) {
    Result<source::OwnerMap> owners = scan(wanted_);
    if (!owners) return std::move(owners.error());
    owners_ = std::move(*owners);
  }
  const BindOptions options = socket.options;  // the table shows what sock_diag says
  source::attribute(socket, socket.inode != 0 ? *owners_ : nobody(),
                    [this](const source::SocketHolder& holder) { return process(holder); });
  socket.options = options;
  return {};
}

// One owner for each thread: threads share their descriptors, unless they were made with separate ones.
void SsOwners::expand_threads(Socket& socket) {
  std::vector<Owner> expanded;
  for (const Owner& owner : socket.owners) {
    auto [known, is_new] = threads_.try_emplace(owner.process.get());
    if (is_new)
      for (const auto& [tid, name] : threads_of(*owner.process)) {
        auto thread = std::make_shared<Process>(*owner.process);
        thread->name = name;
        known->second.emplace_back(tid, std::move(thread));
      }
    for (const auto& [tid, thread] : known->second) {
      expanded.push_back(owner);
      expanded.back().process = thread;
      expanded.back().tid = tid;
    }
  }
  socket.owners = std::move(expanded);
}

const ProcessRef& SsOwners::process(const source::SocketHolder& holder) {
  ProcessRef& known = processes_[&holder];
  if (!known && described_) known = describe(holder);
  if (!known) {
    auto process = std::make_shared<Process>();
    process->pid = holder.pid;
    process->start_ns = holder.start_ns;
    process->name = holder.comm();
    known = std::move(process);
  }
  return known;
}

// Null when /proc cannot be read.
ProcessRef SsOwners::describe(const source::SocketHolder& holder) {
  if (!describer_) {
    Result<sys::Procfs> procfs = sys::Procfs::open();
    if (!procfs) return nullptr;
    Result<sys::UniqueFd> cgroups = sys::open_cgroup2();
    describer_.emplace(std::move(*procfs),
                       cgroups ? sys::CgroupTree(std::move(*cgroups)) : sys::CgroupTree());
  }
  return describer_->find(holder.pid, holder.start_ns, holder.comm());
}

}  // namespace socktrace::cli
