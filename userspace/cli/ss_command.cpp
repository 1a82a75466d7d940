#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
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

// Scans for owners when the first socket asks for them: a table without rows costs no scan.
class LazyOwners {
 public:
  void add_to(Socket& socket) {
    if (socket.inode == 0) return;
    if (!owners_) owners_ = scan();
    const BindOptions options = socket.options;  // the table shows what sock_diag says
    source::attribute(socket, *owners_,
                      [this](const source::SocketHolder& holder) { return process(holder); });
    socket.options = options;
  }

 private:
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
};

uint32_t terminal_width() {
  winsize size{};
  return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
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
  const ss::Options& options = command->options;

  Result<Filter> filter = Filter::parse(options.filter, system_filter_options());
  if (!filter) return std::move(filter.error());

  Output output;
  std::optional<Error> failure;
  LazyOwners owners;
  SsEdges edges;
  if (!options.filter.empty())
    edges.matches = [&](const Socket& socket) { return filter->matches(socket, {}); };
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
