#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/process.h"
#include "core/record.h"
#include "enrich/users.h"
#include "sys/cgroupfs.h"
#include "sys/procfs.h"

namespace socktrace::enrich {

// Turns what the kernel reports about a process into all that is known about it, reading /proc once per
// process.
//
// A process is (pid, start time); its entry is read again when its name, uid or cgroup differs from the
// kernel's, which is how an exec, a setuid and a move to another cgroup show. When /proc has no such process
// any more, or already another one with the number, the result holds the kernel's facts and the cgroup by its
// id, and nothing from /proc.
//
// A hit costs no system call and no allocation. At most `capacity` processes are remembered: those not asked
// for during the last capacity/2 new ones are forgotten, which is what happens to processes that have ended.
class Processes {
 public:
  explicit Processes(sys::Procfs procfs, sys::CgroupTree cgroups = sys::CgroupTree(), Users users = Users(),
                     size_t capacity = 16'384);

  // The process of a kernel record; never null. Name, uid and start time are the record's.
  ProcessRef find(const Task& task);
  // The process with that start time (CLOCK_BOOTTIME, exact or cut to a clock tick; 0: whichever has the
  // number now). `name` as the source saw it, may be empty. Never null: at the least the arguments come back.
  ProcessRef find(uint32_t pid, uint64_t start_ns, std::string_view name = {});

  [[nodiscard]] size_t size() const { return recent_.size() + older_.size(); }

 private:
  // What the source said; zero and empty are unknown.
  struct Facts {
    uint32_t pid = 0;
    uint64_t start_ns = 0;
    std::string_view name;
    bool has_task = false;  // uid and cgroup_id are valid
    uint32_t uid = UINT32_MAX;
    uint64_t cgroup_id = 0;
  };
  struct Entry {
    ProcessRef process;
    bool has_task = false;
    uint64_t cgroup_id = 0;  // the record's, with has_task
  };
  using Entries = std::unordered_map<uint32_t, Entry>;

  const Entry* known(uint32_t pid);
  ProcessRef find(const Facts& facts);
  ProcessRef load(const Facts& facts, bool& lasting);
  void read_proc(const sys::ProcessDir& dir, const Facts& facts, const sys::ProcessStat& stat,
                 Process& process);
  static bool is_current(const Entry& entry, const Facts& facts);
  void put(const Facts& facts, ProcessRef process);

  sys::Procfs procfs_;
  sys::CgroupTree cgroups_;
  Users users_;
  size_t generation_size_;
  Entries recent_;
  Entries older_;
};

}  // namespace socktrace::enrich
