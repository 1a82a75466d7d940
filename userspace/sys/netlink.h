#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/result.h"

namespace socktrace::sys {

// One datagram as recvmsg() delivered it.
struct NetlinkDatagram {
  size_t length = 0;            // in bytes
  uint32_t sender_port_id = 0;  // 0 is the kernel; anything else is a process and is not believed
  bool truncated = false;       // MSG_TRUNC: the buffer was too small
  // Where it is, until the next call; null: in the buffer that was given.
  const std::byte* bytes = nullptr;
};

// One message, borrowed from the bytes it stands in.
struct NetlinkMessage {
  uint16_t type = 0;
  uint16_t flags = 0;  // NLM_F_*
  uint32_t sequence = 0;
  uint32_t port_id = 0;
  std::span<const std::byte> payload;
};

// Takes the first message off `bytes`, and the padding after it. Damaged when they end before it does.
Result<NetlinkMessage> take_message(std::span<const std::byte>& bytes);

// The edge to the kernel; tests put a script of malformed answers in its place.
class NetlinkTransport {
 public:
  virtual ~NetlinkTransport() = default;
  virtual Result<void> send(std::span<const std::byte> message) = 0;
  // One datagram. Error::code is the errno: EINTR may be tried again, EAGAIN means the deadline passed.
  virtual Result<NetlinkDatagram> receive(std::span<std::byte> buffer) = 0;
  virtual uint32_t port_id() const = 0;
  // To wait for, with poll(); -1: there is none.
  virtual int fd() const { return -1; }
};

// A NETLINK_SOCK_DIAG socket in the current network namespace, with a receive deadline of two seconds. `groups`: bit n for
// multicast group n + 1 (SKNLGRP_*); with any, receiving waits as long as it takes.
Result<std::unique_ptr<NetlinkTransport>> open_sock_diag(uint32_t groups = 0);
// A NETLINK_NETFILTER socket, otherwise alike; its answers need CAP_NET_ADMIN in the namespace.
Result<std::unique_ptr<NetlinkTransport>> open_netfilter();

enum class DumpEnd {
  complete,
  interrupted,  // NLM_F_DUMP_INTR: the table changed in a way that may have skipped or repeated entries
  stopped,      // the sink asked for it; a new request needs a new Netlink
};

// For one datagram. The kernel fills those of a dump up to the size of the reader's buffer, at most 32 KiB
// (netlink_recvmsg); twice that never truncates one.
inline constexpr size_t kReceiveBuffer = 64 * 1024;

// Requests to the kernel, one after another, on one netlink socket. After a failed or stopped dump the kernel
// may still be dumping: open another.
class Netlink {
 public:
  // Receives the payload of one message; valid until it returns. False stops the dump.
  using Sink = std::function<bool(uint16_t type, std::span<const std::byte> payload)>;

  explicit Netlink(std::unique_ptr<NetlinkTransport> transport);

  // Sends an NLM_F_DUMP request and streams the answer. Succeeds only when NLMSG_DONE without an error ended
  // the dump: lost, truncated, malformed or missing messages are errors, after the rows that were readable.
  // An error reported by the kernel has its errno in Error::code: ENOENT means that this kernel has no such
  // table.
  Result<DumpEnd> dump(uint16_t type, std::span<const std::byte> payload, const Sink& sink);

  // The same in two steps, so that the kernel can begin with one dump while another is read.
  Result<void> ask_for_dump(uint16_t type, std::span<const std::byte> payload);
  // Before `sink` gets a message, `coming` has been shown its payload, while those of up to eight others were to come first.
  using Coming = std::function<void(std::span<const std::byte> payload)>;
  Result<DumpEnd> read_dump(const Sink& sink, const Coming& coming = {});

  // The answer to a request for one object; nothing when the kernel says ENOENT (no such socket) or ESTALE
  // (another one by now: the cookie differs).
  Result<std::optional<std::vector<std::byte>>> get(uint16_t type, std::span<const std::byte> payload);

  // Waits for one datagram sent to a multicast group. Error::code ENOBUFS: some did not fit into the socket's buffer and
  // are lost; the next call goes on.
  Result<void> next(const Sink& sink);

  // A request that asks for something to be done. The kernel's refusal has its errno in Error::code.
  Result<void> act(uint16_t type, std::span<const std::byte> payload);

 private:
  // The first message that answers our request: its payload, or the error it carries.
  Result<std::optional<std::vector<std::byte>>> answer(bool acknowledgement_wanted);

  Result<void> request(uint16_t type, uint16_t flags, std::span<const std::byte> payload);
  Result<std::span<const std::byte>> receive();

  std::unique_ptr<NetlinkTransport> transport_;
  std::vector<std::byte> buffer_;
  uint32_t sequence_ = 0;
};

}  // namespace socktrace::sys
