#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "bpf/abi.h"
#include "core/process.h"
#include "core/result.h"
#include "core/socket.h"
#include "sys/procfs.h"

namespace socktrace::source {

// A process that holds sockets, as the scan saw it.
struct SocketHolder {
  uint32_t pid = 0;
  uint64_t start_ns = 0;        // CLOCK_BOOTTIME; cut to a clock tick when it comes from /proc
  std::array<char, 16> name{};  // comm, NUL-terminated

  [[nodiscard]] std::string_view comm() const { return name.data(); }
};

// A descriptor that is a socket.
struct SocketDescriptor {
  int32_t fd = -1;
  uint32_t inode = 0;  // sockfs
};

// The same for the whole host. 24 bytes: a host has hundreds of thousands.
struct SocketOwner {
  uint64_t cookie = 0;  // 0 unknown: from those who say only the inode, and when the socket has none yet
  uint32_t inode = 0;   // sockfs
  uint32_t holder = 0;  // for OwnerMap::holder()
  int32_t fd = -1;
  uint8_t options = 0;  // enum st_option
};

// Which descriptors of which processes refer to a socket, for the whole host at one moment.
class OwnerMap {
 public:
  // Filled by add() in any order, then sealed once; only then asked.
  void reserve(size_t owners) { owners_.reserve(owners); }
  void add(const st_open_socket& socket);
  void add(const SocketHolder& holder, std::span<const SocketDescriptor> sockets);
  void add_unreadable_process() { ++unreadable_; }
  void seal();

  // Owners in the order in which they were added, usually by ascending pid and fd. A socket is found by inode
  // and cookie. Where the inode is known with other cookies only, its owners are those of all of them: an
  // MPTCP subflow has its own cookie and the inode of the socket that was opened. A socket without inode has
  // no descriptor.
  [[nodiscard]] std::span<const SocketOwner> find(uint32_t inode, uint64_t cookie) const;
  // Have the processor fetch what find() will read of this inode: one after the other, with time in between. Of 100,000
  // sockets nearly every one misses the cache, twice.
  void prefetch_place(uint32_t inode) const;
  void prefetch_owners(uint32_t inode) const;
  [[nodiscard]] const SocketHolder& holder(const SocketOwner& owner) const { return holders_[owner.holder]; }

  // Why a socket that find() does not know has no owner.
  [[nodiscard]] NoOwner why_none(const Socket& socket) const;

  [[nodiscard]] size_t size() const { return owners_.size(); }
  [[nodiscard]] size_t unreadable_processes() const { return unreadable_; }

 private:
  uint32_t index_of(const SocketHolder& holder);

  [[nodiscard]] size_t hashed(uint32_t inode) const;
  [[nodiscard]] size_t slot_of(uint32_t inode) const;

  std::vector<SocketOwner> owners_;  // sealed: by inode, cookie, order of arrival
  // Sealed: a hash table of where the owners of each inode begin, counted from 1; 0 is free. A search in `owners_` would miss
  // the cache at nearly every step, for each of 100,000 sockets.
  std::vector<uint32_t> first_;
  std::vector<SocketHolder> holders_;
  size_t unreadable_ = 0;
};

// From the tracer (Tracer::for_each_open_socket, iter/task_file): complete, with cookies and socket options.
using OpenSocketFeed = std::function<Result<void>(const std::function<void(const st_open_socket&)>&)>;
Result<OwnerMap> owners_from(const OpenSocketFeed& feed);

// From /proc/*/fd, for who may not or cannot use the tracer. Processes of other users cannot be read without
// CAP_SYS_PTRACE; they are counted. Processes and descriptors that go away meanwhile are passed over. A lack of descriptors or
// memory of our own (is_shortage) is an error: it would look like processes without sockets.
//
// Reading a link takes 3 us and a large server has tens of thousands, so that up to `threads` share the work,
// that of one process too; 0: as many as there are processors, at most 8.
Result<OwnerMap> scan_owners(const sys::Procfs& procfs, unsigned threads = 0);
// The same of some processes, added to a map that is sealed later.
Result<void> scan_processes(const sys::Procfs& procfs, std::span<const uint32_t> pids, OwnerMap& owners,
                            unsigned threads = 0);

// Sets the owners of a socket, or the reason why it has none, and the socket options that came with them.
// `describe` is asked once per owner.
using DescribeHolder = std::function<ProcessRef(const SocketHolder&)>;
void attribute(Socket& socket, const OwnerMap& owners, const DescribeHolder& describe);

}  // namespace socktrace::source
