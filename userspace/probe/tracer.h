#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bpf/abi.h"
#include "core/result.h"

namespace socktrace::probe {

// How the errno of bind(), listen() and accept() is learned.
enum class BindResult {
  automatic,   // fexit where the kernel takes it, else tracepoint where that attaches, else infer
  fexit,       // at the exit of the kernel's own functions: exact, and costs nobody else anything
  tracepoint,  // syscalls:sys_{enter,exit}_*: exact, but every system call of the host costs some 40 ns more
  infer,       // nothing attached: failures are worked out from the hooks that follow, or do not
};

struct Options {
  BindResult bind_result = BindResult::automatic;
  uint32_t ring_bytes = 8u << 20;  // a power of two and a multiple of the page size
  int cgroup_fd = -1;         // a cgroup2 directory, its subtree is traced; -1: no cgroup hooks. Borrowed.
  bool unix_sockets = false;  // tell of these too
  bool connections =
      true;  // of TCP; without, hooks pass over them. Not without the results of bind(): they are inferred from these
  uint32_t ignore_pid = 0;  // leave out what this process does itself; 0: nobody
};

// One BPF program and whether it is running.
struct Hook {
  std::string name;  // as the kernel names it: "tp_btf/inet_sock_set_state"
  bool attached = false;
  std::string error;  // why not; empty when attached, and for hooks that the options left out
  std::string cost;   // what is lost without it, one phrase
};

// Summed over all CPUs since attach(). attempted = delivered + lost, once the ring has been drained.
struct Counters {
  uint64_t attempted = 0;
  uint64_t lost = 0;
};

// The kernel side: loads the BPF programs, attaches them, hands over what they write. Detaches when
// destroyed.
class Tracer {
 public:
  // Loads and attaches. Every hook but inet_sock_set_state may fail alone; hooks() tells which did.
  // Errors: privilege (EPERM), unavailable (no BTF, no BPF, or inet_sock_set_state or the bind_result that was asked for
  // refused), usage (options).
  static Result<Tracer> attach(const Options& options);

  Tracer(Tracer&&) noexcept;
  Tracer& operator=(Tracer&&) noexcept;
  ~Tracer();

  // One for each program that the options ask for, and of the two ways to learn results the one that was taken.
  [[nodiscard]] const std::vector<Hook>& hooks() const;
  // How results are learned here; never `automatic`.
  [[nodiscard]] BindResult bind_result() const;
  // Whether TCP connections are told, because the options or the way to learn results ask for them.
  [[nodiscard]] bool tells_connections() const;
  // Why not by fexit, when that was tried; else empty.
  [[nodiscard]] const std::string& fexit_refusal() const;

  // Readable when the ring has passed its watermark or holds something waited for. Records arrive without a
  // wakeup too, so call drain() every 10 to 50 ms as well.
  [[nodiscard]] int fd() const;
  // The next record makes fd() readable whatever it is, so that a reader without work may sleep for longer. A
  // record that is being written during the call may not: one drain() some milliseconds later finds it.
  void wake_on_next_record();

  // Most of what happens in other network namespaces than that with this inode number is passed over from now on, not all.
  void narrow_to(uint32_t netns);

  // Hands over what waits in the ring, in order, and returns how many records. Stops after kMostDrained so that a
  // flood cannot keep the caller; 0 means that the ring is empty. The bytes are gone when the callback
  // returns.
  static constexpr size_t kMostDrained = 8192;
  Result<size_t> drain(const std::function<void(std::span<const std::byte>)>& on_record);

  [[nodiscard]] Counters counters() const;
  // The losses of each possible CPU (the kernel counts for 512; more share the slots). Never reset.
  [[nodiscard]] std::vector<uint64_t> lost_by_cpu() const;

  // Detaches every hook: nothing is recorded any more but what hooks are doing at this moment. What is in the ring
  // stays to be drained.
  void stop();

  // Whether there is an iterator over open sockets, and whether it could be started with the capabilities that this
  // thread has now.
  [[nodiscard]] bool has_iterator() const;
  [[nodiscard]] bool can_iterate() const;
  // One pass over the descriptors of all processes, in all network namespaces of this pid namespace.
  Result<void> for_each_open_socket(const std::function<void(const st_open_socket&)>& on_socket);

 private:
  struct Impl;
  static Result<Tracer> attach_with(const Options& options);
  explicit Tracer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace socktrace::probe
