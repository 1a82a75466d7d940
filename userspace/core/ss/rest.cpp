#include "core/ss/rest.h"

#include <fmt/format.h>
#include <linux/netlink_diag.h>
#include <linux/sock_diag.h>
#include <linux/tipc_netlink.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "core/escape.h"
#include "core/event_text.h"

namespace socktrace::ss {
namespace {

using diag::Row;

template <typename... Arguments>
void add(std::string& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
}

void append_context(std::string& out, const char* key, const std::string& context) {
  out += key;
  if (context.empty())
    out += "unavailable";
  else
    append_escaped(out, context);
}

void append_user(std::string& out, const Owner& owner, const Show& show, const Names& names) {
  out += "(\"";
  append_escaped_in_quotes(out, owner.process->name);
  out += "\",pid=";
  append_number(out, owner.process->pid);
  if (show.threads) {
    out += ",tid=";
    append_number(out, owner.tid ? owner.tid : owner.process->pid);
  }
  if (show.process_contexts) append_context(out, ",proc_ctx=", names.process_context(owner.process->pid));
  out += ",fd=";
  append_number(out, owner.fd);
  if (show.socket_contexts)
    append_context(out, ",sock_ctx=", names.socket_context(owner.process->pid, owner.fd));
  out += ')';
}

void append_unix_rest(std::string& out, const Row& row, const Show& show) {
  if (show.memory) append_memory(out, row.attributes.bytes(UNIX_DIAG_MEMINFO));
  if (!show.extended) return;
  if (row.attributes.has(UNIX_DIAG_SHUTDOWN)) append_arrows(out, row.socket.shutdown);
  if (const auto file = row.attributes.value<unix_diag_vfs>(UNIX_DIAG_VFS))
    // The kernel sends its own dev_t, 12 bits of major and 20 of minor.
    add(out, " ino:{} dev:{}/{}", file->udiag_vfs_ino, file->udiag_vfs_dev >> 20,
        file->udiag_vfs_dev & 0xfffff);
  if (!row.attributes.has(UNIX_DIAG_ICONS)) return;
  out += " peers:";
  auto list = row.attributes.bytes(UNIX_DIAG_ICONS);
  for (; list.size() >= sizeof(uint32_t); list = list.subspan(sizeof(uint32_t))) {
    uint32_t inode;
    std::memcpy(&inode, list.data(), sizeof inode);
    add(out, " {}", inode);
  }
}

void append_netlink_rest(std::string& out, const Row& row, const Show& show) {
  if (show.extended)
    // ss prints the kernel addresses that /proc/net/netlink used to give; sock_diag has none.
    add(out, " sk=0 cb=0 groups=0x{:08x}", row.attributes.value<uint32_t>(NETLINK_DIAG_GROUPS).value_or(0));
  if (show.memory) {
    out += show.one_line ? ' ' : '\t';
    append_memory(out, row.attributes.bytes(NETLINK_DIAG_MEMINFO));
  }
}

void append_tipc_rest(std::string& out, const Row& row, const Show& show) {
  if (!show.tipc) return;
  out += show.one_line ? " " : "\n ";
  static constexpr std::array<std::string_view, 6> kTypes = {"", "STREAM", "DGRAM", "", "RDM", "SEQPACKET"};
  const auto type = row.socket.type < kTypes.size() ? kTypes[row.socket.type] : std::string_view();
  const diag::Attributes statistics = row.attributes.nested(TIPC_NLA_SOCK_STAT);
  add(out, "type:{} cong:{} {} drop:{} ", type,
      statistics.has(TIPC_NLA_SOCK_STAT_LINK_CONG) ? "link" : "none",
      statistics.has(TIPC_NLA_SOCK_STAT_CONN_CONG) ? "conn" : "",
      statistics.value<uint32_t>(TIPC_NLA_SOCK_STAT_DROP).value_or(0));
  if (row.attributes.has(TIPC_NLA_SOCK_HAS_PUBL)) out += "publ ";
  const diag::Attributes connection = row.attributes.nested(TIPC_NLA_SOCK_CON);
  if (connection.has(TIPC_NLA_CON_FLAG))
    add(out, "via {{{},{}}} ", connection.value<uint32_t>(TIPC_NLA_CON_TYPE).value_or(0),
        connection.value<uint32_t>(TIPC_NLA_CON_INST).value_or(0));
}

}  // namespace

// The order of ss: highest pid first, of one process the highest thread, of that the highest descriptor.
void append_users(std::string& out, const Socket& socket, const Show& show, const Names& names) {
  if (socket.owners.empty()) return;
  out += " users:(";
  if (socket.owners.size() == 1) {
    append_user(out, socket.owners[0], show, names);
    out += ')';
    return;
  }
  std::vector<const Owner*> owners;
  for (const Owner& owner : socket.owners) owners.push_back(&owner);
  std::stable_sort(owners.begin(), owners.end(), [](const Owner* a, const Owner* b) {
    if (a->process->pid != b->process->pid) return a->process->pid > b->process->pid;
    return a->tid != b->tid ? a->tid > b->tid : a->fd > b->fd;
  });
  for (size_t i = 0; i < owners.size(); ++i) {
    if (i) out += ',';
    append_user(out, *owners[i], show, names);
  }
  out += ')';
}

void append_memory(std::string& out, std::span<const std::byte> meminfo) {
  std::array<uint32_t, SK_MEMINFO_VARS> value{};
  const size_t count = std::min(meminfo.size() / sizeof(uint32_t), value.size());
  if (count <= SK_MEMINFO_OPTMEM) return;
  std::memcpy(value.data(), meminfo.data(), count * sizeof(uint32_t));
  add(out, " skmem:(r{},rb{},t{},tb{},f{},w{},o{}", value[SK_MEMINFO_RMEM_ALLOC], value[SK_MEMINFO_RCVBUF],
      value[SK_MEMINFO_WMEM_ALLOC], value[SK_MEMINFO_SNDBUF], value[SK_MEMINFO_FWD_ALLOC],
      value[SK_MEMINFO_WMEM_QUEUED], value[SK_MEMINFO_OPTMEM]);
  if (count > SK_MEMINFO_BACKLOG) add(out, ",bl{}", value[SK_MEMINFO_BACKLOG]);
  if (count > SK_MEMINFO_DROPS) add(out, ",d{}", value[SK_MEMINFO_DROPS]);
  out += ')';
}

void append_arrows(std::string& out, uint8_t shutdown) {
  out += ' ';
  out += shutdown & 1 ? '-' : '<';
  out += '-';
  out += shutdown & 2 ? '-' : '>';
}

void append_rest(std::string& out, const Row& row, const Show& show, const Names& names) {
  // ss has the process of a netlink socket in the port column, of one at most; and of a unix socket's peer the inode alone.
  if (show.processes && (show.every_owner || row.table != diag::Table::netlink))
    append_users(out, row.socket, show, names);
  if (show.every_owner && !row.peer_owners.empty()) append_processes(out, " peer:", row.peer_owners);
  switch (row.socket.family) {
    case Family::unix:
      return append_unix_rest(out, row, show);
    case Family::packet:
      return append_packet_rest(out, row, show);
    case Family::netlink:
      return append_netlink_rest(out, row, show);
    case Family::xdp:
      return append_xdp_rest(out, row, show);
    case Family::tipc:
      return append_tipc_rest(out, row, show);
    case Family::vsock:
      if (show.extended) {
        add(out, " ino:{} sk:{:x}", row.socket.inode, row.socket.key.cookie);
        append_arrows(out, row.socket.shutdown);
      }
      return;
    default:
      return append_inet_rest(out, row, show, names);
  }
}

}  // namespace socktrace::ss
