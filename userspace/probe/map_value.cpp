#include "probe/map_value.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <cstdarg>
#include <cstdio>
#include <memory>

#include "sys/unique_fd.h"

namespace socktrace::probe {
namespace {

void append(void* context, const char* format, va_list arguments) {
  char text[512];
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  if (length > 0) static_cast<std::string*>(context)->append(text, std::min<size_t>(length, sizeof text - 1));
}

// Empty when the value cannot be described.
std::string by_type(uint32_t btf_id, uint32_t type_id, std::span<const std::byte> value) {
  const std::unique_ptr<btf, void (*)(btf*)> types(btf__load_from_kernel_by_id(btf_id), btf__free);
  if (!types) return {};
  std::string text;
  const std::unique_ptr<btf_dump, void (*)(btf_dump*)> dump(
      btf_dump__new(types.get(), append, &text, nullptr), btf_dump__free);
  if (!dump) return {};
  LIBBPF_OPTS(btf_dump_type_data_opts, options, .compact = true, .emit_zeroes = true);
  if (btf_dump__dump_type_data(dump.get(), type_id, value.data(), value.size(), &options) < 0) return {};
  return text;
}

std::string in_hex(std::span<const std::byte> value) {
  std::string text;
  for (const std::byte byte : value) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", std::to_integer<unsigned>(byte));
    text += digits;
  }
  return text;
}

}  // namespace

std::string map_value_text(uint32_t map_id, std::span<const std::byte> value) {
  const sys::UniqueFd map(bpf_map_get_fd_by_id(map_id));
  bpf_map_info info{};
  uint32_t size = sizeof info;
  if (map.get() < 0 || bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0) return in_hex(value);
  std::string text;
  if (info.btf_id != 0) text = by_type(info.btf_id, info.btf_value_type_id, value);
  if (text.empty()) text = in_hex(value);
  return std::string(info.name) + ':' + text;
}

}  // namespace socktrace::probe
