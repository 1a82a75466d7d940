#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "core/result.h"

namespace socktrace::diag {

// The netlink attributes of one message by type, borrowed from its bytes. Of a repeated type the last one
// counts; types from kTypes on are newer than this program and skipped.
class Attributes {
 public:
  static constexpr size_t kTypes = 32;

  Attributes() = default;
  // `message` up to `header` bytes is not attributes. A length that does not fit is ErrorKind::damaged.
  static Result<Attributes> parse(std::span<const std::byte> message, size_t header);

  [[nodiscard]] bool has(size_t type) const { return type < kTypes && at_[type].offset != 0; }
  // The bytes of an attribute; empty when absent.
  [[nodiscard]] std::span<const std::byte> bytes(size_t type) const {
    return has(type) ? message_.subspan(at_[type].offset, at_[type].length) : std::span<const std::byte>();
  }
  // The leading T of an attribute; nothing when it is absent or shorter.
  template <typename T>
  [[nodiscard]] std::optional<T> value(size_t type) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto source = bytes(type);
    if (source.size() < sizeof(T)) return std::nullopt;
    T copy;
    std::memcpy(&copy, source.data(), sizeof copy);
    return copy;
  }
  // A structure that grew over kernel versions: what the kernel did not send is zero. Nothing when absent.
  template <typename T>
  [[nodiscard]] std::optional<T> padded(size_t type) const {
    static_assert(std::is_trivially_copyable_v<T>);
    if (!has(type)) return std::nullopt;
    const auto source = bytes(type);
    T copy{};
    std::memcpy(&copy, source.data(), source.size() < sizeof copy ? source.size() : sizeof copy);
    return copy;
  }
  // A copy of the message, to keep the attributes longer than their bytes; rebase() then points them there.
  [[nodiscard]] std::vector<std::byte> message() const { return {message_.begin(), message_.end()}; }
  void rebase(std::span<const std::byte> copy) { message_ = copy; }
  // The attributes inside an attribute; none when it is absent or malformed.
  [[nodiscard]] Attributes nested(size_t type) const;

 private:
  struct Place {
    uint16_t offset = 0;  // 0: absent
    uint16_t length = 0;
  };
  std::span<const std::byte> message_;
  std::array<Place, kTypes> at_{};
};

}  // namespace socktrace::diag
