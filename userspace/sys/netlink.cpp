#include "sys/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace socktrace::sys {
namespace {

constexpr int kSocketBuffer = 1024 * 1024;
constexpr timeval kDeadline = {.tv_sec = 2, .tv_usec = 0};
// Datagrams that are not for us (stale, or sent by a process) before the answer is given up.
constexpr int kMaxStrays = 1024;
constexpr int kComing = 8;  // messages that are announced

class Socket final : public NetlinkTransport {
 public:
  Socket(mnl_socket* socket, std::string_view protocol)
      : socket_(socket, mnl_socket_close), protocol_(protocol) {}

  Result<void> send(std::span<const std::byte> message) override {
    while (mnl_socket_sendto(socket_.get(), message.data(), message.size()) < 0) {
      if (errno != EINTR) return Error::system("send to " + protocol_, errno);
    }
    return {};
  }

  Result<NetlinkDatagram> receive(std::span<std::byte> buffer) override {
    sockaddr_nl sender{};
    iovec part = {.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr header{};
    header.msg_name = &sender;
    header.msg_namelen = sizeof sender;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    const ssize_t length = recvmsg(mnl_socket_get_fd(socket_.get()), &header, 0);
    if (length < 0) return Error::system("receive from " + protocol_, errno);
    return NetlinkDatagram{.length = static_cast<size_t>(length),
                           .sender_port_id = sender.nl_pid,
                           .truncated = (header.msg_flags & MSG_TRUNC) != 0};
  }

  int fd() const override { return mnl_socket_get_fd(socket_.get()); }

  uint32_t port_id() const override { return mnl_socket_get_portid(socket_.get()); }

 private:
  std::unique_ptr<mnl_socket, decltype(&mnl_socket_close)> socket_;
  std::string protocol_;
};

Error damaged(std::string_view what) {
  return Error{"sock_diag answer: " + std::string(what), ErrorKind::damaged, EBADMSG};
}

// The text that the kernel may add to an error (NETLINK_EXT_ACK); `attributes` follow the error code.
std::string explanation(std::span<const std::byte> attributes) {
  while (attributes.size() >= sizeof(nlattr)) {
    nlattr attribute;
    std::memcpy(&attribute, attributes.data(), sizeof attribute);
    if (attribute.nla_len < sizeof attribute || attribute.nla_len > attributes.size()) break;
    if ((attribute.nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG) {
      const auto* text = reinterpret_cast<const char*>(attributes.data() + sizeof attribute);
      return " (" + std::string(text, strnlen(text, attribute.nla_len - sizeof attribute)) + ")";
    }
    attributes = attributes.subspan(std::min<size_t>(NLA_ALIGN(attribute.nla_len), attributes.size()));
  }
  return "";
}

// The error code in NLMSG_ERROR and NLMSG_DONE: 0, or -errno.
Result<int> error_code(std::span<const std::byte> payload) {
  int32_t code = 0;
  if (payload.size() < sizeof code) return damaged("a message without its error code");
  std::memcpy(&code, payload.data(), sizeof code);
  if (code > 0 || code < -4095) return damaged("an error code out of range");
  return -code;
}

Error kernel_error(int code, const NetlinkMessage& message) {
  const std::span<const std::byte> payload = message.payload;
  Error error = Error::system("sock_diag", code, code == EPERM ? ErrorKind::privilege : ErrorKind::general);
  if (message.flags & NLM_F_ACK_TLVS) {
    size_t offset = sizeof code;
    if (message.type == NLMSG_ERROR && !(message.flags & NLM_F_CAPPED)) {
      nlmsghdr echoed{};  // struct nlmsgerr: the failed request follows the code
      if (payload.size() >= offset + sizeof echoed) {
        std::memcpy(&echoed, payload.data() + offset, sizeof echoed);
        offset += NLMSG_ALIGN(std::max<size_t>(echoed.nlmsg_len, sizeof echoed));
      }
    } else if (message.type == NLMSG_ERROR) {
      offset += sizeof(nlmsghdr);
    }
    if (offset < payload.size()) error.message += explanation(payload.subspan(offset));
  }
  return error;
}

}  // namespace

Result<NetlinkMessage> take_message(std::span<const std::byte>& bytes) {
  nlmsghdr header{};
  if (bytes.size() < sizeof header) return damaged("cut off in a message header");
  std::memcpy(&header, bytes.data(), sizeof header);
  const size_t length = header.nlmsg_len;
  if (length < sizeof header) return damaged("a message shorter than its header");
  if (length > bytes.size()) return damaged("a message longer than its datagram");
  NetlinkMessage message{.type = header.nlmsg_type,
                         .flags = header.nlmsg_flags,
                         .sequence = header.nlmsg_seq,
                         .port_id = header.nlmsg_pid,
                         .payload = bytes.subspan(sizeof header, length - sizeof header)};
  bytes = bytes.subspan(std::min<size_t>(NLMSG_ALIGN(length), bytes.size()));
  return message;
}

namespace {

Result<std::unique_ptr<NetlinkTransport>> open_netlink(int protocol, const std::string& name,
                                                       uint32_t groups) {
  mnl_socket* socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
  if (!socket) return Error::system("open a " + name + " socket", errno);
  auto transport = std::make_unique<Socket>(socket, name);
  const int fd = mnl_socket_get_fd(socket);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer);
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);  // 4.12; without it errors lack their text
  if (groups == 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kDeadline, sizeof kDeadline) != 0)
    return Error::system("set the deadline of a " + name + " socket", errno);
  if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) != 0)
    return Error::system("bind a " + name + " socket", errno);
  return std::unique_ptr<NetlinkTransport>(std::move(transport));
}

}  // namespace

Result<std::unique_ptr<NetlinkTransport>> open_sock_diag(uint32_t groups) {
  return open_netlink(NETLINK_SOCK_DIAG, "sock_diag", groups);
}

Result<std::unique_ptr<NetlinkTransport>> open_netfilter() {
  return open_netlink(NETLINK_NETFILTER, "netfilter", 0);
}

Netlink::Netlink(std::unique_ptr<NetlinkTransport> transport)
    : transport_(std::move(transport)), buffer_(kReceiveBuffer) {}

Result<void> Netlink::request(uint16_t type, uint16_t flags, std::span<const std::byte> payload) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(sizeof header + payload.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  header.nlmsg_seq = ++sequence_;
  std::vector<std::byte> message(header.nlmsg_len);
  std::memcpy(message.data(), &header, sizeof header);
  if (!payload.empty()) std::memcpy(message.data() + sizeof header, payload.data(), payload.size());
  return transport_->send(message);
}

// The next datagram that the kernel sent.
Result<std::span<const std::byte>> Netlink::receive() {
  for (int strays = 0; strays < kMaxStrays; ++strays) {
    Result<NetlinkDatagram> datagram = transport_->receive(buffer_);
    if (!datagram) {
      const int code = datagram.error().code;
      if (code == EINTR) continue;
      if (code == EAGAIN || code == EWOULDBLOCK)
        return Error{"sock_diag: the answer did not end within its deadline", ErrorKind::general, ETIMEDOUT};
      return std::move(datagram.error());  // ENOBUFS too: messages are lost, the answer cannot be completed
    }
    if (datagram->sender_port_id != 0) continue;
    if (datagram->truncated) return damaged("a datagram larger than the receive buffer");
    if (datagram->length == 0) return damaged("an empty datagram");
    if (datagram->length > buffer_.size()) return damaged("a length beyond the receive buffer");
    return std::span(datagram->bytes ? datagram->bytes : buffer_.data(), datagram->length);
  }
  return damaged("only datagrams from elsewhere");
}

Result<DumpEnd> Netlink::dump(uint16_t type, std::span<const std::byte> payload, const Sink& sink) {
  if (Result<void> sent = ask_for_dump(type, payload); !sent) return std::move(sent.error());
  return read_dump(sink);
}

Result<void> Netlink::ask_for_dump(uint16_t type, std::span<const std::byte> payload) {
  return request(type, NLM_F_DUMP, payload);
}

namespace {

// Shows the messages of a datagram some time before they are read.
class Announcer {
 public:
  Announcer(std::span<const std::byte> datagram, const Netlink::Coming& coming)
      : rest_(coming ? datagram : std::span<const std::byte>()), coming_(coming) {}

  // Before each message is read.
  void next() {
    for (; ahead_ <= kComing && !rest_.empty(); ++ahead_) {
      const Result<NetlinkMessage> message = take_message(rest_);
      if (!message) rest_ = {};  // who reads it will say so
      if (message && message->type >= NLMSG_MIN_TYPE) coming_(message->payload);
    }
    --ahead_;
  }

 private:
  std::span<const std::byte> rest_;
  const Netlink::Coming& coming_;
  int ahead_ = 0;
};

}  // namespace

Result<DumpEnd> Netlink::read_dump(const Sink& sink, const Coming& coming) {
  bool interrupted = false;
  for (int strays = 0; strays < kMaxStrays;) {
    Result<std::span<const std::byte>> datagram = receive();
    if (!datagram) return std::move(datagram.error());
    bool ours = false;
    Announcer announcer(*datagram, coming);
    while (!datagram->empty()) {
      announcer.next();
      Result<NetlinkMessage> message = take_message(*datagram);
      if (!message) return std::move(message.error());
      if (message->sequence != sequence_ || message->port_id != transport_->port_id()) continue;
      ours = true;
      if (message->flags & NLM_F_DUMP_INTR) interrupted = true;
      if (message->type == NLMSG_NOOP) continue;
      if (message->type == NLMSG_OVERRUN) return damaged("messages were lost");
      if (message->type == NLMSG_DONE || message->type == NLMSG_ERROR) {
        Result<int> code = error_code(message->payload);
        if (!code) return std::move(code.error());
        if (*code != 0) return kernel_error(*code, *message);
        if (message->type == NLMSG_ERROR) return damaged("acknowledged, not dumped");
        return interrupted ? DumpEnd::interrupted : DumpEnd::complete;
      }
      if (!sink(message->type, message->payload)) return DumpEnd::stopped;
    }
    strays = ours ? 0 : strays + 1;
  }
  return damaged("only messages of other requests");
}

Result<void> Netlink::next(const Sink& sink) {
  Result<std::span<const std::byte>> datagram = receive();
  if (!datagram) return std::move(datagram.error());
  while (!datagram->empty()) {
    Result<NetlinkMessage> message = take_message(*datagram);
    if (!message) return std::move(message.error());
    if (!sink(message->type, message->payload)) break;
  }
  return {};
}

Result<std::optional<std::vector<std::byte>>> Netlink::get(uint16_t type,
                                                           std::span<const std::byte> payload) {
  if (Result<void> sent = request(type, 0, payload); !sent) return std::move(sent.error());
  Result<std::optional<std::vector<std::byte>>> found = answer(false);
  if (!found && (found.error().code == ENOENT || found.error().code == ESTALE))
    return std::optional<std::vector<std::byte>>();
  return found;
}

Result<void> Netlink::act(uint16_t type, std::span<const std::byte> payload) {
  if (Result<void> sent = request(type, NLM_F_ACK, payload); !sent) return sent;
  Result<std::optional<std::vector<std::byte>>> done = answer(true);
  if (!done) return std::move(done.error());
  return {};
}

Result<std::optional<std::vector<std::byte>>> Netlink::answer(bool acknowledgement_wanted) {
  for (int strays = 0; strays < kMaxStrays; ++strays) {
    Result<std::span<const std::byte>> datagram = receive();
    if (!datagram) return std::move(datagram.error());
    while (!datagram->empty()) {
      Result<NetlinkMessage> message = take_message(*datagram);
      if (!message) return std::move(message.error());
      if (message->sequence != sequence_ || message->port_id != transport_->port_id()) continue;
      if (message->type == NLMSG_NOOP) continue;
      if (message->type == NLMSG_OVERRUN) return damaged("messages were lost");
      if (message->type == NLMSG_DONE || message->type == NLMSG_ERROR) {
        Result<int> code = error_code(message->payload);
        if (!code) return std::move(code.error());
        if (*code == 0 && acknowledgement_wanted) return std::optional<std::vector<std::byte>>();
        if (*code == 0) return damaged("acknowledged, not answered");
        return kernel_error(*code, *message);
      }
      return std::optional(std::vector<std::byte>(message->payload.begin(), message->payload.end()));
    }
  }
  return damaged("only messages of other requests");
}

}  // namespace socktrace::sys
