#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace socktrace::test {

using Bytes = std::vector<std::byte>;

template <typename T>
Bytes bytes_of(const T& value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline Bytes bytes_of(std::string_view text) {
  Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

inline void append(Bytes& to, const Bytes& more) {
  const size_t begin = to.size();
  to.resize(begin + more.size());
  if (!more.empty()) std::memcpy(to.data() + begin, more.data(), more.size());
}

// A message body as the kernel writes it: a header structure, then attributes.
class MessageBuilder {
 public:
  MessageBuilder() = default;
  template <typename Header>
  explicit MessageBuilder(const Header& header) : bytes_(bytes_of(header)) {}

  MessageBuilder& attribute(uint16_t type, const Bytes& value) {
    const nlattr header = {.nla_len = static_cast<uint16_t>(sizeof(nlattr) + value.size()), .nla_type = type};
    append(bytes_, bytes_of(header));
    append(bytes_, value);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    return *this;
  }
  template <typename T>
  MessageBuilder& attribute(uint16_t type, const T& value) {
    return attribute(type, bytes_of(value));
  }

  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

// One netlink message with its header. `length` overrides nlmsg_len.
inline Bytes message(uint16_t type, uint32_t sequence, uint32_t port_id, const Bytes& payload,
                     uint16_t flags = 0, int64_t length = -1) {
  nlmsghdr header{};
  header.nlmsg_len =
      static_cast<uint32_t>(length >= 0 ? length : static_cast<int64_t>(sizeof header + payload.size()));
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = sequence;
  header.nlmsg_pid = port_id;
  Bytes bytes = bytes_of(header);
  append(bytes, payload);
  bytes.resize(NLMSG_ALIGN(bytes.size()));
  return bytes;
}

}  // namespace socktrace::test
