#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "bpf/abi.h"
#include "core/result.h"

struct bpf_link;

namespace socktrace::probe {

using OpenSocketVisitor = std::function<void(const st_open_socket&)>;

// One pass over the descriptors of all processes, in all network namespaces of this pid namespace, by loading
// the iterator alone: for who wants the owners of sockets once and traces nothing. Costs some 30 ms to begin
// with, then far less per descriptor than reading the links in /proc. Errors: privilege, unavailable.
Result<void> for_each_open_socket(const OpenSocketVisitor& visit);

// Inode, owner and descriptor alone (the rest 0), of these processes alone, several at a time; ordered by process as given, then
// by descriptor. `wanted`, unless empty: only these inodes matter, and most others are left out. False, and nothing was
// visited, when this kernel's iterators cannot be bound to a process (before 6.1), or these are not its numbers for them
// (another pid namespace).
Result<bool> for_each_socket_owner_of(std::span<const uint32_t> pids, std::span<const uint32_t> wanted,
                                      const OpenSocketVisitor& visit);

// The same through an iterator that is attached already.
Result<void> read_open_sockets(const bpf_link* iterator, const OpenSocketVisitor& visit);

}  // namespace socktrace::probe
