#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <unordered_map>

#include "cli/exit_code.h"
#include "cli/filter_names.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/past.h"
#include "cli/ss.h"
#include "cli/ss_names.h"
#include "cli/ss_options.h"
#include "cli/table_text.h"
#include "core/fields.h"
#include "core/filter/filter.h"
#include "core/ss/selection.h"
#include "enrich/netns_name.h"
#include "enrich/processes.h"
#include "source/diag_file.h"
#include "source/find_owners.h"
#include "sys/cgroupfs.h"
#include "sys/mounts.h"
#include "sys/procfs.h"

namespace socktrace::cli {
namespace {

// The names of a process's threads by id, highest first; of the process alone when it is gone.
std::vector<std::pair<uint32_t, std::string>> threads_of(const Process& process) {
  const std::string directory = "/proc/" + std::to_string(process.pid) + "/task/";
  std::vector<std::pair<uint32_t, std::string>> threads;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(directory.c_str()), closedir);
  while (const dirent* entry = stream ? readdir(stream.get()) : nullptr) {
    const auto tid = static_cast<uint32_t>(std::strtoul(entry->d_name, nullptr, 10));
    if (tid == 0) continue;
    std::ifstream file(directory + entry->d_name + "/comm");
    std::string name(std::istreambuf_iterator<char>(file), {});
    if (name.ends_with('\n')) name.pop_back();
    threads.emplace_back(tid, name.empty() ? process.name : name);
  }
  if (threads.empty()) threads.emplace_back(process.pid, process.name);
  return threads;
}

// Scans for owners when the first socket asks for them: a table without rows costs no scan.
class LazyOwners {
 public:
  // `described`: with user, unit and container, which cost several reads per process.
  LazyOwners(bool threads, bool described) : with_threads_(threads), described_(described) {}

  void add_to(diag::Row& row) {
    attribute(row.socket);
    if (with_threads_) expand_threads(row.socket);
    if (!row.socket.details || row.socket.details->peer_inode == 0 || row.socket.family != Family::unix)
      return;
    Socket peer;
    peer.family = Family::unix;
    peer.inode = row.socket.details->peer_inode;
    attribute(peer);
    row.peer_owners = std::move(peer.owners);
  }

 private:
  void attribute(Socket& socket) {
    static const source::OwnerMap kNone = [] {
      source::OwnerMap none;
      none.seal();
      return none;
    }();
    if (socket.inode != 0 && !owners_) owners_ = scan();
    const BindOptions options = socket.options;  // the table shows what sock_diag says
    source::attribute(socket, socket.inode != 0 ? *owners_ : kNone,
                      [this](const source::SocketHolder& holder) { return process(holder); });
    socket.options = options;
  }

  // One owner for each thread: threads share their descriptors, unless they were made with separate ones.
  void expand_threads(Socket& socket) {
    std::vector<Owner> expanded;
    for (const Owner& owner : socket.owners) {
      auto [known, is_new] = threads_.try_emplace(owner.process.get());
      if (is_new)
        for (const auto& [tid, name] : threads_of(*owner.process)) {
          auto thread = std::make_shared<Process>(*owner.process);
          thread->name = name;
          known->second.emplace_back(tid, std::move(thread));
        }
      for (const auto& [tid, thread] : known->second) {
        expanded.push_back(owner);
        expanded.back().process = thread;
        expanded.back().tid = tid;
      }
    }
    socket.owners = std::move(expanded);
  }

  static source::OwnerMap scan() {
    Result<sys::Procfs> procfs = sys::Procfs::open();
    if (procfs) {
      Result<source::OwnerMap> owners = source::find_owners(*procfs);
      if (owners) return std::move(*owners);
    }
    source::OwnerMap none;
    none.seal();
    return none;
  }

  const ProcessRef& process(const source::SocketHolder& holder) {
    ProcessRef& known = processes_[&holder];
    if (!known && described_) known = describe(holder.pid, holder.start_ns, holder.comm());
    if (!known) {
      auto process = std::make_shared<Process>();
      process->pid = holder.pid;
      process->start_ns = holder.start_ns;
      process->name = holder.comm();
      known = std::move(process);
    }
    return known;
  }

  // Null when /proc cannot be read.
  ProcessRef describe(uint32_t pid, uint64_t start_ns, std::string_view name) {
    if (!describer_) {
      Result<sys::Procfs> procfs = sys::Procfs::open();
      if (!procfs) return nullptr;
      Result<sys::UniqueFd> cgroups = sys::open_cgroup2();
      describer_.emplace(std::move(*procfs),
                         cgroups ? sys::CgroupTree(std::move(*cgroups)) : sys::CgroupTree());
    }
    return describer_->find(pid, start_ns, name);
  }

  std::optional<source::OwnerMap> owners_;
  std::optional<enrich::Processes> describer_;
  std::unordered_map<const source::SocketHolder*, ProcessRef> processes_;
  std::unordered_map<const Process*, std::vector<std::pair<uint32_t, ProcessRef>>> threads_;
  bool with_threads_;
  bool described_;
};

MatchContext match_context() {
  MatchContext context;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> context.first_local_port >>
      context.last_local_port;
  return context;
}

uint32_t terminal_width() {
  winsize size{};
  return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// What was asked for and is in no log.
std::string not_recorded(const ss::Options& options) {
  const ss::Show& show = options.show;
  std::string words;
  for (const auto& [asked, word] : {std::pair{show.information, "-i"},
                                    {show.memory, "-m"},
                                    {show.timer && !show.extended, "-o"},
                                    {show.threads, "-T"},
                                    {show.packet_filter, "-b"},
                                    {show.tos, "--tos"},
                                    {show.cgroup, "--cgroup"},
                                    {show.socket_options, "--inet-sockopt"},
                                    {show.tipc, "--tipcinfo"}}) {
    if (!asked) continue;
    if (!words.empty()) words += ", ";
    words += word;
  }
  return words;
}

// The rows of a recorded moment, in the order of the trace table.
Result<RowSource> rows_of_past(const ss::Options& options, const SsEdges& edges, bool& damaged) {
  if (options.summary) return Error{"ss: -s counts this host's sockets; not with --from", ErrorKind::usage};
  if (const std::string words = not_recorded(options); !words.empty())
    edges.message("not in an event log, and not shown: " + words);
  Result<PastTable> past = table_of_past({options.from, options.at, false}, edges.message);
  if (!past) return std::move(past.error());
  damaged = past->damaged;
  auto replay = std::make_shared<const LogReplay>(std::move(past->replay));
  // The recorder's own namespace has no name, and is the one that is meant when none is named.
  return RowSource([replay, wanted = options.netns,
                    all = options.all_netns](const std::function<bool(diag::Row &&)>& sink) -> Result<void> {
    const NetnsNames& names = replay->netns_names();
    const auto is_wanted = [&](const Socket& socket) {
      return all || names.name(socket.netns) == wanted || std::to_string(socket.netns) == wanted;
    };
    for (const Socket* socket : ordered_rows(replay->table(), is_wanted)) {
      const std::string netns = names.name(socket->netns);
      diag::Row row = recorded_row(*socket);
      row.netns_name = netns;
      if (!sink(std::move(row))) break;
    }
    return {};
  });
}

// Why the owners of what -E and --diag-file show are not known.
void explain_missing_owners(const ss::Options& options, const SsEdges& edges) {
  if (!options.show.processes) return;
  if (options.events)
    edges.message("the kernel does not say whose a socket was that ended; `sudo socktrace` does");
  if (!options.diag_file.empty()) edges.message("not in a dump file, and not shown: processes");
}

// Whether fields are shown that need more than the names of processes.
bool shows_descriptions(const ss::Options& options) {
  if (options.json && options.show.processes) return true;
  const auto needs = [](const std::string& name) {
    const Field* field = find_field(name.starts_with('-') ? std::string_view(name).substr(1) : name);
    return field && field->needs == FieldNeeds::described_owners;
  };
  return needs(options.group_by) || std::any_of(options.columns.begin(), options.columns.end(), needs) ||
         std::any_of(options.sort.begin(), options.sort.end(), needs);
}

bool selinux_is_enabled() {
  const Result<std::vector<sys::Mount>> mounts = sys::read_mounts();
  return mounts && std::any_of(mounts->begin(), mounts->end(),
                               [](const sys::Mount& mount) { return mount.type == "selinuxfs"; });
}

}  // namespace

Result<int> run_ss_command(const std::vector<std::string>& words) {
  Result<SsCommand> command = parse_ss_options(words);
  if (!command) return std::move(command.error());
  if (command->help) return print_text(ss_help());
  if (command->version) return print_text(version_text());
  ss::Options& options = command->options;

  Result<Filter> filter = Filter::parse(options.filter, system_filter_options(options.selection.preferred));
  if (!filter) return std::move(filter.error());
  if (const std::optional<Family> family = filter->family()) ss::select_family(options.selection, *family);
  const MatchContext context = match_context();
  const std::optional<std::vector<std::byte>> bytecode = filter->bytecode(context);

  if (options.show.process_contexts && !selinux_is_enabled())
    return Error{"ss: -Z and -z: SELinux is not enabled on this host", ErrorKind::unavailable};

  sys::UniqueFd dump_file;
  if (!options.dump_file.empty() && options.dump_file != "-") {
    dump_file =
        sys::UniqueFd(::open(options.dump_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!dump_file) return Error::system("ss: -D: open " + options.dump_file, errno);
  }
  Output output(dump_file ? dump_file.get() : STDOUT_FILENO);
  std::optional<Error> failure;
  LazyOwners owners(options.show.threads, filter->needs_owners() || shows_descriptions(options));
  SsEdges edges;
  if (!filter->empty())
    edges.matches = [&](const Socket& socket) { return filter->matches(socket, context); };
  edges.matches_owners = filter->needs_owners();
  if (bytecode) edges.bytecode = *bytecode;
  const bool owners_are_gone = options.events || !options.diag_file.empty();
  edges.add_owners = [&](diag::Row& row) {
    if (!owners_are_gone) owners.add_to(row);
  };
  edges.netns_name = [](const sys::NetNamespace& netns) { return enrich::netns_name(netns); };
  edges.names = system_names();
  edges.write = [&](std::string_view text) {
    output.buffer() += text;
    Result<bool> flushed = output.flush();
    if (flushed) return *flushed;
    failure = std::move(flushed.error());
    return false;
  };
  edges.message = [](std::string_view text) {
    std::fprintf(stderr, "socktrace: ss: %.*s\n", static_cast<int>(text.size()), text.data());
  };
  edges.width = terminal_width();
  edges.sees_every_process = geteuid() == 0;
  bool damaged = false;
  if (!options.from.empty()) {
    Result<RowSource> recorded = rows_of_past(options, edges, damaged);
    if (!recorded) return std::move(recorded.error());
    edges.rows = std::move(*recorded);
    edges.rows_are_recorded = true;
  } else if (!options.at.empty()) {
    return Error{"ss: --at needs --from LOG: this host's sockets are those of now", ErrorKind::usage};
  }
  if (!options.diag_file.empty())
    edges.rows = [&](const std::function<bool(diag::Row &&)>& sink) {
      return source::read_diag_file(options.diag_file, sink);
    };
  explain_missing_owners(options, edges);
  Result<int> code = run_ss(options, edges);
  if (code && failure) return std::move(*failure);
  return code && damaged ? Result<int>(kDamaged) : std::move(code);
}

}  // namespace socktrace::cli
