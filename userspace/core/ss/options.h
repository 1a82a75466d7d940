#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/diag/request.h"
#include "core/diag/table.h"
#include "core/state.h"

namespace socktrace::ss {

using FamilySet = uint64_t;  // bit n: address family n
constexpr FamilySet bit(Family family) {
  return FamilySet{1} << static_cast<int>(family);
}

// Which sockets: what -t, -4, -a, -A, state … come to (see selection.h).
struct Selection {
  diag::TableSet tables = 0;
  FamilySet families = 0;
  StateMask states = 0;
  diag::TableSet named = 0;  // chosen one by one, not by `all`, `inet`, -4 …: that there are none is told
  // The family chosen last. As in ss, -4 -6 shows IPv6 only and -6 -4 IPv4 only.
  Family preferred = Family::unspecified;
};

// What a row shows besides state, queues and addresses.
struct Show {
  bool header = true;
  bool queues = true;
  bool numeric = false;                    // -n
  bool resolve = false;                    // -r
  bool one_line = false;                   // -O
  bool timer = false;                      // -o
  bool extended = false;                   // -e
  bool memory = false;                     // -m
  bool information = false;                // -i
  bool processes = false;                  // -p
  bool threads = false;                    // -T
  bool every_owner = false;                // with -p, on a terminal: beyond ss, see append_rest()
  bool packet_filter = false;              // -b
  bool tos = false;                        // --tos
  bool cgroup = false;                     // --cgroup
  bool socket_options = false;             // --inet-sockopt
  bool tipc = false;                       // --tipcinfo
  bool process_contexts = false;           // -Z
  bool socket_contexts = false;            // -z
  bool bpf_maps = false;                   // --bpf-maps
  std::vector<uint32_t> bpf_map_ids = {};  // --bpf-map-id: only these; empty: all
};

// Everything the command line of `socktrace ss` can say.
struct Options {
  Selection selection;
  Show show;
  std::vector<std::string> filter;  // the words of the filter expression
  std::string netns;                // -N; empty: the current one
  bool summary = false;             // -s
  bool summary_only = false;        // -s and nothing selected: no table after it
  std::string dump_file;  // -D: where the kernel's answers go instead of a table; "-": standard output
  bool events = false;    // -E: sockets as they end
  std::string diag_file;  // --diag-file: rows from such a dump instead of this host; "-": standard input
  // Beyond ss.
  bool json = false;                 // one JSON object per socket
  std::vector<std::string> columns;  // keys of the field table, in order
  std::vector<std::string> sort;     // keys; a leading '-' reverses
  std::string group_by;              // key: one row per value, with the number of sockets
  bool all_netns = false;
  bool kill = false;              // close what matches
  std::vector<std::string> from;  // event logs instead of this host; empty: none
  std::string at;                 // the moment in them; empty: their end
};

// What the dump has to ask the kernel for.
inline diag::Detail detail(const Show& show) {
  return {.memory = show.memory,
          .information = show.information,
          .tos = show.tos,
          .files = show.extended,
          .storages = show.bpf_maps};
}

}  // namespace socktrace::ss
