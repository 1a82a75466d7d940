#include "core/diag/dump_file.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>

namespace socktrace::diag {
namespace {

constexpr uint32_t kSequence = 123456;  // what ss asks with; no reader looks

void append_message(std::string& out, uint16_t type, std::span<const std::byte> payload) {
  const nlmsghdr header = {.nlmsg_len = static_cast<uint32_t>(sizeof header + payload.size()),
                           .nlmsg_type = type,
                           .nlmsg_flags = NLM_F_MULTI,
                           .nlmsg_seq = kSequence,
                           .nlmsg_pid = 0};
  out.append(reinterpret_cast<const char*>(&header), sizeof header);
  out.append(reinterpret_cast<const char*>(payload.data()), payload.size());
  out.append(NLMSG_ALIGN(payload.size()) - payload.size(), '\0');
}

}  // namespace

void append_dump_message(std::string& out, std::span<const std::byte> payload) {
  append_message(out, SOCK_DIAG_BY_FAMILY, payload);
}

void append_dump_end(std::string& out) {
  const int32_t no_error = 0;
  append_message(out, NLMSG_DONE, std::as_bytes(std::span(&no_error, 1)));
}

}  // namespace socktrace::diag
