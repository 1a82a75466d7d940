#include "core/tracker/tuple.h"

#include <algorithm>
#include <cstring>

#include "core/hash.h"

namespace socktrace {
namespace {

// An end as IPv6 has it: IPv4 addresses mapped.
Endpoint mapped(Family family, const Endpoint& end) {
  if (family != Family::inet) return end;
  Endpoint result{{}, end.port};
  result.address[10] = result.address[11] = 0xff;
  std::copy_n(end.address.begin(), 4, result.address.begin() + 12);
  return result;
}

uint64_t hash(uint64_t seed, const Endpoint& end) {
  uint64_t words[2];
  std::memcpy(words, end.address.data(), sizeof words);
  return mix(mix(mix(seed ^ words[0]) ^ words[1]) ^ end.port);
}

uint64_t hash(const Socket& socket, const Endpoint& near, const Endpoint& far) {
  const uint64_t seed = uint64_t{socket.netns} << 16 | socket.protocol;
  return hash(hash(seed, mapped(socket.family, near)), mapped(socket.family, far));
}

}  // namespace

uint64_t tuple_hash(const Socket& socket) {
  return hash(socket, socket.local, socket.peer);
}

uint64_t reverse_tuple_hash(const Socket& socket) {
  return hash(socket, socket.peer, socket.local);
}

bool same_tuple(const Socket& a, const Socket& b) {
  return a.netns == b.netns && a.protocol == b.protocol &&
         mapped(a.family, a.local) == mapped(b.family, b.local) &&
         mapped(a.family, a.peer) == mapped(b.family, b.peer);
}

}  // namespace socktrace
