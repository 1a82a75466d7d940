#pragma once

#include <array>
#include <string_view>

namespace socktrace::probe {

// What a program needs beside the kernel's consent.
enum class HookGroup {
  state,     // tp_btf
  nested,    // as state, a part of the hook that it needs, which is not listed by itself
  cgroup,    // Options::cgroup_fd
  stamp,     // as cgroup, and only where ST_CFG_COOKIE is off
  fexit,     // BindResult::fexit
  unix_end,  // as fexit, and only when unix sockets are asked for
  syscall,   // BindResult::tracepoint
  iterator,
};

// One row per BPF program: how it is called and what its absence costs. Order of attachment: the end of a call before
// its beginning, so that no entry is made that nothing would end.
struct HookInfo {
  std::string_view program;
  HookGroup group;
  std::string_view needs;  // a program that must be attached first; empty: none
  std::string_view cost;
  bool reads_memory = false;    // of no use without bpf_probe_read_kernel(), which lockdown forbids
  bool of_connections = false;  // of no use to who does not want to hear of TCP connections
};

inline constexpr std::string_view kNoBindResult = "bind errors are inferred";
inline constexpr std::string_view kNoListenResult = "listen errors are inferred";
inline constexpr std::string_view kNoAccept = "accepted connections show their listener's owner";
inline constexpr std::string_view kNoConnectResult = "local ports of connected UDP sockets come late";

inline constexpr std::array kHooks = {
    HookInfo{"st_set_state", HookGroup::state, "", "nothing can be traced"},
    HookInfo{"st_set_state_nested", HookGroup::nested, "st_set_state",
             "transitions of packets that interrupt others are lost", false, true},
    HookInfo{"st_destroy", HookGroup::state, "",
             "bound TCP sockets that are never used end at their release"},
    HookInfo{"st_error", HookGroup::state, "", "the reason of a failed connection is inferred", false, true},
    HookInfo{"st_fexit_bind", HookGroup::fexit, "", kNoBindResult},
    HookInfo{"st_fentry_bind", HookGroup::fexit, "st_fexit_bind", kNoBindResult},
    HookInfo{"st_fexit_listen", HookGroup::fexit, "", kNoListenResult, true},
    HookInfo{"st_fentry_listen", HookGroup::fexit, "st_fexit_listen", kNoListenResult, true},
    HookInfo{"st_fexit_accept4", HookGroup::fexit, "", kNoAccept, true, true},
    HookInfo{"st_fexit_connect", HookGroup::fexit, "", kNoConnectResult},
    HookInfo{"st_fentry_connect", HookGroup::fexit, "st_fexit_connect", kNoConnectResult},
    HookInfo{"st_unix_release", HookGroup::unix_end, "", "closes of unix sockets come late"},
    HookInfo{"st_exit_bind", HookGroup::syscall, "", kNoBindResult, true},
    HookInfo{"st_enter_bind", HookGroup::syscall, "st_exit_bind", kNoBindResult, true},
    HookInfo{"st_exit_listen", HookGroup::syscall, "", kNoListenResult, true},
    HookInfo{"st_enter_listen", HookGroup::syscall, "st_exit_listen", kNoListenResult, true},
    HookInfo{"st_exit_accept", HookGroup::syscall, "", kNoAccept, true, true},
    HookInfo{"st_exit_accept4", HookGroup::syscall, "", kNoAccept, true, true},
    HookInfo{"st_exit_connect", HookGroup::syscall, "", kNoConnectResult, true},
    HookInfo{"st_enter_connect", HookGroup::syscall, "st_exit_connect", kNoConnectResult, true},
    HookInfo{"st_sock_create", HookGroup::cgroup, "", "raw sockets appear only in dumps"},
    HookInfo{"st_sock_release", HookGroup::cgroup, "", "closes of UDP and raw sockets come late"},
    HookInfo{"st_bind4", HookGroup::cgroup, "", "failed IPv4 binds are not seen"},
    HookInfo{"st_bind6", HookGroup::cgroup, "", "failed IPv6 binds are not seen"},
    HookInfo{"st_post_bind4", HookGroup::cgroup, "", "ports that the kernel chose for IPv4 binds come late"},
    HookInfo{"st_post_bind6", HookGroup::cgroup, "", "ports that the kernel chose for IPv6 binds come late"},
    HookInfo{"st_connect4", HookGroup::cgroup, "", "connected IPv4 UDP sockets appear only in dumps"},
    HookInfo{"st_connect6", HookGroup::cgroup, "", "connected IPv6 UDP sockets appear only in dumps"},
    HookInfo{"st_sendmsg4", HookGroup::cgroup, "", "IPv4 UDP sockets that only send appear only in dumps"},
    HookInfo{"st_sendmsg6", HookGroup::cgroup, "", "IPv6 UDP sockets that only send appear only in dumps"},
    HookInfo{"st_stamp", HookGroup::stamp, "", "accepted connections have no cookie at first", false, true},
    HookInfo{"st_open_sockets", HookGroup::iterator, "", "owners come from a slower scan of /proc"},
};

}  // namespace socktrace::probe
