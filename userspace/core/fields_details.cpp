#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/mptcp.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/sctp.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <linux/xdp_diag.h>

#include "core/field_rows.h"
#include "core/ss/packet_rest.h"
#include "core/ss/rest.h"
#include "core/ss/upper.h"

namespace socktrace {
namespace {

using diag::Row;
using diag::Table;

constexpr FieldNeeds kNothing = FieldNeeds::nothing;
constexpr FieldNeeds kInformation = FieldNeeds::information;
constexpr FieldNeeds kMemory = FieldNeeds::memory;
constexpr FieldNeeds kTos = FieldNeeds::tos;
constexpr FieldNeeds kFiles = FieldNeeds::files;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

template <auto Member>
FieldValue mptcp(const Row& row) {
  if (row.table != Table::mptcp) return {};
  const auto info = row.attributes.padded<mptcp_info>(INET_DIAG_INFO);
  return info ? FieldValue(uint64_t{(*info).*Member}) : FieldValue();
}

FieldValue sctp(const Row& row) {
  if (row.table != Table::sctp) return {};
  std::string text;
  ss::append_sctp(text, row.attributes);
  return field_text(trimmed(text));
}

template <typename T>
FieldValue inet_number(const Row& row, size_t attribute) {
  const auto value = is_inet(row.socket) ? row.attributes.value<T>(attribute) : std::nullopt;
  return value ? FieldValue(uint64_t{*value}) : FieldValue();
}

// Where a family has its SK_MEMINFO array.
std::span<const std::byte> memory_of(const Row& row) {
  switch (row.socket.family) {
    case Family::inet:
    case Family::inet6:
      return row.attributes.bytes(INET_DIAG_SKMEMINFO);
    case Family::unix:
      return row.attributes.bytes(UNIX_DIAG_MEMINFO);
    case Family::packet:
      return row.attributes.bytes(PACKET_DIAG_MEMINFO);
    case Family::netlink:
      return row.attributes.bytes(NETLINK_DIAG_MEMINFO);
    case Family::xdp:
      return row.attributes.bytes(XDP_DIAG_MEMINFO);
    default:
      return {};
  }
}

template <size_t Index>
FieldValue memory(const Row& row) {
  const auto bytes = memory_of(row);
  uint32_t value = 0;
  if (bytes.size() < (Index + 1) * sizeof value) return {};
  std::memcpy(&value, bytes.data() + Index * sizeof value, sizeof value);
  return uint64_t{value};
}

template <uint32_t SocketDetails::*Member>
FieldValue end(const Row& row) {
  const bool has =
      row.socket.details && (row.socket.family == Family::netlink || row.socket.family == Family::vsock ||
                             row.socket.family == Family::tipc || row.socket.family == Family::xdp);
  return has ? FieldValue(uint64_t{(*row.socket.details).*Member}) : FieldValue();
}

FieldValue pending(const Row& row) {
  if (row.socket.family != Family::unix) return {};
  auto list = row.attributes.bytes(UNIX_DIAG_ICONS);
  std::string text;
  for (; list.size() >= sizeof(uint32_t); list = list.subspan(sizeof(uint32_t))) {
    uint32_t inode = 0;
    std::memcpy(&inode, list.data(), sizeof inode);
    text += fmt::format("{}{}", text.empty() ? "" : " ", inode);
  }
  return field_text(text);
}

std::optional<unix_diag_vfs> file_of(const Row& row) {
  return row.socket.family == Family::unix ? row.attributes.value<unix_diag_vfs>(UNIX_DIAG_VFS)
                                           : std::nullopt;
}

std::optional<packet_diag_info> packet_of(const Row& row) {
  return row.socket.family == Family::packet ? row.attributes.value<packet_diag_info>(PACKET_DIAG_INFO)
                                             : std::nullopt;
}

template <int Attribute>
FieldValue ring(const Row& row) {
  const auto value =
      row.socket.family == Family::packet ? row.attributes.value<packet_diag_ring>(Attribute) : std::nullopt;
  if (!value) return {};
  std::string text;
  ss::append_packet_ring(text, "", *value);
  return field_text(text);
}

// The text of ss for a family that is seldom met.
template <Family Of>
FieldValue as_ss_has_it(const Row& row) {
  if (row.socket.family != Of) return {};
  ss::Show show;
  show.extended = show.tipc = show.one_line = true;
  std::string text;
  ss::append_rest(text, row, show, {});
  return field_text(trimmed(text));
}

constexpr Field kFields[] = {
    {"end.node", "node", "Node", true, kNothing, end<&SocketDetails::node>,
     "own node or context: of vsock and TIPC sockets"},
    {"end.port", "portid", "Port-Id", true, kNothing, end<&SocketDetails::port>,
     "own port of a vsock or TIPC socket, port id of a netlink socket, queue of an XDP socket"},
    {"end.peer_node", "peernode", "Peer-Node", true, kNothing, end<&SocketDetails::peer_node>,
     "the peer's node, or the group of a netlink socket"},
    {"end.peer_port", "peerportid", "Peer-Port-Id", true, kNothing, end<&SocketDetails::peer_port>,
     "the peer's port or port id"},
    {"mptcp.subflows", "subflows", "Subflows", true, kInformation, mptcp<&mptcp_info::mptcpi_subflows>,
     "subflows besides the first"},
    {"mptcp.subflows_max", "subflowsmax", "Subflows-Max", true, kInformation,
     mptcp<&mptcp_info::mptcpi_subflows_max>, "their limit"},
    {"mptcp.add_addr_signal", "addaddr", "Add-Addr", true, kInformation,
     mptcp<&mptcp_info::mptcpi_add_addr_signal>, "addresses announced"},
    {"mptcp.add_addr_accepted", "addaddrok", "Add-Addr-Ok", true, kInformation,
     mptcp<&mptcp_info::mptcpi_add_addr_accepted>, "the peer's addresses accepted"},
    {"mptcp.add_addr_signal_max", "addaddrmax", "Add-Addr-Max", true, kInformation,
     mptcp<&mptcp_info::mptcpi_add_addr_signal_max>, "limit of announcements"},
    {"mptcp.add_addr_accepted_max", "addaddrokmax", "Add-Addr-Ok-Max", true, kInformation,
     mptcp<&mptcp_info::mptcpi_add_addr_accepted_max>, "limit of acceptances"},
    {"mptcp.flags", "mptcpflags", "Mptcp-Flags", true, kInformation, mptcp<&mptcp_info::mptcpi_flags>,
     "1 fallback to TCP, 2 the peer's key is known"},
    {"mptcp.token", "token", "Token", true, kInformation, mptcp<&mptcp_info::mptcpi_token>,
     "identity of the connection"},
    {"mptcp.write_seq", "writeseq", "Write-Seq", true, kInformation, mptcp<&mptcp_info::mptcpi_write_seq>,
     "next byte to be sent"},
    {"mptcp.snd_una", "snduna", "Snd-Una", true, kInformation, mptcp<&mptcp_info::mptcpi_snd_una>,
     "first byte not acknowledged"},
    {"mptcp.rcv_nxt", "rcvnxt", "Rcv-Nxt", true, kInformation, mptcp<&mptcp_info::mptcpi_rcv_nxt>,
     "next byte expected"},
    {"mptcp.local_addr_used", "localaddrs", "Local-Addrs", true, kInformation,
     mptcp<&mptcp_info::mptcpi_local_addr_used>, "own addresses in use"},
    {"mptcp.local_addr_max", "localaddrsmax", "Local-Addrs-Max", true, kInformation,
     mptcp<&mptcp_info::mptcpi_local_addr_max>, "their limit"},
    {"mptcp.csum_enabled", "csum", "Csum", true, kInformation, mptcp<&mptcp_info::mptcpi_csum_enabled>,
     "1: with checksums"},
    {"sctp.info", "sctp", "Sctp", false, kInformation, sctp, "addresses and sctp_info, as ss has them"},
    {"ip.tos", "tos", "Tos", true, kTos,
     [](const Row& row) { return inet_number<uint8_t>(row, INET_DIAG_TOS); }, "type of service"},
    {"ip.tclass", "tclass", "Tclass", true, kTos,
     [](const Row& row) { return inet_number<uint8_t>(row, INET_DIAG_TCLASS); }, "traffic class"},
    {"ip.class_id", "classid", "Class-Id", true, kTos,
     [](const Row& row) { return inet_number<uint32_t>(row, INET_DIAG_CLASS_ID); },
     "class of net_cls, else the priority"},
    {"ip.options", "sockopts", "Sockopts", false, kNothing,
     [](const Row& row) {
       std::string names;
       if (is_inet(row.socket)) ss::append_socket_option_names(names, row.attributes);
       return field_text(trimmed(names));
     },
     "what --inet-sockopt shows: freebind recverr ..."},
    {"memory.rmem_alloc", "rmem", "Rmem", true, kMemory, memory<SK_MEMINFO_RMEM_ALLOC>,
     "receive memory in use"},
    {"memory.rcvbuf", "rcvbuf", "Rcvbuf", true, kMemory, memory<SK_MEMINFO_RCVBUF>, "its limit"},
    {"memory.wmem_alloc", "wmemalloc", "Wmem-Alloc", true, kMemory, memory<SK_MEMINFO_WMEM_ALLOC>,
     "memory of what is being sent"},
    {"memory.sndbuf", "sndbuf", "Sndbuf", true, kMemory, memory<SK_MEMINFO_SNDBUF>, "limit of send memory"},
    {"memory.fwd_alloc", "fwdalloc", "Fwd-Alloc", true, kMemory, memory<SK_MEMINFO_FWD_ALLOC>,
     "memory reserved and not used"},
    {"memory.wmem_queued", "wmem", "Wmem", true, kMemory, memory<SK_MEMINFO_WMEM_QUEUED>,
     "send memory in use"},
    {"memory.optmem", "optmem", "Optmem", true, kMemory, memory<SK_MEMINFO_OPTMEM>,
     "memory of socket options"},
    {"memory.backlog", "backlogmem", "Backlog-Mem", true, kMemory, memory<SK_MEMINFO_BACKLOG>,
     "bytes that wait for the socket to be unlocked"},
    {"memory.drops", "drops", "Drops", true, kMemory, memory<SK_MEMINFO_DROPS>,
     "packets dropped for want of memory"},
    {"unix.file_inode", "fileinode", "File-Inode", true, kFiles,
     [](const Row& row) {
       const auto file = file_of(row);
       return file ? FieldValue(uint64_t{file->udiag_vfs_ino}) : FieldValue();
     },
     "inode of the socket's file"},
    {"unix.file_device", "filedev", "File-Device", false, kFiles,
     [](const Row& row) {
       const auto file = file_of(row);
       return file
                  ? field_text(fmt::format("{}:{}", file->udiag_vfs_dev >> 20, file->udiag_vfs_dev & 0xfffff))
                  : FieldValue();
     },
     "its device"},
    {"unix.pending", "pending", "Pending", false, kFiles, pending, "inodes of connections not accepted yet"},
    {"netlink.groups", "groups", "Groups", true, kNothing,
     [](const Row& row) {
       const auto groups = row.socket.family == Family::netlink
                               ? row.attributes.value<uint32_t>(NETLINK_DIAG_GROUPS)
                               : std::nullopt;
       return groups ? FieldValue(uint64_t{*groups}) : FieldValue();
     },
     "multicast groups, the first 32 as bits"},
    {"packet.version", "pktversion", "Version", true, kNothing,
     [](const Row& row) {
       const auto info = packet_of(row);
       return info ? FieldValue(uint64_t{info->pdi_version}) : FieldValue();
     },
     "TPACKET version, counted from 0"},
    {"packet.copy_threshold", "copythresh", "Copy-Thresh", true, kNothing,
     [](const Row& row) {
       const auto info = packet_of(row);
       return info ? FieldValue(uint64_t{info->pdi_copy_thresh}) : FieldValue();
     },
     "PACKET_COPY_THRESH"},
    {"packet.flags", "pktflags", "Packet-Flags", false, kNothing,
     [](const Row& row) {
       std::string names;
       if (const auto info = packet_of(row)) ss::append_packet_flags(names, info->pdi_flags);
       return field_text(trimmed(names));
     },
     "running auxdata origdev vnethdr loss"},
    {"packet.rx_ring", "rxring", "Rx-Ring", false, kNothing, ring<PACKET_DIAG_RX_RING>, "receive ring"},
    {"packet.tx_ring", "txring", "Tx-Ring", false, kNothing, ring<PACKET_DIAG_TX_RING>, "send ring"},
    {"packet.fanout", "fanout", "Fanout", false, kNothing,
     [](const Row& row) {
       std::string text;
       const auto value = row.socket.family == Family::packet
                              ? row.attributes.value<uint32_t>(PACKET_DIAG_FANOUT)
                              : std::nullopt;
       if (value) ss::append_packet_fanout(text, *value);
       return field_text(text);
     },
     "fanout group"},
    {"packet.filter", "bpf", "Filter", false, kNothing,
     [](const Row& row) {
       std::string text;
       if (row.socket.family == Family::packet)
         if (const auto program = row.attributes.bytes(PACKET_DIAG_FILTER); !program.empty())
           ss::append_packet_filter(text, program);
       return field_text(text);
     },
     "classic BPF program (root)"},
    {"xdp.info", "xdpinfo", "Xdp", false, kNothing, as_ss_has_it<Family::xdp>,
     "rings and memory, as ss -e has them"},
    {"tipc.info", "tipcinfo", "Tipc", false, kNothing, as_ss_has_it<Family::tipc>, "as ss --tipcinfo has it"},
    {"bpf.storages", "storages", "Storages", false, FieldNeeds::storages,
     [](const Row& row) { return is_inet(row.socket) ? field_text(row.storages) : FieldValue(); },
     "what BPF programs keep with the socket (root)"},
};

}  // namespace

std::span<const Field> detail_fields() {
  return kFields;
}

}  // namespace socktrace
