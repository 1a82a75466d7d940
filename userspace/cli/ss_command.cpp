#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "cli/exit_code.h"
#include "cli/filter_names.h"
#include "cli/help.h"
#include "cli/message.h"
#include "cli/netns_named.h"
#include "cli/output.h"
#include "cli/ss.h"
#include "cli/ss_names.h"
#include "cli/ss_options.h"
#include "cli/ss_owners.h"
#include "cli/ss_past.h"
#include "core/fields.h"
#include "core/filter/filter.h"
#include "core/ss/selection.h"
#include "enrich/netns_name.h"
#include "source/diag_file.h"
#include "sys/mounts.h"
#include "sys/netns.h"
#include "sys/privileges.h"
#include "sys/procfs.h"

namespace socktrace::cli {
namespace {

MatchContext match_context(const Filter& filter) {
  MatchContext context;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> context.first_local_port >>
      context.last_local_port;
  if (!filter.needs_marks()) return context;
  const Result<sys::Privileges> privileges = sys::current_privileges();
  context.kernel_compares_marks = privileges && privileges->net_admin && sys::has_power_in_current_netns();
  return context;
}

// A filter as the network namespace at hand understands it: interfaces and local ports are its own.
struct LocalFilter {
  Filter filter;
  MatchContext context;
  std::vector<std::byte> bytecode;
};

// What the names in a filter were found to mean, for when it is read again: in another namespace, or beside a log.
struct Lookups {
  bool lenient = false;  // an interface that this namespace lacks matches nothing; otherwise it is an error
  std::map<std::string, bool, std::less<>> interfaces = {};  // whether any namespace has it
  std::map<std::string, std::vector<uint32_t>, std::less<>> namespaces = {};
};

Result<LocalFilter> filter_here(const ss::Options& options, Lookups& lookups,
                                const LogReplay* past = nullptr) {
  FilterOptions names = system_filter_options(options.selection.preferred);
  if (lookups.lenient)
    names.names.device = [&lookups, look_up = std::move(names.names.device)](std::string_view name) {
      const std::optional<uint32_t> index = look_up(name);
      bool& found = lookups.interfaces.try_emplace(std::string(name), false).first->second;
      found = found || index;
      return index ? index : UINT32_MAX;
    };
  if (options.from.empty())
    names.names.netns = [&lookups, look_up = std::move(names.names.netns)](std::string_view name) {
      const auto known = lookups.namespaces.find(name);
      if (known != lookups.namespaces.end()) return known->second;
      return lookups.namespaces.emplace(name, look_up(name)).first->second;
    };
  else
    names.names = filter_names_of_log(past, std::move(names.names));
  Result<Filter> filter = Filter::parse(options.filter, names);
  if (!filter) return std::move(filter.error());
  LocalFilter local{.filter = *filter, .context = match_context(*filter), .bytecode = {}};
  if (std::optional<std::vector<std::byte>> program = local.filter.bytecode(local.context))
    local.bytecode = std::move(*program);
  return local;
}

uint32_t terminal_width() {
  winsize size{};
  return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// What a filter asks for and neither an end nor a dump file tells: every socket would be left out in silence.
Result<void> check_filter(const ss::Options& options, const LocalFilter& local) {
  const Filter& filter = local.filter;
  const auto refuse = [](const char* why) { return Error{std::string("ss: ") + why, ErrorKind::usage}; };
  if (options.events && (filter.needs_owners() || filter.needs_marks() || filter.needs_cgroups()))
    return refuse(
        "-E: the kernel tells neither user nor process, mark nor cgroup of a socket that ended; `sudo "
        "socktrace` does");
  if (!options.diag_file.empty() && filter.needs_processes())
    return refuse("--diag-file: a dump file has no processes: no pid, comm, unit or container in the filter");
  if (!(options.selection.families & (ss::bit(Family::inet) | ss::bit(Family::inet6)))) return {};
  if (filter.needs_autobound() && (options.events || !options.diag_file.empty()))
    return refuse(
        "-E and --diag-file do not tell whether the kernel chose a port: no autobound in the filter");
  if (options.from.empty() && filter.loses_autobound(local.context)) {
    if (filter.needs_marks() && !local.context.kernel_compares_marks)
      return Error{std::string(kMarksNeedPrivilege), ErrorKind::privilege};
    return refuse(
        "autobound: the kernel alone knows which ports it chose, and cannot decide what stands beside it in "
        "this `or` (or so long a filter): ask for the parts one by one");
  }
  return {};
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

Result<int> run_here(ss::Options& options) {
  Lookups lookups{.lenient = options.all_netns && options.from.empty()};
  Result<LocalFilter> local = filter_here(options, lookups);
  if (!local) return std::move(local.error());
  const Filter& filter = local->filter;
  if (const std::optional<Family> family = filter.family()) ss::select_family(options.selection, *family);

  if (Result<void> checked = check_filter(options, *local); !checked) return std::move(checked.error());
  if (options.show.process_contexts && !selinux_is_enabled())
    return Error{"ss: -Z and -z: SELinux is not enabled on this host", ErrorKind::unavailable};

  sys::UniqueFd dump_file;
  if (!options.dump_file.empty() && options.dump_file != "-") {
    dump_file = sys::UniqueFd(::open(options.dump_file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!dump_file) return Error::system("ss: -D: open " + options.dump_file, errno);
  }
  Output output(dump_file ? dump_file.get() : STDOUT_FILENO);
  std::optional<Error> failure;
  SsOwners owners(options.show.threads, filter.needs_owners() || shows_descriptions(options));
  SsEdges edges;
  if (!filter.empty())
    edges.matches = [&](const Socket& socket) { return local->filter.matches(socket, local->context); };
  edges.matches_owners = filter.needs_owners();
  edges.filter_needs = {.marks = filter.needs_marks(), .cgroups = filter.needs_cgroups()};
  edges.bytecode = [&] { return std::span<const std::byte>(local->bytecode); };
  const bool owners_are_gone = options.events || !options.diag_file.empty();
  edges.add_owners = [&](diag::Row& row) { return owners_are_gone ? Result<void>() : owners.add_to(row); };
  edges.want_owners = [&](std::span<const uint32_t> inodes) { owners.want(inodes); };
  edges.expect_owners = [&](uint32_t inode) { owners.expect(inode); };
  edges.enter = [&](const sys::NetNamespace& netns) -> Result<std::string> {
    local = filter_here(options, lookups);
    if (!local) return std::move(local.error());
    return enrich::netns_name(netns);
  };
  edges.names = system_names();
  // Not before all else is known to be right; what cannot be shortened (a pipe, a device) need not be.
  auto empty_dump_file = [&, done = false]() mutable {
    if (dump_file && !std::exchange(done, true)) (void)!ftruncate(dump_file.get(), 0);
  };
  edges.write = [&](std::string_view text) {
    empty_dump_file();
    output.buffer() += text;
    Result<bool> flushed = output.flush();
    if (flushed) return *flushed;
    failure = std::move(flushed.error());
    return false;
  };
  edges.message = [](std::string_view text) { print_message("ss", text); };
  edges.width = terminal_width();
  edges.sees_every_process = geteuid() == 0;
  bool damaged = false;
  if (!options.from.empty()) {
    const Result<Replay> replay = read_log(options, edges.message, damaged);
    if (!replay) return Error(replay.error());
    local = filter_here(options, lookups, replay->get());
    if (!local) return std::move(local.error());
    Result<RowSource> rows = rows_of_log(options, *replay);
    if (!rows) return std::move(rows.error());
    edges.rows = std::move(*rows);
    edges.names = names_of_log(**replay, std::move(edges.names));
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
  for (const auto& [name, found] : lookups.interfaces)
    if (!found) edges.message(fmt::format("no network namespace has an interface `{}`", name));
  if (code) empty_dump_file();
  if (code && failure) return std::move(*failure);
  return code && damaged ? Result<int>(kDamaged) : std::move(code);
}

}  // namespace

Result<int> run_ss_command(const std::vector<std::string>& words) {
  Result<SsCommand> command = parse_ss_options(words);
  if (!command) return std::move(command.error());
  if (command->help) return print_text(ss_help());
  if (command->version) return print_text(version_text());
  ss::Options& options = command->options;
  if (options.netns.empty() || !options.from.empty()) return run_here(options);
  const Result<sys::NetNamespace> netns = netns_of_option(options.netns);
  if (!netns) return Error(netns.error());
  // All of it, so that the filter, names and the summary are of that namespace too.
  return sys::in_netns(*netns, [&] { return run_here(options); });
}

}  // namespace socktrace::cli
