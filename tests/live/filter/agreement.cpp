// Reads commands of `socktrace ss` from standard input, one a line, words separated by 0x1f. Each is answered by one line:
// "rejected", or which sockets of this network namespace the kernel accepts by the bytecode and which Filter::matches accepts:
//
//   KIND all kernel both userspace      numbers of sockets; "exact": the bytecode says all of the filter; "wider": it says a
//                                       part, and may accept more; "lock": only the kernel knows which ports bind() was told
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "cli/filter_names.h"
#include "cli/ss_options.h"
#include "core/filter/filter.h"
#include "core/ss/selection.h"
#include "source/dump.h"

namespace socktrace {
namespace {

using Cookies = std::set<uint64_t>;

source::DumpRequest request_for(StateMask states) {
  source::DumpRequest request;
  request.tables = diag::bit(diag::Table::tcp) | diag::bit(diag::Table::udp);
  request.states = states;
  return request;
}

std::vector<Socket> dump(const source::DumpRequest& request) {
  std::vector<Socket> sockets;
  const auto report = source::dump_rows(request, [&](diag::Row&& row) {
    sockets.push_back(std::move(row.socket));
    return true;
  });
  if (report) return sockets;
  std::fprintf(stderr, "%s\n", report.error().message.c_str());
  std::exit(1);
}

std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> words(1);
  for (const char c : line) {
    if (c == separator)
      words.emplace_back();
    else
      words.back() += c;
  }
  return words;
}

bool names(const std::vector<std::string>& filter, std::initializer_list<const char*> subjects) {
  std::string text = " ";
  for (const std::string& word : filter) text += word + ' ';
  std::replace(text.begin(), text.end(), '\t', ' ');
  std::erase(text, '\\');
  return std::any_of(subjects.begin(), subjects.end(),
                     [&](const char* subject) { return text.find(subject) != std::string::npos; });
}

void answer(const std::string& line, const std::vector<Socket>& every, MatchContext context) {
  const auto command = cli::parse_ss_options(split(line, '\x1f'));
  if (!command) return void(std::puts("rejected"));
  const ss::Options& options = command->options;
  const auto filter = Filter::parse(options.filter, cli::system_filter_options(options.selection.preferred));
  if (!filter) return void(std::puts("rejected"));

  const auto program = filter->bytecode(context);
  source::DumpRequest request = request_for(options.selection.states);
  if (program) request.bytecode = *program;
  Cookies kernel;
  for (const Socket& socket : dump(request)) kernel.insert(socket.key.cookie);
  size_t all = 0;
  size_t both = 0;
  size_t userspace = 0;
  for (const Socket& socket : every) {
    if (!(options.selection.states & mask(socket.state))) continue;
    ++all;
    if (!filter->matches(socket, context)) continue;
    ++userspace;
    if (kernel.contains(socket.key.cookie)) ++both;
  }
  const bool lock = names(options.filter, {" autobound "});
  const bool wider = names(options.filter, {" cgroup ", "unix:", "netlink:", "link:", "vsock:"});
  const char* kind = lock && wider ? "either" : lock ? "lock" : wider ? "wider" : "exact";
  std::printf("%s %zu %zu %zu %zu\n", kind, all, kernel.size(), both, userspace);
}

}  // namespace
}  // namespace socktrace

int main() {
  using namespace socktrace;
  MatchContext context;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> context.first_local_port >>
      context.last_local_port;
  context.kernel_compares_marks = true;  // this runs as root
  const std::vector<Socket> every = dump(request_for(ss::kAllStates));
  for (std::string line; std::getline(std::cin, line);) answer(line, every, context);
}
