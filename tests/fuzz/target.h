#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

// What every target includes. A target is one function that takes any bytes at all; it must not crash, hang or
// grow, and what it `requires` holds whatever they are.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace socktrace::fuzz {

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline std::span<const std::byte> bytes_of(const uint8_t* data, size_t size) {
  return std::as_bytes(std::span(data, size));
}

// Not assert(): it must hold in every build.
inline void require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace socktrace::fuzz
