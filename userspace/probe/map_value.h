#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace socktrace::probe {

// A value of a BPF map as text: its name and, by its BTF, its fields: `sent_bytes:{.first = 1}`; in hex where the map has
// no BTF, or is gone or closed to us (CAP_BPF).
std::string map_value_text(uint32_t map_id, std::span<const std::byte> value);

}  // namespace socktrace::probe
