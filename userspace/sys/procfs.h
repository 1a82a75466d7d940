#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "sys/unique_fd.h"

namespace socktrace::sys {

// What /proc/PID/stat tells about a process.
struct ProcessStat {
  std::string name;  // comm, raw bytes: may hold ')', blanks, newlines, escape codes
  char state = '?';  // 'Z' is a zombie
  uint32_t parent = 0;
  uint64_t start_ticks = 0;  // field 22, in clock ticks since boot
};

// The name is what stands between the first '(' and the last ')': nothing after it can contain one.
std::optional<ProcessStat> parse_process_stat(std::string_view text);
// The second number of "Uid:" in /proc/PID/status. The name in the first line is escaped by the kernel and
// cannot forge a line.
std::optional<uint32_t> parse_effective_uid(std::string_view status);
// "socket:[123]" with kind "socket", "net:[4026531840]" with kind "net".
std::optional<uint32_t> parse_inode_link(std::string_view target, std::string_view kind);

// /proc/PID/fd. Links are read and never followed, so that a dead NFS or FUSE server behind some descriptor
// cannot block us. May be used by several threads at once.
class DescriptorDir {
 public:
  explicit DescriptorDir(UniqueFd dir) : dir_(std::move(dir)) {}

  [[nodiscard]] Result<std::vector<int32_t>> list() const;  // ascending
  // 0: it is no socket.
  [[nodiscard]] Result<uint32_t> socket_inode(int32_t fd) const;

 private:
  UniqueFd dir_;
};

// One /proc/PID. The open directory refers to that very process for ever: when it ends, every read fails as
// gone (is_gone), and never shows a later process with the same number.
class ProcessDir {
 public:
  ProcessDir(UniqueFd dir, uint32_t pid, int64_t boottime_shift_ns)
      : dir_(std::move(dir)), pid_(pid), boottime_shift_ns_(boottime_shift_ns) {}

  [[nodiscard]] uint32_t pid() const { return pid_; }
  [[nodiscard]] Result<ProcessStat> stat() const;
  // CLOCK_BOOTTIME of the start, cut to a clock tick (10 ms).
  [[nodiscard]] uint64_t start_ns(const ProcessStat& stat) const;
  [[nodiscard]] Result<uint32_t> effective_uid() const;
  // Absent (is_gone) for kernel threads and zombies; ends in " (deleted)" when the file was replaced. Needs
  // the right to ptrace the process, as descriptors() and net_namespace() do; all else is open to everybody.
  [[nodiscard]] Result<std::string> executable() const;
  [[nodiscard]] Result<std::string> cgroup() const;     // see enrich/cgroup.h
  [[nodiscard]] Result<std::string> arguments() const;  // NUL-separated
  [[nodiscard]] Result<uint32_t> net_namespace() const { return namespace_inode("net"); }
  [[nodiscard]] Result<uint32_t> mount_namespace() const { return namespace_inode("mnt"); }
  [[nodiscard]] Result<DescriptorDir> descriptors() const;

 private:
  [[nodiscard]] Error about(Error error) const;
  [[nodiscard]] Result<std::string> read(const char* name) const;
  [[nodiscard]] Result<std::string> link(const char* name) const;
  [[nodiscard]] Result<uint32_t> namespace_inode(const char* kind) const;

  UniqueFd dir_;
  uint32_t pid_;
  int64_t boottime_shift_ns_;
};

// The process filesystem, mounted anywhere.
class Procfs {
 public:
  static Result<Procfs> open(const char* root = "/proc");

  [[nodiscard]] Result<ProcessDir> process(uint32_t pid) const;
  [[nodiscard]] Result<std::vector<uint32_t>> pids() const;  // ascending

 private:
  Procfs(UniqueFd root, int64_t boottime_shift_ns)
      : root_(std::move(root)), boottime_shift_ns_(boottime_shift_ns) {}

  UniqueFd root_;
  int64_t boottime_shift_ns_;  // start times are shifted in a time namespace (timens_add_boottime_ns, 5.5)
};

// Whether this process sees those of the whole host: /proc and the iterators show only what is in one's own pid namespace.
bool in_initial_pid_namespace();
// This process's id as BPF programs see it, in the initial pid namespace; 0: it cannot be told from inside another.
uint32_t initial_pid();

}  // namespace socktrace::sys
