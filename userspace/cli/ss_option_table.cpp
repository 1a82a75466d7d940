#include "cli/ss_option_table.h"

#include <fmt/format.h>

#include <string>

#include "cli/ss_options.h"
#include "core/fields.h"

namespace socktrace::cli {
namespace {

constexpr SsOptionRow kRows[] = {
    {'h', "help", nullptr, "this text"},
    {'V', "version", nullptr, "the version"},
    {'v', "version", nullptr, nullptr},
    {'a', "all", nullptr, "sockets in every state but bound-inactive"},
    {'l', "listening", nullptr, "listening sockets, and unconnected UDP"},
    {'B', "bound-inactive", nullptr, "TCP sockets that are bound and nothing else (kernel 6.8)", true},
    {'t', "tcp", nullptr, "TCP"},
    {'u', "udp", nullptr, "UDP"},
    {'w', "raw", nullptr, "raw IP"},
    {'x', "unix", nullptr, "unix domain"},
    {'d', "dccp", nullptr, "DCCP"},
    {'S', "sctp", nullptr, "SCTP"},
    {'M', "mptcp", nullptr, "MPTCP"},
    {'0', "packet", nullptr, "packet"},
    {kVsock, "vsock", nullptr, "vsock"},
    {kTipc, "tipc", nullptr, "TIPC"},
    {kXdp, "xdp", nullptr, "XDP"},
    {'4', "ipv4", nullptr, "IPv4 only"},
    {'6', "ipv6", nullptr, "IPv6 only"},
    {'f', "family", "FAMILY", "inet, inet6, link, unix, netlink, vsock, tipc, xdp"},
    {'A', "query", "TABLES", "tables by name, separated by commas; ! in front of one leaves it out"},
    {'A', "socket", "TABLES", nullptr},
    {'n', "numeric", nullptr, "numbers instead of service and protocol names"},
    {'r', "resolve", nullptr, "names of hosts"},
    {'p', "processes", nullptr, "the processes that hold the socket; on a terminal also why none does"},
    {'T', "threads", nullptr, "their threads"},
    {'e', "extended", nullptr, "uid, inode, cookie, mark, cgroup, shutdown; and -o"},
    {'o', "options", nullptr, "the running timer"},
    {'m', "memory", nullptr, "memory of the socket"},
    {'i', "info", nullptr, "tcp_info"},
    {'b', "bpf", nullptr, "filters of packet sockets; and -o"},
    {kTos, "tos", nullptr, "type of service, traffic class, class id"},
    {kCgroup, "cgroup", nullptr, "the cgroup"},
    {kInetSockopt, "inet-sockopt", nullptr, "options set on inet sockets"},
    {kBpfMaps, "bpf-maps", nullptr, "what BPF programs keep with inet sockets (root)", true},
    {kBpfMapId, "bpf-map-id", "ID", "the same, of this map only; may be repeated", true},
    {'Z', "context", nullptr, "SELinux contexts of the processes"},
    {'z', "contexts", nullptr, "SELinux contexts of the processes and of their sockets"},
    {kTipcInfo, "tipcinfo", nullptr, "details of TIPC sockets"},
    {'s', "summary", nullptr, "numbers of sockets by protocol"},
    {'H', "no-header", nullptr, "no headings"},
    {'Q', "no-queues", nullptr, "no queue columns", true},
    {'O', "oneline", nullptr, "one line for each socket"},
    {'N', "net", "NETNS", "in that network namespace: a name (ip netns), a pid or a path"},
    {kAllNetns, "all-netns", nullptr, "in every network namespace of this host", true},
    {kFrom, "from", "LOG", "the sockets of an event log (file, directory, -) instead of this host's", true},
    {kAt, "at", "TIME", "with --from: as they were at 03:12:07, '2026-09-20 03:12', -15m …; else the end",
     true},
    {'E', "events", nullptr, "TCP and UDP sockets as they end"},
    {'D', "diag", "FILE", "write the kernel's answers about TCP to a file (- for standard output)"},
    {kDiagFile, "diag-file", "FILE", "the sockets of such a file instead of this host's", true},
    {'F', "filter", "FILE", "more of the filter, from a file or - for standard input"},
    {'j', "json", nullptr, "a JSON object for each socket", true},
    {kColumns, "columns", "KEYS", "these fields, separated by commas", true},
    {kSort, "sort", "KEYS", "order by these fields; - in front of one reverses it", true},
    {kGroupBy, "group-by", "KEY", "number of sockets for each value of a field", true},
    {'K', "kill", nullptr, "close the TCP and UDP sockets that a filter chooses, and print them (root)"},
};

}  // namespace

std::span<const SsOptionRow> ss_option_rows() {
  return kRows;
}

std::string ss_help() {
  std::string text = "Usage: socktrace ss [OPTIONS] [state STATE | exclude STATE]... [FILTER]\n\n";
  for (const SsOptionRow& row : kRows) {
    if (!row.help) continue;
    std::string left = row.code < 256 ? fmt::format("  -{}, --{}", static_cast<char>(row.code), row.name)
                                      : fmt::format("      --{}", row.name);
    if (row.argument) left += fmt::format("={}", row.argument);
    text += fmt::format("{:<26} {}\n", left, row.help);
  }
  text +=
      "\nStates: established syn-sent syn-recv fin-wait-1 fin-wait-2 time-wait closed close-wait last-ack "
      "listening\n"
      "closing bound-inactive, and all, connected, synchronized, bucket, big.\n\n"
      "Fields, for --columns, --sort and --group-by:\n";
  for (const Field& field : fields())
    text += fmt::format("  {:<14} {:<29} {}\n", field.name, field.key, field.help);
  return text;
}

}  // namespace socktrace::cli
