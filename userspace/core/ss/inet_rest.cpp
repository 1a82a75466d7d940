#include <fmt/format.h>
#include <linux/inet_diag.h>

#include <array>
#include <iterator>

#include "core/escape.h"
#include "core/ss/rest.h"
#include "core/ss/tcp_info.h"

namespace socktrace::ss {
namespace {

using diag::Row;
using diag::Table;

template <typename... Arguments>
void add(std::string& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
}

// "119min", "1min1sec", "24sec", "9.288ms" (ss 6.1 writes the seconds of a value below ten so), "40ms".
void append_expiry(std::string& out, uint32_t milliseconds) {
  uint32_t seconds = milliseconds / 1000;
  milliseconds %= 1000;
  const uint32_t minutes = seconds / 60;
  if (minutes) {
    seconds %= 60;
    milliseconds = 0;
    add(out, "{}min", minutes);
    if (minutes > 9) seconds = 0;
  }
  if (seconds) {
    if (seconds > 9) milliseconds = 0;
    add(out, "{}{}", seconds, milliseconds ? "." : "sec");
  }
  if (milliseconds) add(out, "{:03}ms", milliseconds);
}

void append_timer(std::string& out, const diag::Timer& timer) {
  if (timer.kind == 0) return;
  static constexpr std::array<std::string_view, 5> kNames = {"off", "on", "keepalive", "timewait", "persist"};
  add(out, " timer:({},", timer.kind < kNames.size() ? kNames[timer.kind] : "unknown");
  append_expiry(out, timer.expires_ms);
  add(out, ",{})", timer.retransmits);
}

void append_hex_or_zero(std::string& out, std::string_view name, uint32_t value) {
  if (value)
    add(out, " {}:{:#x}", name, value);
  else
    add(out, " {}:0", name);
}

void append_cgroup(std::string& out, const Socket& socket, const Names& names) {
  if (!socket.cgroup_id) return;
  out += " cgroup:";
  const std::string path = names.cgroup(socket.cgroup_id);
  if (path.empty())
    add(out, "unreachable:{:x}", socket.cgroup_id);
  else
    append_escaped(out, path);
}

void append_details(std::string& out, const Row& row, const Names& names) {
  const Socket& socket = row.socket;
  if (socket.uid != 0 && socket.uid != UINT32_MAX) add(out, " uid:{}", socket.uid);
  add(out, " ino:{} sk:{:x}", socket.inode, socket.key.cookie);
  if (socket.mark) add(out, " fwmark:{:#x}", socket.mark);
  append_cgroup(out, socket, names);
  if (socket.options.v6_only_known) add(out, " v6only:{}", socket.options.v6_only ? 1 : 0);
  if (row.attributes.has(INET_DIAG_SHUTDOWN)) append_arrows(out, socket.shutdown);
}

void append_tos(std::string& out, const diag::Attributes& attributes) {
  if (const auto tos = attributes.value<uint8_t>(INET_DIAG_TOS)) append_hex_or_zero(out, "tos", *tos);
  if (const auto tclass = attributes.value<uint8_t>(INET_DIAG_TCLASS))
    append_hex_or_zero(out, "tclass", *tclass);
  if (const auto id = attributes.value<uint32_t>(INET_DIAG_CLASS_ID))
    append_hex_or_zero(out, "class_id", *id);
}

void append_socket_options(std::string& out, const diag::Attributes& attributes, const Show& show) {
  if (!attributes.has(INET_DIAG_SOCKOPT)) return;
  out += show.one_line ? " inet-sockopt: (" : "\n\tinet-sockopt: (";
  append_socket_option_names(out, attributes);
  out += ')';
}

void append_inet_memory(std::string& out, const diag::Attributes& attributes) {
  if (attributes.has(INET_DIAG_SKMEMINFO)) return append_memory(out, attributes.bytes(INET_DIAG_SKMEMINFO));
  if (const auto memory = attributes.value<inet_diag_meminfo>(INET_DIAG_MEMINFO))
    add(out, " mem:(r{},w{},f{},t{})", memory->idiag_rmem, memory->idiag_wmem, memory->idiag_fmem,
        memory->idiag_tmem);
}

}  // namespace

void append_socket_option_names(std::string& out, const diag::Attributes& attributes) {
  const auto options = attributes.value<inet_diag_sockopt>(INET_DIAG_SOCKOPT);
  if (!options) return;
  const auto flag = [&](bool set, const char* name) {
    if (set) add(out, " {}", name);
  };
  flag(options->recverr, "recverr");
  flag(options->is_icsk, "is_icsk");
  flag(options->freebind, "freebind");
  flag(options->hdrincl, "hdrincl");
  flag(options->mc_loop, "mc_loop");
  flag(options->transparent, "transparent");
  flag(options->mc_all, "mc_all");
  flag(options->nodefrag, "nodefrag");
  flag(options->bind_address_no_port, "bind_addr_no_port");
  flag(options->recverr_rfc4884, "recverr_rfc4884");
  flag(options->defer_connect, "defer_connect");
}

void append_inet_rest(std::string& out, const Row& row, const Show& show, const Names& names) {
  // A row from /proc/net has no cookie and none of what follows; ss shows nothing either.
  if (row.socket.key.cookie == 0) return;
  if (show.timer) append_timer(out, row.timer);
  if (show.extended) append_details(out, row, names);
  if (show.tos) append_tos(out, row.attributes);
  if (show.cgroup) append_cgroup(out, row.socket, names);
  if (show.socket_options) append_socket_options(out, row.attributes, show);
  const bool information = show.information && row.table != Table::udp && row.table != Table::udplite;
  if (show.memory || information) out += show.one_line ? "" : "\n\t";
  if (show.memory) append_inet_memory(out, row.attributes);
  if (information) append_information(out, row, show);
  if (show.bpf_maps) append_storages(out, row, show, names);
}

}  // namespace socktrace::ss
