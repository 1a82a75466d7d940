#include "cli/ss_past.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "cli/table_text.h"

namespace socktrace::cli {
namespace {

// Each once.
std::vector<uint32_t> namespaces_where(const LogReplay& past, const std::function<bool(uint32_t)>& is_meant) {
  std::set<uint32_t> inodes;
  past.table().for_each([&](const Socket& socket) { inodes.insert(socket.netns); });
  std::erase_if(inodes, [&](uint32_t netns) { return !is_meant(netns); });
  return {inodes.begin(), inodes.end()};
}

// What a log was recorded with calls no namespace "host": that is the recorder's own, which has no name there.
std::vector<uint32_t> netns_in(const LogReplay& past, std::string_view name) {
  std::vector<uint32_t> inodes = past.netns_names().called(name);
  if (inodes.empty() && name == "host")
    inodes = namespaces_where(past,
                              [&](uint32_t netns) { return past.netns_names().foreign_name(netns).empty(); });
  return inodes;
}

// Paths of cgroups by their id, as the log tells them: of this host's, another may have the number by now.
std::map<uint64_t, std::string> cgroups_in(const LogReplay& past) {
  std::map<uint64_t, std::string> paths = {{1, "/"}};
  past.table().for_each([&](const Socket& socket) {
    for (const Owner& owner : socket.owners)
      if (socket.cgroup_id != 0 && owner.process && !owner.process->cgroup.empty())
        paths.try_emplace(socket.cgroup_id, owner.process->cgroup);
  });
  return paths;
}

// The only interface that has one number everywhere; a log has no names of others.
constexpr uint32_t kLoopback = 1;

// What was asked for and is in no log.
std::string not_recorded(const ss::Options& options) {
  using diag::bit;
  using diag::Table;
  const ss::Show& show = options.show;
  const auto named = [&](diag::TableSet tables) { return (options.selection.named & tables) != 0; };
  std::string words;
  for (const auto& [asked, word] : {std::pair{named(diag::kPacketTables), "packet sockets"},
                                    {named(bit(Table::netlink)), "netlink sockets"},
                                    {named(bit(Table::dccp)), "DCCP sockets"},
                                    {named(diag::kVsockTables), "vsock sockets"},
                                    {named(bit(Table::tipc)), "TIPC sockets"},
                                    {named(bit(Table::xdp)), "XDP sockets"},
                                    {show.bpf_maps, "--bpf-maps"},
                                    {show.extended, "timers and shutdown of -e"},
                                    {show.information, "-i"},
                                    {show.memory, "-m"},
                                    {show.timer && !show.extended && !show.packet_filter, "-o"},
                                    {show.threads, "-T"},
                                    {show.packet_filter, "-b"},
                                    {show.tos, "--tos"},
                                    {show.socket_options, "--inet-sockopt"},
                                    {show.tipc, "--tipcinfo"}}) {
    if (!asked) continue;
    if (!words.empty()) words += ", ";
    words += word;
  }
  return words;
}

// Whether what was recorded was chosen with this option; see Selection::text().
bool was_recorded_with(const LogReplay& replay, const std::string& option) {
  return (" " + replay.header().filter + " ").find(" " + option + " ") != std::string::npos;
}

using IsWanted = std::function<bool(const Socket&)>;

// The namespaces that -N and --all-netns choose. The recorder's own has no name, unless it was recorded with -N, and is the one
// that is meant when none is named.
Result<IsWanted> wanted_namespaces(const ss::Options& options, const Replay& replay) {
  const std::string& name = options.netns;
  if (options.all_netns) return IsWanted([](const Socket&) { return true; });
  if (name.empty() || name == "self" || was_recorded_with(*replay, "-N " + name))
    return IsWanted(
        [replay](const Socket& socket) { return replay->netns_names().foreign_name(socket.netns).empty(); });
  std::vector<uint32_t> inodes = netns_in(*replay, name);
  if (inodes.empty())
    inodes = namespaces_where(*replay, [&](uint32_t netns) { return std::to_string(netns) == name; });
  if (inodes.empty())
    return Error{"ss: -N: `" + name + "` is no network namespace of this log: --all-netns shows those it has",
                 ErrorKind::usage};
  return IsWanted(
      [inodes](const Socket& socket) { return std::ranges::find(inodes, socket.netns) != inodes.end(); });
}

}  // namespace

FilterNames filter_names_of_log(const LogReplay* past, FilterNames names) {
  names.device = [](std::string_view name) { return name == "lo" ? std::optional(kLoopback) : std::nullopt; };
  names.netns = [past](std::string_view name) {
    return past ? netns_in(*past, name) : std::vector<uint32_t>{0};
  };
  names.cgroup = [past](std::string_view path) -> std::optional<uint64_t> {
    if (!past) return 0;
    std::optional<uint64_t> youngest;
    for (const auto& [id, known] : cgroups_in(*past))
      if (known == path) youngest = id;
    return youngest;
  };
  return names;
}

Result<Replay> read_log(const ss::Options& options, const Message& message, bool& damaged) {
  if (options.summary) return Error{"ss: -s counts this host's sockets; not with --from", ErrorKind::usage};
  if (const std::string words = not_recorded(options); !words.empty())
    message("not in an event log, and not shown: " + words);
  Result<PastTable> past = table_of_past({options.from, options.at, false}, message);
  if (!past) return std::move(past.error());
  damaged = past->damaged;
  auto replay = std::make_shared<const LogReplay>(std::move(past->replay));
  if ((options.selection.named & diag::kUnixTables) != 0 && !was_recorded_with(*replay, "-x"))
    message("unix sockets are not in this log: `socktrace record -x` writes them");
  return replay;
}

Result<RowSource> rows_of_log(const ss::Options& options, const Replay& replay) {
  Result<IsWanted> is_wanted = wanted_namespaces(options, replay);
  if (!is_wanted) return std::move(is_wanted.error());
  return RowSource([replay, is_wanted = std::move(*is_wanted)](
                       const std::function<bool(diag::Row &&)>& sink) -> Result<void> {
    for (const Socket* socket : ordered_rows(replay->table(), is_wanted)) {
      const std::string netns = replay->netns_names().name(socket->netns);
      diag::Row row = recorded_row(*socket);
      if (row.table == diag::Table::tcp && row.socket.state == State::close)
        row.socket.state = State::bound_inactive;  // as the kernel lists it
      row.netns_name = netns;
      if (!sink(std::move(row))) break;
    }
    return {};
  });
}

ss::Names names_of_log(const LogReplay& past, ss::Names names) {
  names.cgroup = [paths = cgroups_in(past)](uint64_t id) {
    const auto found = paths.find(id);
    return found == paths.end() ? std::string() : found->second;
  };
  names.interface = [known = std::make_shared<std::map<uint32_t, std::string>>()](
                        uint32_t, uint32_t index) -> std::string_view {
    const auto [name, is_new] = known->try_emplace(index);
    if (is_new) name->second = index == kLoopback ? "lo" : "if" + std::to_string(index);
    return name->second;
  };
  return names;
}

}  // namespace socktrace::cli
