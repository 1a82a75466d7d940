#pragma once

#include <cstddef>
#include <string>

namespace socktrace {

// Empties a buffer that is filled anew for every batch. What a burst has let grow beyond `most_kept` bytes is given back.
inline void empty_batch(std::string& buffer, size_t most_kept) {
  buffer.clear();
  if (buffer.capacity() > most_kept) std::string().swap(buffer);
}

}  // namespace socktrace
