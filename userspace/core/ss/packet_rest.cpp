#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/xdp_diag.h>

#include <array>
#include <iterator>

#include "core/ss/packet_rest.h"
#include "core/ss/rest.h"

namespace socktrace::ss {
namespace {

using diag::Row;

template <typename... Arguments>
void add(std::string& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
}

void append_packet_info(std::string& out, const packet_diag_info& info) {
  add(out, "ver:{} cpy_thresh:{} flags( ", info.pdi_version, info.pdi_copy_thresh);
  append_packet_flags(out, info.pdi_flags);
  if (!info.pdi_flags) out += "0 ";
  out += ')';
}

template <typename T>
void append_entries(std::string& out, const diag::Attributes& attributes, size_t type, std::string_view name,
                    std::string_view line) {
  if (const auto ring = attributes.value<T>(type)) add(out, "{}{}(entries:{})", line, name, ring->entries);
}

}  // namespace

void append_packet_flags(std::string& out, uint32_t flags) {
  struct Flag {
    uint32_t bit;
    std::string_view name;
  };
  static constexpr std::array<Flag, 5> kFlags = {{{PDI_RUNNING, "running"},
                                                  {PDI_AUXDATA, "auxdata"},
                                                  {PDI_ORIGDEV, "origdev"},
                                                  {PDI_VNETHDR, "vnethdr"},
                                                  {PDI_LOSS, "loss"}}};
  for (const Flag& flag : kFlags)
    if (flags & flag.bit) add(out, "{} ", flag.name);
}

void append_packet_ring(std::string& out, std::string_view name, const packet_diag_ring& ring) {
  add(out, "{}(blk_size:{},blk_nr:{},frm_size:{},frm_nr:{},tmo:{},features:0x{:x})", name,
      ring.pdr_block_size, ring.pdr_block_nr, ring.pdr_frame_size, ring.pdr_frame_nr, ring.pdr_retire_tmo,
      ring.pdr_features);
}

void append_packet_fanout(std::string& out, uint32_t value) {
  static constexpr std::array<std::string_view, 6> kTypes = {"hash", "lb", "cpu", "roll", "random", "qm"};
  const uint32_t type = value >> 16 & 0xff;
  add(out, "fanout(id:{},type:", value & 0xffff);
  if (type < kTypes.size())
    out += kTypes[type];
  else
    add(out, "0x{:x}", type);
  out += ')';
}

void append_packet_filter(std::string& out, std::span<const std::byte> program) {
  add(out, "bpf filter ({}): ", program.size() / sizeof(sock_filter));
  for (; program.size() >= sizeof(sock_filter); program = program.subspan(sizeof(sock_filter))) {
    sock_filter instruction;
    std::memcpy(&instruction, program.data(), sizeof instruction);
    add(out, " 0x{:02x} {} {} {},", instruction.code, instruction.jt, instruction.jf, instruction.k);
  }
}

void append_packet_rest(std::string& out, const Row& row, const Show& show) {
  const std::string_view line = show.one_line ? " " : "\n\t";
  const diag::Attributes& attributes = row.attributes;
  if (show.extended) {
    add(out, " ino:{} sk:{:x}", row.socket.inode, row.socket.key.cookie);
    if (const auto info = attributes.value<packet_diag_info>(PACKET_DIAG_INFO)) {
      out += line;
      append_packet_info(out, *info);
    }
    if (const auto ring = attributes.value<packet_diag_ring>(PACKET_DIAG_RX_RING)) {
      out += line;
      append_packet_ring(out, "ring_rx", *ring);
    }
    if (const auto ring = attributes.value<packet_diag_ring>(PACKET_DIAG_TX_RING)) {
      out += line;
      append_packet_ring(out, "ring_tx", *ring);
    }
    if (const auto fanout = attributes.value<uint32_t>(PACKET_DIAG_FANOUT)) {
      out += line;
      append_packet_fanout(out, *fanout);
    }
  }
  if (show.packet_filter) {
    const auto program = attributes.bytes(PACKET_DIAG_FILTER);
    if (!program.empty()) {
      out += line;
      append_packet_filter(out, program);
    }
  }
  if (show.memory) append_memory(out, attributes.bytes(PACKET_DIAG_MEMINFO));
}

void append_xdp_rest(std::string& out, const Row& row, const Show& show) {
  const std::string_view line = show.one_line ? " " : "\n\t";
  const diag::Attributes& attributes = row.attributes;
  if (show.extended) {
    add(out, " ino:{} sk:{:x}", row.socket.inode, row.socket.key.cookie);
    append_entries<xdp_diag_ring>(out, attributes, XDP_DIAG_RX_RING, "rx", line);
    append_entries<xdp_diag_ring>(out, attributes, XDP_DIAG_TX_RING, "tx", line);
    if (const auto umem = attributes.value<xdp_diag_umem>(XDP_DIAG_UMEM))
      add(out, "{}umem(id:{},size:{},num_pages:{},chunk_size:{},headroom:{},ifindex:{},qid:{},zc:{},refs:{})",
          line, umem->id, umem->size, umem->num_pages, umem->chunk_size, umem->headroom, umem->ifindex,
          umem->queue_id, umem->flags & XDP_DU_F_ZEROCOPY, umem->refs);
    append_entries<xdp_diag_ring>(out, attributes, XDP_DIAG_UMEM_FILL_RING, "fr", line);
    append_entries<xdp_diag_ring>(out, attributes, XDP_DIAG_UMEM_COMPLETION_RING, "cr", line);
    if (const auto stats = attributes.value<xdp_diag_stats>(XDP_DIAG_STATS))
      add(out,
          "{}stats(rx dropped:{},rx invalid:{},rx queue full:{},rx fill ring empty:{},tx invalid:{},tx ring "
          "empty:{})",
          line, stats->n_rx_dropped, stats->n_rx_invalid, stats->n_rx_full, stats->n_fill_ring_empty,
          stats->n_tx_invalid, stats->n_tx_ring_empty);
  }
  if (show.memory) append_memory(out, attributes.bytes(XDP_DIAG_MEMINFO));
}

}  // namespace socktrace::ss
