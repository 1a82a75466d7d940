#include "core/diag/request.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/tipc_sockets_diag.h>
#include <linux/unix_diag.h>
#include <linux/vm_sockets_diag.h>
#include <linux/xdp_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace socktrace::diag {
namespace {

constexpr uint8_t extension(int attribute) {
  return static_cast<uint8_t>(1 << (attribute - 1));
}

template <typename Header>
std::vector<std::byte> bytes(const Header& header) {
  std::vector<std::byte> result(sizeof header);
  std::memcpy(result.data(), &header, sizeof header);
  return result;
}

void append(std::vector<std::byte>& message, uint16_t type, std::span<const std::byte> value) {
  const nlattr attribute = {.nla_len = static_cast<uint16_t>(sizeof(nlattr) + value.size()),
                            .nla_type = type};
  const size_t begin = message.size();
  message.resize(begin + NLA_ALIGN(attribute.nla_len));
  std::memcpy(message.data() + begin, &attribute, sizeof attribute);
  std::memcpy(message.data() + begin + sizeof attribute, value.data(), value.size());
}

void append_protocol(std::vector<std::byte>& message, uint32_t number) {
  append(message, INET_DIAG_REQ_PROTOCOL, std::as_bytes(std::span(&number, 1)));
}

// A protocol beyond 8 bits goes into an attribute (5.9); 0 here makes older kernels refuse instead of taking
// its low bits for another protocol.
uint8_t short_protocol(uint16_t number) {
  return number <= UINT8_MAX ? static_cast<uint8_t>(number) : 0;
}

std::vector<std::byte> inet_request(const Query& query) {
  inet_diag_req_v2 request{};
  request.sdiag_family = static_cast<uint8_t>(query.family);
  request.sdiag_protocol = short_protocol(protocol(query.table));
  request.idiag_states = query.states;
  if (query.detail.memory) request.idiag_ext |= extension(INET_DIAG_MEMINFO) | extension(INET_DIAG_SKMEMINFO);
  if (query.detail.information)
    request.idiag_ext |=
        extension(INET_DIAG_INFO) | extension(INET_DIAG_VEGASINFO) | extension(INET_DIAG_CONG);
  if (query.detail.tos) request.idiag_ext |= extension(INET_DIAG_TOS) | extension(INET_DIAG_TCLASS);
  std::vector<std::byte> message = bytes(request);
  if (!query.bytecode.empty()) append(message, INET_DIAG_REQ_BYTECODE, query.bytecode);
  if (protocol(query.table) > UINT8_MAX) append_protocol(message, protocol(query.table));
  if (query.detail.storages) append(message, INET_DIAG_REQ_SK_BPF_STORAGES | NLA_F_NESTED, {});
  return message;
}

}  // namespace

std::vector<std::byte> dump_request(const Query& query) {
  if (bit(query.table) & kInetTables) return inet_request(query);
  if (bit(query.table) & kUnixTables) {
    unix_diag_req request{};
    request.sdiag_family = AF_UNIX;
    request.udiag_states = query.states;
    request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
    if (query.detail.memory) request.udiag_show |= UDIAG_SHOW_MEMINFO;
    if (query.detail.files) request.udiag_show |= UDIAG_SHOW_VFS | UDIAG_SHOW_ICONS;
    return bytes(request);
  }
  if (bit(query.table) & kPacketTables) {
    packet_diag_req request{};
    request.sdiag_family = AF_PACKET;
    request.pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_MEMINFO | PACKET_SHOW_FILTER | PACKET_SHOW_RING_CFG |
                         PACKET_SHOW_FANOUT;
    return bytes(request);
  }
  if (bit(query.table) & kVsockTables) {
    vsock_diag_req request{};
    request.sdiag_family = AF_VSOCK;
    request.vdiag_states = query.states;
    return bytes(request);
  }
  if (query.table == Table::netlink) {
    netlink_diag_req request{};
    request.sdiag_family = AF_NETLINK;
    request.sdiag_protocol = NDIAG_PROTO_ALL;
    request.ndiag_show = NDIAG_SHOW_GROUPS | NDIAG_SHOW_MEMINFO;
    return bytes(request);
  }
  if (query.table == Table::xdp) {
    xdp_diag_req request{};
    request.sdiag_family = AF_XDP;
    request.xdiag_show =
        XDP_SHOW_INFO | XDP_SHOW_RING_CFG | XDP_SHOW_UMEM | XDP_SHOW_MEMINFO | XDP_SHOW_STATS;
    return bytes(request);
  }
  tipc_sock_diag_req request{};
  request.sdiag_family = AF_TIPC;
  request.tidiag_states = query.states;
  return bytes(request);
}

std::vector<std::byte> get_request(const Socket& socket) {
  const uint32_t cookie[2] = {static_cast<uint32_t>(socket.key.cookie),
                              static_cast<uint32_t>(socket.key.cookie >> 32)};
  if (socket.family == Family::unix) {
    unix_diag_req request{};
    request.sdiag_family = AF_UNIX;
    request.udiag_ino = socket.inode;
    request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
    std::memcpy(request.udiag_cookie, cookie, sizeof cookie);
    if (socket.key.cookie == 0) request.udiag_cookie[0] = request.udiag_cookie[1] = ~0U;
    return bytes(request);
  }
  if (!is_inet(socket)) return {};
  inet_diag_req_v2 request{};
  request.sdiag_family = static_cast<uint8_t>(socket.family);
  request.sdiag_protocol = short_protocol(socket.protocol);
  if (socket.type == SOCK_RAW) {  // as inet_diag_req_raw, which has the protocol in place of padding
    request.sdiag_protocol = IPPROTO_RAW;
    request.pad = short_protocol(socket.protocol);
  }
  request.idiag_states = ~0U;
  request.id.idiag_sport = htons(socket.local.port);
  request.id.idiag_dport = htons(socket.peer.port);
  std::memcpy(request.id.idiag_src, socket.local.address.data(), socket.local.address.size());
  std::memcpy(request.id.idiag_dst, socket.peer.address.data(), socket.peer.address.size());
  request.id.idiag_if = socket.ifindex;
  std::memcpy(request.id.idiag_cookie, cookie, sizeof cookie);
  // Never generated, or not known: whichever socket has these addresses.
  if (socket.key.cookie == 0)
    request.id.idiag_cookie[0] = request.id.idiag_cookie[1] = static_cast<uint32_t>(INET_DIAG_NOCOOKIE);
  std::vector<std::byte> message = bytes(request);
  if (socket.protocol > UINT8_MAX) append_protocol(message, socket.protocol);
  return message;
}

}  // namespace socktrace::diag
