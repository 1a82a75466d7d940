#include "enrich/processes.h"

#include <algorithm>
#include <utility>

#include "enrich/cgroup.h"
#include "sys/file.h"

namespace socktrace::enrich {
namespace {

constexpr uint64_t kTick_ns = 10'000'000;  // USER_HZ is 100
constexpr size_t kNameLength = 15;         // TASK_COMM_LEN - 1; /proc shows more of a kernel worker

// /proc cuts start times to a clock tick, BPF does not. Two exact times must be equal: with a small pid space
// a number can be reused within the tolerance that same_process() has to allow.
bool same_start(uint64_t a, uint64_t b) {
  if (a % kTick_ns != 0 && b % kTick_ns != 0) return a == b;
  return a / kTick_ns == b / kTick_ns;
}

}  // namespace

Processes::Processes(sys::Procfs procfs, sys::CgroupTree cgroups, Users users, size_t capacity)
    : procfs_(std::move(procfs)),
      cgroups_(std::move(cgroups)),
      users_(std::move(users)),
      generation_size_(std::max<size_t>(capacity / 2, 1)) {
  recent_.reserve(generation_size_);
}

ProcessRef Processes::find(const Task& task) {
  return find({task.pid, task.start_ns, task.comm, true, task.uid, task.cgroup_id});
}

ProcessRef Processes::find(uint32_t pid, uint64_t start_ns, std::string_view name) {
  return find({pid, start_ns, name});
}

// What is used moves to the recent generation, if there is room: a node changes hands and nothing is
// allocated, as the buckets are reserved.
const Processes::Entry* Processes::known(uint32_t pid) {
  if (const auto found = recent_.find(pid); found != recent_.end()) return &found->second;
  const auto found = older_.find(pid);
  if (found == older_.end()) return nullptr;
  if (recent_.size() >= generation_size_) return &found->second;
  return &recent_.insert(older_.extract(found)).position->second;
}

bool Processes::is_current(const Entry& entry, const Facts& facts) {
  const Process& process = *entry.process;
  if (!same_start(process.start_ns, facts.start_ns)) return false;
  if (!facts.name.empty() && process.name != facts.name) return false;
  if (!facts.has_task) return true;
  return entry.has_task && entry.cgroup_id == facts.cgroup_id && process.uid == facts.uid;
}

ProcessRef Processes::find(const Facts& facts) {
  if (facts.start_ns != 0)
    if (const Entry* entry = known(facts.pid); entry != nullptr && is_current(*entry, facts))
      return entry->process;
  bool lasting = false;
  ProcessRef process = load(facts, lasting);
  if (lasting && process->start_ns != 0) put(facts, process);
  return process;
}

// `lasting`: another attempt would not give more.
ProcessRef Processes::load(const Facts& facts, bool& lasting) {
  auto process = std::make_shared<Process>();
  process->pid = facts.pid;
  process->start_ns = facts.start_ns;
  process->uid = facts.uid;
  process->name = facts.name;
  lasting = true;

  const auto dir = procfs_.process(facts.pid);
  const auto stat = dir ? dir->stat() : Result<sys::ProcessStat>(dir.error());
  if (stat && (facts.start_ns == 0 || same_start(dir->start_ns(*stat), facts.start_ns)))
    read_proc(*dir, facts, *stat, *process);
  else if (!stat)
    lasting = sys::is_gone(stat.error());

  if (process->cgroup.empty()) process->cgroup = cgroups_.path(facts.cgroup_id);
  const Placement placement = placement_of(process->cgroup);
  process->unit = placement.unit;
  process->container = short_container_id(placement);
  if (process->uid != UINT32_MAX) process->user = users_.name(process->uid);
  return process;
}

void Processes::read_proc(const sys::ProcessDir& dir, const Facts& facts, const sys::ProcessStat& stat,
                          Process& process) {
  const std::string_view name = std::string_view(stat.name).substr(0, kNameLength);
  if (process.start_ns == 0) process.start_ns = dir.start_ns(stat);
  if (process.name.empty()) process.name = name;
  if (!facts.has_task)
    if (const auto uid = dir.effective_uid()) process.uid = *uid;
  // Another name than the kernel's: it has executed another program since, whose path this would be.
  if (process.name == name)
    if (auto executable = dir.executable()) process.executable = *std::move(executable);
  // A zombie has left its cgroups in v1.
  if (const auto text = dir.cgroup(); text && stat.state != 'Z') {
    CgroupMembership membership = parse_membership(*text);
    cgroups_.remember(facts.cgroup_id, membership.unified_path);
    process.cgroup = std::move(membership.path);
  }
}

void Processes::put(const Facts& facts, ProcessRef process) {
  const uint32_t pid = facts.pid;
  older_.erase(pid);
  if (recent_.size() >= generation_size_ && !recent_.contains(pid)) {
    older_ = std::exchange(recent_, {});
    recent_.reserve(generation_size_);
  }
  recent_.insert_or_assign(pid, Entry{std::move(process), facts.has_task, facts.cgroup_id});
}

}  // namespace socktrace::enrich
