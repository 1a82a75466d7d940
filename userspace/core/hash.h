#pragma once

#include <cstddef>
#include <cstdint>

#include "core/socket.h"

namespace socktrace {

// Mixes all bits of a word (splitmix64's finalizer): cookies are handed out in sequence and would otherwise
// cluster.
constexpr uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

struct SocketKeyHash {
  size_t operator()(const SocketKey& key) const {
    return mix(key.cookie + 0x9e3779b97f4a7c15ull * (key.sk + 1));
  }
};

}  // namespace socktrace
