#include "cli/ss_options.h"

#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>

#include "cli/ss_long_options.h"
#include "cli/ss_option_table.h"
#include "core/ss/selection.h"
#include "source/destroyed.h"

namespace socktrace::cli {
namespace {

using diag::Table;

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

// "state listening sport = 22" as "state" and "listening sport = 22".
void split_first_word(std::vector<std::string>& words, size_t at) {
  constexpr const char* kBlanks = " \t\n";
  if (at >= words.size()) return;
  std::string& word = words[at];
  word.erase(0, std::min(word.find_first_not_of(kBlanks), word.size()));
  const size_t end = word.find_first_of(kBlanks);
  if (end == std::string::npos) return;
  std::string rest = word.substr(std::min(word.find_first_not_of(kBlanks, end), word.size()));
  word.resize(end);
  if (!rest.empty()) words.insert(words.begin() + static_cast<std::ptrdiff_t>(at) + 1, std::move(rest));
}

std::string_view long_name(int code) {
  for (const SsOptionRow& row : ss_option_rows())
    if (row.code == code) return row.name;
  return {};
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
    if (line.find_first_not_of(' ') != std::string::npos)
      words.push_back(line);  // split by who knows backslashes
  }
  if (input.bad()) return Error::system("read filter " + path, errno, ErrorKind::usage);
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
    ss::Options& options = command.options;
    options.summary_only = options.summary && selection.is_default() && words.empty();
    if (Result<void> taken = take_states(words); !taken) return taken;
    options.filter = std::move(words);
    if (filter_file) {
      Result<std::vector<std::string>> more = read_filter(*filter_file);
      if (!more) return std::move(more.error());
      if (Result<void> taken = take_states(*more); !taken) return taken;
      options.filter.insert(options.filter.end(), more->begin(), more->end());
    }
    options.selection = selection.finish();
    return check();
  }

  SsCommand command;
  ss::SelectionBuilder selection;
  std::optional<std::string> filter_file;

 private:
  // Moves the state words that a filter begins with to the selection, also those that share an argument with others: the
  // selection is what is dumped, and what is left over is the filter that -K needs.
  Result<void> take_states(std::vector<std::string>& words) {
    size_t taken = 0;
    for (; taken < words.size(); taken += 2) {
      split_first_word(words, taken);
      const std::string word = words[taken];
      if (word != "state" && word != "exclude" && word != "excl") break;
      split_first_word(words, taken + 1);
      if (taken + 1 == words.size()) return usage(fmt::format("`{}` needs the name of a state", word));
      if (!selection.add_state_word(words[taken + 1], word != "state"))
        return usage(fmt::format("no state is called `{}`", words[taken + 1]));
    }
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(taken));
    return {};
  }

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
    if (options.summary && (options.all_netns || !options.diag_file.empty()))
      return usage("-s counts the sockets of one namespace: not with --all-netns or --diag-file");
    if (options.summary && (options.json || !options.dump_file.empty()))
      return usage("-s is text for people: not with --json or -D");
    if (!options.group_by.empty() &&
        (!options.columns.empty() || !options.sort.empty() || !options.dump_file.empty()))
      return usage("--group-by shows counts, the largest first: not with --columns, --sort or -D");
    if (options.json && !options.columns.empty())
      return usage("--json prints every field: not with --columns");
    if (options.all_netns && !options.netns.empty())
      return usage("--all-netns is every network namespace: not with -N");
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
        if (std::string_view(argument) == "help") {
          command.help = true;
          break;
        }
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
  const std::vector<option> names = long_options();
  for (const SsOptionRow& row : ss_option_rows()) {
    if (row.code >= 256 || letters.find(static_cast<char>(row.code)) != std::string::npos) continue;
    letters += static_cast<char>(row.code);
    if (row.argument) letters += ':';
  }

  std::vector<std::string> storage;  // getopt reorders the pointers, not the words
  for (const std::string& word : words) storage.push_back(completed(word));
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
      if (optopt > 0 && optopt < 256 && letters.find(static_cast<char>(optopt)) == std::string::npos)
        return usage(fmt::format("unknown option -{}", static_cast<char>(optopt)));
      return usage(why_refused(arguments[static_cast<size_t>(optind > 1 ? optind - 1 : current)]));
    }
    // An unset variable of a shell: what it would have named is not what is meant without it.
    if (optarg && *optarg == '\0')
      return usage(fmt::format("option --{} has an empty value", long_name(code)));
    if (Result<void> applied = parser.apply(code, optarg); !applied) return std::move(applied.error());
  }
  std::vector<std::string> rest(arguments.begin() + optind, arguments.begin() + count);
  if (parser.command.help || parser.command.version) return std::move(parser.command);
  if (Result<void> done = parser.positional(std::move(rest)); !done) return std::move(done.error());
  return std::move(parser.command);
}

}  // namespace socktrace::cli
