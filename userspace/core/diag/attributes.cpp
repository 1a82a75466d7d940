#include "core/diag/attributes.h"

#include <linux/netlink.h>

#include <algorithm>
#include <string>

namespace socktrace::diag {
namespace {

// Offsets are kept in 16 bits; the kernel's diag messages are far smaller.
constexpr size_t kMaxMessage = UINT16_MAX;

Error damaged(const char* what) {
  return Error{std::string("sock_diag message: ") + what, ErrorKind::damaged};
}

}  // namespace

Result<Attributes> Attributes::parse(std::span<const std::byte> message, size_t header) {
  if (message.size() > kMaxMessage) return damaged("too long");
  Attributes attributes;
  attributes.message_ = message;
  size_t offset = NLMSG_ALIGN(header);
  while (offset < message.size()) {
    nlattr attribute;
    if (message.size() - offset < sizeof attribute) return damaged("cut off in an attribute header");
    std::memcpy(&attribute, message.data() + offset, sizeof attribute);
    if (attribute.nla_len < sizeof attribute) return damaged("an attribute shorter than its header");
    if (attribute.nla_len > message.size() - offset) return damaged("an attribute beyond the message");
    const size_t type = attribute.nla_type & NLA_TYPE_MASK;
    if (type < kTypes)
      attributes.at_[type] = {.offset = static_cast<uint16_t>(offset + sizeof attribute),
                              .length = static_cast<uint16_t>(attribute.nla_len - sizeof attribute)};
    offset += NLA_ALIGN(attribute.nla_len);
  }
  return attributes;
}

Attributes Attributes::nested(size_t type) const {
  // The nest's own header stands in front, so that an offset inside it is never 0.
  if (!has(type)) return {};
  const Place& place = at_[type];
  const size_t begin = place.offset - sizeof(nlattr);
  Result<Attributes> inner = parse(message_.subspan(begin, place.length + sizeof(nlattr)), sizeof(nlattr));
  return inner ? *inner : Attributes();
}

}  // namespace socktrace::diag
