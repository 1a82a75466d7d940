#include "cli/ss_options.h"

#include <fmt/format.h>
#include <getopt.h>

#include <charconv>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>

#include "core/fields.h"
#include "core/ss/selection.h"
#include "source/destroyed.h"

namespace socktrace::cli {
namespace {

using diag::Table;

enum LongOnly : int {
  kTipcInfo = 256,
  kTos,
  kCgroup,
  kInetSockopt,
  kTipc,
  kVsock,
  kXdp,
  kColumns,
  kSort,
  kGroupBy,
  kAllNetns,
  kFrom,
  kAt,
  kBpfMaps,
  kBpfMapId,
  kDiagFile,
};

// One row per option: parsing and --help come from here.
struct OptionRow {
  int code;              // the letter, or a LongOnly
  const char* name;      // long name
  const char* argument;  // nullptr: none
  const char* help;      // nullptr: accepted, not listed
};

constexpr OptionRow kOptions[] = {
    {'h', "help", nullptr, "this text"},
    {'V', "version", nullptr, "the version"},
    {'v', "version", nullptr, nullptr},
    {'a', "all", nullptr, "sockets in every state"},
    {'l', "listening", nullptr, "listening sockets, and unconnected UDP"},
    {'B', "bound-inactive", nullptr, "TCP sockets that are bound and nothing else (kernel 6.8)"},
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
    {'p', "processes", nullptr, "the processes that hold the socket"},
    {'T', "threads", nullptr, "their threads"},
    {'e', "extended", nullptr, "uid, inode, cookie, mark, cgroup, shutdown; and -o"},
    {'o', "options", nullptr, "the running timer"},
    {'m', "memory", nullptr, "memory of the socket"},
    {'i', "info", nullptr, "tcp_info"},
    {'b', "bpf", nullptr, "filters of packet sockets; and -o"},
    {kTos, "tos", nullptr, "type of service, traffic class, class id"},
    {kCgroup, "cgroup", nullptr, "the cgroup"},
    {kInetSockopt, "inet-sockopt", nullptr, "options set on inet sockets"},
    {kBpfMaps, "bpf-maps", nullptr, "what BPF programs keep with inet sockets (root)"},
    {kBpfMapId, "bpf-map-id", "ID", "the same, of this map only; may be repeated"},
    {'Z', "context", nullptr, "SELinux contexts of the processes"},
    {'z', "contexts", nullptr, "SELinux contexts of the processes and of their sockets"},
    {kTipcInfo, "tipcinfo", nullptr, "details of TIPC sockets"},
    {'s', "summary", nullptr, "numbers of sockets by protocol"},
    {'H', "no-header", nullptr, "no headings"},
    {'Q', "no-queues", nullptr, "no queue columns"},
    {'O', "oneline", nullptr, "one line for each socket"},
    {'N', "net", "NAME", "in the named network namespace"},
    {kAllNetns, "all-netns", nullptr, "in every network namespace"},
    {kFrom, "from", "LOG", "the sockets of an event log (file, directory, -) instead of this host's"},
    {kAt, "at", "TIME", "with --from: as they were at 03:12:07, '2026-09-20 03:12', -15m …; else the end"},
    {'E', "events", nullptr, "TCP and UDP sockets as they end"},
    {'D', "diag", "FILE", "write the kernel's answers about TCP to a file (- for standard output)"},
    {kDiagFile, "diag-file", "FILE", "the sockets of such a file instead of this host's"},
    {'F', "filter", "FILE", "more of the filter, from a file or - for standard input"},
    {'j', "json", nullptr, "a JSON object for each socket"},
    {kColumns, "columns", "KEYS", "these fields, separated by commas"},
    {kSort, "sort", "KEYS", "order by these fields; - in front of one reverses it"},
    {kGroupBy, "group-by", "KEY", "number of sockets for each value of a field"},
    {'K', "kill", nullptr, "close the TCP and UDP sockets that a filter chooses, and print them (root)"},
};

Error usage(std::string message) {
  return Error{"ss: " + std::move(message) + "; see `socktrace ss --help`", ErrorKind::usage};
}

std::vector<std::string> split(std::string_view list, char separator) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const size_t end = list.find(separator);
    if (end != 0) parts.emplace_back(list.substr(0, end));
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  }
  return parts;
}

// The words of a filter file; lines that begin with # are comments, the end of a line is only a blank.
Result<std::vector<std::string>> read_filter(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(path);
    if (!file) return Error::system("open filter " + path, errno, ErrorKind::usage);
  }
  std::istream& input = path == "-" ? std::cin : file;
  std::vector<std::string> words;
  std::string line;
  while (std::getline(input, line)) {
    if (line.starts_with('#')) continue;
    for (char& c : line)
      if (c == '\t' || c == '\r') c = ' ';
    for (std::string& word : split(line, ' ')) words.push_back(std::move(word));
  }
  return words;
}

class Parser {
 public:
  // Applies one option. `argument` is null when it takes none.
  Result<void> apply(int code, const char* argument) {
    ss::Show& show = command.options.show;
    switch (code) {
      case 'h':
        command.help = true;
        break;
      case 'V':
      case 'v':
        command.version = true;
        break;
      case 'a':
        selection.set_states(ss::kAllStates);
        break;
      case 'l':
        selection.set_states(ss::kListening);
        break;
      case 'B':
        selection.set_states(mask(State::bound_inactive));
        break;
      case 'n':
        show.numeric = true;
        break;
      case 'r':
        show.resolve = true;
        break;
      case 'p':
        show.processes = true;
        break;
      case 'T':
        show.threads = show.processes = true;
        break;
      case 'e':
        show.extended = show.timer = true;
        break;
      case 'o':
        show.timer = true;
        break;
      case 'm':
        show.memory = true;
        break;
      case 'i':
        show.information = true;
        break;
      case 'b':
        show.packet_filter = show.timer = true;
        break;
      case kTos:
        show.tos = true;
        break;
      case kCgroup:
        show.cgroup = true;
        break;
      case kInetSockopt:
        show.socket_options = true;
        break;
      case kTipcInfo:
        show.tipc = true;
        break;
      case 'Z':
        show.process_contexts = show.processes = true;
        break;
      case 'z':
        show.process_contexts = show.socket_contexts = show.processes = true;
        break;
      case kBpfMaps:
        show.bpf_maps = true;
        break;
      case kBpfMapId: {
        uint32_t id = 0;
        const char* end = argument + std::strlen(argument);
        if (std::from_chars(argument, end, id).ptr != end || id == 0)
          return usage(fmt::format("`{}` is no number of a BPF map (bpftool map)", argument));
        show.bpf_maps = true;
        show.bpf_map_ids.push_back(id);
        break;
      }
      case 'H':
        show.header = false;
        break;
      case 'Q':
        show.queues = false;
        break;
      case 'O':
        show.one_line = true;
        break;
      default:
        return apply_selection(code, argument);
    }
    return {};
  }

  // State words, then the filter.
  Result<void> positional(std::vector<std::string> words) {
    size_t i = 0;
    for (; i < words.size() && (words[i] == "state" || words[i] == "exclude" || words[i] == "excl"); i += 2) {
      if (i + 1 == words.size()) return usage(fmt::format("`{}` needs the name of a state", words[i]));
      if (!selection.add_state_word(words[i + 1], words[i] != "state"))
        return usage(fmt::format("no state is called `{}`", words[i + 1]));
    }
    ss::Options& options = command.options;
    options.summary_only = options.summary && selection.is_default() && words.empty();
    options.filter.assign(words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
    if (filter_file) {
      Result<std::vector<std::string>> more = read_filter(*filter_file);
      if (!more) return std::move(more.error());
      options.filter.insert(options.filter.end(), more->begin(), more->end());
    }
    options.selection = selection.finish();
    return check();
  }

  SsCommand command;
  ss::SelectionBuilder selection;
  std::optional<std::string> filter_file;

 private:
  // Options that exclude each other.
  Result<void> check() {
    ss::Options& options = command.options;
    if (options.events) {
      if (selection.names_states())
        return usage("-E shows sockets as they end, whatever state they were in: name none");
      if (options.kill || options.all_netns || !options.from.empty() || !options.dump_file.empty() ||
          !options.diag_file.empty() || !options.sort.empty() || !options.group_by.empty())
        return usage(
            "-E goes on and on: not with -K, -D, --sort, --group-by, --all-netns, --from or --diag-file");
      if (!(options.selection.tables & source::kToldTables))
        return usage("-E: the kernel tells the ends of TCP and UDP sockets only");
      options.selection.states = ss::kAllStates;
    }
    if (!options.dump_file.empty() && !(options.selection.tables & diag::bit(Table::tcp)))
      return usage("-D writes TCP sockets, and none are selected");
    if (!options.dump_file.empty() && (options.json || options.kill || !options.from.empty()))
      return usage("-D writes what the kernel says now: not with --json, -K or --from");
    if (!options.diag_file.empty() && (!options.from.empty() || options.all_netns || !options.netns.empty()))
      return usage("--diag-file is read instead of this host: not with --from, -N or --all-netns");
    return {};
  }

  Result<void> apply_selection(int code, const char* argument) {
    switch (code) {
      case 't':
        selection.add_table(Table::tcp);
        break;
      case 'u':
        selection.add_table(Table::udp);
        break;
      case 'w':
        selection.add_table(Table::raw);
        break;
      case 'd':
        selection.add_table(Table::dccp);
        break;
      case 'S':
        selection.add_table(Table::sctp);
        break;
      case 'M':
        selection.add_table(Table::mptcp);
        break;
      case 'x':
        selection.add_family(Family::unix);
        break;
      case '0':
        selection.add_family(Family::packet);
        break;
      case '4':
        selection.add_family(Family::inet);
        break;
      case '6':
        selection.add_family(Family::inet6);
        break;
      case kVsock:
        selection.add_family(Family::vsock);
        break;
      case kTipc:
        selection.add_family(Family::tipc);
        break;
      case kXdp:
        selection.add_family(Family::xdp);
        break;
      case 'f': {
        const std::optional<Family> family = ss::family_from_name(argument);
        if (!family) return usage(fmt::format("no family is called `{}`", argument));
        selection.add_family(*family);
        break;
      }
      case 'A':
        if (!selection.add_query(argument)) return usage(fmt::format("`{}` names no socket table", argument));
        break;
      default:
        return apply_source(code, argument);
    }
    return {};
  }

  Result<void> apply_source(int code, const char* argument) {
    ss::Options& options = command.options;
    switch (code) {
      case 's':
        options.summary = true;
        break;
      case 'N':
        options.netns = argument;
        break;
      case 'F':
        if (filter_file) return usage("one filter file only");
        filter_file = argument;
        break;
      case 'j':
        options.json = true;
        break;
      case kColumns:
        options.columns = split(argument, ',');
        break;
      case kSort:
        options.sort = split(argument, ',');
        break;
      case kGroupBy:
        options.group_by = argument;
        break;
      case kAllNetns:
        options.all_netns = true;
        break;
      case kFrom:
        options.from.emplace_back(argument);
        break;
      case kAt:
        options.at = argument;
        break;
      case 'E':
        options.events = true;
        break;
      case 'K':
        options.kill = true;
        break;
      case 'D':
        options.dump_file = argument;
        break;
      default:
        options.diag_file = argument;
    }
    return {};
  }
};

}  // namespace

Result<SsCommand> parse_ss_options(const std::vector<std::string>& words) {
  std::string letters = ":";
  std::vector<option> names;
  for (const OptionRow& row : kOptions) {
    names.push_back({row.name, row.argument ? required_argument : no_argument, nullptr, row.code});
    if (row.code >= 256 || letters.find(static_cast<char>(row.code)) != std::string::npos) continue;
    letters += static_cast<char>(row.code);
    if (row.argument) letters += ':';
  }
  names.push_back({});

  std::vector<std::string> storage = words;  // getopt reorders the pointers, not the words
  std::vector<char*> arguments = {const_cast<char*>("ss")};
  for (std::string& word : storage) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const int count = static_cast<int>(storage.size()) + 1;

  Parser parser;
  optind = 0;  // begin anew: glibc keeps its place in globals
  while (true) {
    const int current = optind ? optind : 1;
    const int code = getopt_long(count, arguments.data(), letters.c_str(), names.data(), nullptr);
    if (code == -1) break;
    if (code == ':') {
      if (optopt > 0 && optopt < 256)
        return usage(fmt::format("option -{} needs a value", static_cast<char>(optopt)));
      return usage(fmt::format("option {} needs a value", arguments[static_cast<size_t>(optind) - 1]));
    }
    if (code == '?') {
      if (optopt > 0 && optopt < 256)
        return usage(fmt::format("unknown option -{}", static_cast<char>(optopt)));
      return usage(fmt::format("unknown or ambiguous option {}",
                               arguments[static_cast<size_t>(optind > 1 ? optind - 1 : current)]));
    }
    if (Result<void> applied = parser.apply(code, optarg); !applied) return std::move(applied.error());
  }
  std::vector<std::string> rest(arguments.begin() + optind, arguments.begin() + count);
  if (parser.command.help || parser.command.version) return std::move(parser.command);
  if (Result<void> done = parser.positional(std::move(rest)); !done) return std::move(done.error());
  return std::move(parser.command);
}

std::string ss_help() {
  std::string text = "Usage: socktrace ss [OPTIONS] [state STATE | exclude STATE]... [FILTER]\n\n";
  for (const OptionRow& row : kOptions) {
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
    text += fmt::format("  {:<12} {:<26} {}\n", field.name, field.key, field.help);
  return text;
}

}  // namespace socktrace::cli
