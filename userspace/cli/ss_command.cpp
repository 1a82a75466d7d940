#include <dirent.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <unordered_map>

#include "cli/filter_names.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/ss.h"
#include "cli/ss_names.h"
#include "cli/ss_options.h"
#include "core/filter/filter.h"
#include "source/find_owners.h"
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
  explicit LazyOwners(bool threads) : with_threads_(threads) {}

  void add_to(Socket& socket) {
    if (socket.inode == 0) return;
    if (!owners_) owners_ = scan();
    const BindOptions options = socket.options;  // the table shows what sock_diag says
    source::attribute(socket, *owners_,
                      [this](const source::SocketHolder& holder) { return process(holder); });
    socket.options = options;
    if (with_threads_) expand_threads(socket);
  }

 private:
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
    if (!known) {
      auto process = std::make_shared<Process>();
      process->pid = holder.pid;
      process->start_ns = holder.start_ns;
      process->name = holder.comm();
      known = std::move(process);
    }
    return known;
  }

  std::optional<source::OwnerMap> owners_;
  std::unordered_map<const source::SocketHolder*, ProcessRef> processes_;
  std::unordered_map<const Process*, std::vector<std::pair<uint32_t, ProcessRef>>> threads_;
  bool with_threads_;
};

uint32_t terminal_width() {
  winsize size{};
  return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// The family when -4, -x, -f … leave one: then `src` takes its addresses without a prefix.
Family only_family(ss::FamilySet families) {
  for (const Family family :
       {Family::inet, Family::inet6, Family::unix, Family::packet, Family::netlink, Family::vsock})
    if (families == ss::bit(family)) return family;
  return Family::unspecified;
}

Result<int> print(std::string_view text) {
  Output output;
  output.buffer() = text;
  Result<bool> flushed = output.flush();
  if (!flushed) return std::move(flushed.error());
  return 0;
}

}  // namespace

Result<int> run_ss_command(const std::vector<std::string>& words) {
  Result<SsCommand> command = parse_ss_options(words);
  if (!command) return std::move(command.error());
  if (command->help) return print(ss_help());
  if (command->version) return print(version_text());
  ss::Options& options = command->options;

  Result<Filter> filter =
      Filter::parse(options.filter, system_filter_options(only_family(options.selection.families)));
  if (!filter) return std::move(filter.error());
  if (filter->family()) options.selection.families = ss::bit(*filter->family());
  const std::vector<std::byte> bytecode = filter->bytecode().value_or(std::vector<std::byte>{});

  Output output;
  std::optional<Error> failure;
  LazyOwners owners(options.show.threads);
  SsEdges edges;
  edges.bytecode = bytecode;
  if (!filter->empty()) edges.matches = [&](const Socket& socket) { return filter->matches(socket, {}); };
  edges.matches_owners = filter->needs_owners();
  edges.add_owners = [&](Socket& socket) { owners.add_to(socket); };
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
  Result<int> code = run_ss(options, edges);
  if (code && failure) return std::move(*failure);
  return code;
}

}  // namespace socktrace::cli
