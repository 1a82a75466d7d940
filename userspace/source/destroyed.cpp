#include "source/destroyed.h"

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <poll.h>

#include <cerrno>

#include "sys/clock.h"

namespace socktrace::source {
namespace {

constexpr uint32_t group(sknetlink_groups number) {
  return uint32_t{1} << (number - 1);
}

uint32_t groups_of(const DumpRequest& request) {
  const bool tcp = request.tables & bit(diag::Table::tcp);
  const bool udp = request.tables & bit(diag::Table::udp);
  uint32_t groups = 0;
  if (tcp && request.inet) groups |= group(SKNLGRP_INET_TCP_DESTROY);
  if (udp && request.inet) groups |= group(SKNLGRP_INET_UDP_DESTROY);
  if (tcp && request.inet6) groups |= group(SKNLGRP_INET6_TCP_DESTROY);
  if (udp && request.inet6) groups |= group(SKNLGRP_INET6_UDP_DESTROY);
  return groups;
}

// Only an attribute says which table the socket was in.
Result<diag::Row> parse_destroyed(std::span<const std::byte> message) {
  Result<diag::Row> row = diag::parse_row(diag::Table::tcp, message);
  if (!row) return row;
  const std::optional<uint8_t> protocol = row->attributes.value<uint8_t>(INET_DIAG_PROTOCOL);
  if (protocol == IPPROTO_UDP) row = diag::parse_row(diag::Table::udp, message);
  if (row) row->socket.uid = UINT32_MAX;  // not filled in: 0
  // The last reference to a UDP socket's send buffer, which is not counted as a byte, is gone already: -1.
  if (row && row->socket.send_q == UINT32_MAX) row->socket.send_q = 0;
  return row;
}

}  // namespace

Result<void> follow_destroyed(const DumpRequest& request, const RowSink& sink,
                              const std::function<void()>& lost) {
  Result<std::unique_ptr<sys::NetlinkTransport>> transport = sys::open_sock_diag(groups_of(request));
  if (!transport) return std::move(transport.error());
  sys::Netlink netlink(std::move(*transport));
  std::optional<Error> failure;
  bool wanted = true;
  while (wanted && !failure) {
    const Result<void> read = netlink.next([&](uint16_t type, std::span<const std::byte> message) {
      if (type != SOCK_DIAG_BY_FAMILY) return true;
      Result<diag::Row> row = parse_destroyed(message);
      if (!row)
        failure = std::move(row.error());
      else
        wanted = sink(std::move(*row));
      return wanted && !failure;
    });
    if (!read && read.error().code == ENOBUFS)
      lost();
    else if (!read)
      return read;
  }
  if (failure) return std::move(*failure);
  return {};
}

Result<UdpEnds> UdpEnds::follow(uint32_t netns) {
  DumpRequest request;
  request.tables = bit(diag::Table::udp);
  Result<std::unique_ptr<sys::NetlinkTransport>> transport = sys::open_sock_diag(groups_of(request));
  if (!transport) return std::move(transport.error());
  const int fd = (*transport)->fd();
  return UdpEnds(sys::Netlink(std::move(*transport)), fd, netns);
}

Result<bool> UdpEnds::drain(const std::function<void(const Record&)>& on_record) {
  pollfd readable{fd_, POLLIN, 0};
  bool complete = true;
  std::optional<Error> failure;
  while (!failure && ::poll(&readable, 1, 0) > 0) {
    const Result<void> read = netlink_.next([&](uint16_t type, std::span<const std::byte> message) {
      if (type != SOCK_DIAG_BY_FAMILY) return true;
      Result<diag::Row> row = diag::parse_row(diag::Table::udp, message);
      if (!row) {
        failure = std::move(row.error());
        return false;
      }
      Record record;
      record.kind = RecordKind::release;
      record.time_ns = sys::boottime_ns();
      record.socket = std::move(row->socket);
      record.socket.netns = netns_;
      on_record(record);
      return true;
    });
    if (read) continue;
    if (read.error().code != ENOBUFS) return read.error();
    complete = false;
  }
  if (failure) return std::move(*failure);
  return complete;
}

}  // namespace socktrace::source
