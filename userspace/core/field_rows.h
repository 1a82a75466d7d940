#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/fields.h"

// The field table is written in parts; nobody else includes this.
namespace socktrace {

std::span<const Field> tcp_fields();     // tcp_info and what goes with it
std::span<const Field> detail_fields();  // MPTCP, SCTP, type of service, memory, packet, XDP, TIPC, BPF

inline FieldValue field_text(std::string_view value) {
  if (value.empty()) return {};
  return std::string(value);
}

inline FieldValue field_unless_zero(uint64_t value) {
  if (value == 0) return {};
  return value;
}

}  // namespace socktrace
