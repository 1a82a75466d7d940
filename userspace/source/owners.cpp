#include "source/owners.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace socktrace::source {
namespace {

bool before(const SocketOwner& a, const SocketOwner& b) {
  return a.inode != b.inode ? a.inode < b.inode : a.cookie < b.cookie;
}

}  // namespace

// Sources go through one process after the other, so that only the last one is compared.
uint32_t OwnerMap::index_of(const SocketHolder& holder) {
  if (holders_.empty() || holders_.back().pid != holder.pid || holders_.back().start_ns != holder.start_ns)
    holders_.push_back(holder);
  return static_cast<uint32_t>(holders_.size() - 1);
}

void OwnerMap::add(const st_open_socket& socket) {
  SocketHolder holder{socket.pid, socket.start_ns, {}};
  std::memcpy(holder.name.data(), socket.comm, holder.name.size() - 1);
  owners_.push_back({socket.cookie, socket.inode, index_of(holder), socket.fd, socket.options});
}

void OwnerMap::add(const SocketHolder& holder, std::span<const SocketDescriptor> sockets) {
  if (sockets.empty()) return;
  const uint32_t index = index_of(holder);
  for (const SocketDescriptor& socket : sockets) owners_.push_back({0, socket.inode, index, socket.fd, 0});
}

void OwnerMap::seal() {
  std::stable_sort(owners_.begin(), owners_.end(), before);
  first_.assign(std::bit_ceil(2 * owners_.size() + 1), 0);
  for (size_t i = 0; i < owners_.size(); ++i)
    if (i == 0 || owners_[i].inode != owners_[i - 1].inode)
      first_[slot_of(owners_[i].inode)] = static_cast<uint32_t>(i + 1);
}

size_t OwnerMap::hashed(uint32_t inode) const {
  constexpr uint32_t kGolden = 0x9E3779B1;  // spreads inodes, which are mostly consecutive
  return (inode * kGolden) & (first_.size() - 1);
}

// Of an inode that is there, or the free one where it would go.
size_t OwnerMap::slot_of(uint32_t inode) const {
  const size_t mask = first_.size() - 1;
  size_t slot = hashed(inode);
  while (first_[slot] != 0 && owners_[first_[slot] - 1].inode != inode) slot = (slot + 1) & mask;
  return slot;
}

void OwnerMap::prefetch_place(uint32_t inode) const {
  if (!first_.empty()) __builtin_prefetch(&first_[hashed(inode)]);
}

void OwnerMap::prefetch_owners(uint32_t inode) const {
  if (first_.empty()) return;
  const uint32_t place = first_[hashed(inode)];
  if (place != 0) __builtin_prefetch(&owners_[place - 1]);
}

std::span<const SocketOwner> OwnerMap::find(uint32_t inode, uint64_t cookie) const {
  if (inode == 0 || first_.empty()) return {};
  const uint32_t place = first_[slot_of(inode)];
  if (place == 0) return {};
  const auto first = owners_.begin() + (place - 1);
  auto last = first;
  auto exact_first = owners_.end();
  auto exact_last = owners_.end();
  for (; last != owners_.end() && last->inode == inode; ++last) {
    if (last->cookie != cookie || cookie == 0) continue;
    if (exact_first == owners_.end()) exact_first = last;
    exact_last = last + 1;
  }
  if (exact_first != owners_.end()) return {exact_first, exact_last};
  return {first, last};
}

NoOwner OwnerMap::why_none(const Socket& socket) const {
  // A descriptor must exist somewhere: with a process that we may not read, or within the kernel (its own
  // sockets, io_uring's fixed files, descriptors on their way through a unix socket).
  if (socket.inode != 0) return unreadable_ > 0 ? NoOwner::permission : NoOwner::kernel;
  if (!is_tcp(socket)) return NoOwner::kernel;
  switch (socket.state) {
    case State::established:
    case State::close_wait:
    case State::syn_recv:
    case State::new_syn_recv:
      return NoOwner::unaccepted;  // close() would have moved it on: it has not had a descriptor yet
    case State::listen:
      return NoOwner::kernel;
    default:
      return NoOwner::exited;  // orphans and TIME_WAIT: all descriptors are closed
  }
}

Result<OwnerMap> owners_from(const OpenSocketFeed& feed) {
  OwnerMap owners;
  auto fed = feed([&](const st_open_socket& socket) { owners.add(socket); });
  if (!fed) return std::move(fed.error()).within("owners of sockets");
  owners.seal();
  return owners;
}

void attribute(Socket& socket, const OwnerMap& owners, const DescribeHolder& describe) {
  socket.owners.clear();
  const std::span<const SocketOwner> found = owners.find(socket.inode, socket.key.cookie);
  if (found.empty()) {
    socket.no_owner = owners.why_none(socket);
    return;
  }
  socket.owners.reserve(found.size());
  for (const SocketOwner& owner : found)
    socket.owners.push_back(
        {.process = describe(owners.holder(owner)), .fd = owner.fd, .source = OwnerSource::descriptor});
  const SocketOwner& first = found.front();
  if ((first.options & ST_O_KNOWN) == 0 || first.cookie != socket.key.cookie) return;
  socket.options.known = true;
  socket.options.reuse_address = (first.options & ST_O_REUSEADDR) != 0;
  socket.options.reuse_port = (first.options & ST_O_REUSEPORT) != 0;
  socket.options.v6_only = (first.options & ST_O_V6ONLY) != 0;
  socket.options.v6_only_known = socket.family == Family::inet6;
  socket.options.port_locked = (first.options & ST_O_PORT_LOCKED) != 0;
}

}  // namespace socktrace::source
