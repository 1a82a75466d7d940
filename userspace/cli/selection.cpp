#include "cli/selection.h"

#include <string_view>
#include <utility>

#include "cli/filter_names.h"
#include "core/reach.h"
#include "core/ss/selection.h"
#include "sys/netns.h"

namespace socktrace::cli {
namespace {

// "-l -t sport = :443"; -a narrows nothing.
std::string text_of(const TraceOptions& options) {
  std::string text;
  const auto add = [&](std::string_view word) {
    if (!text.empty()) text += ' ';
    text += word;
  };
  if (options.listening && !options.all) add("-l");
  const bool every_protocol = options.tcp && options.udp && options.raw && !options.unix_sockets;
  for (const auto& [given, letter] : {std::pair{options.tcp && !every_protocol, "-t"},
                                      {options.udp && !every_protocol, "-u"},
                                      {options.raw && !every_protocol, "-w"},
                                      {options.unix_sockets, "-x"},
                                      {options.ipv4 && !options.ipv6, "-4"},
                                      {options.ipv6 && !options.ipv4, "-6"}})
    if (given) add(letter);
  if (!options.netns.empty()) add("-N " + options.netns);
  if (options.no_connections) add("--no-connections");
  for (const std::string& word : options.filter) add(word);
  return text;
}

// A port that other hosts may reach opens, or one fails to open.
bool is_alert(const Event& event) {
  switch (event.kind) {
    case EventKind::bind_failed:
    case EventKind::listen_failed:
      return true;
    case EventKind::tcp_listen:
    case EventKind::udp_open:
      return is_inet(event.socket) && is_listening(event.socket) && is_exposed(reach_of(event.socket));
    default:
      return false;
  }
}

}  // namespace

Result<Selection> Selection::from(const TraceOptions& options) {
  Selection selection;
  selection.alert_only_ = options.alert_only;
  selection.listening_only_ = options.listening && !options.all;
  // As in ss: -l listeners, -a everything, any other selection connections only. Nothing selected: listeners, with
  // every event after them.
  selection.listeners_in_table_ = options.listening || options.all || !options.selects();
  selection.connections_in_table_ = options.all || (options.selects() && !options.listening);
  const bool protocols = options.tcp || options.udp || options.raw || options.unix_sockets;
  selection.tcp_ = options.tcp || !protocols;
  selection.udp_ = options.udp || !protocols;
  selection.raw_ = options.raw;
  selection.unix_ = options.unix_sockets;
  selection.ipv4_ = options.ipv4 || !options.ipv6;
  selection.ipv6_ = options.ipv6 || !options.ipv4;

  FilterOptions names = system_filter_options();
  if (const Result<uint32_t> here = sys::current_netns()) names.device_netns = *here;
  Result<Filter> filter = Filter::parse(options.filter, names);
  if (!filter) return std::move(filter.error());
  selection.filter_ = std::move(*filter);
  // As in ss: a state word replaces the states that the options imply. A filter alone chooses among all sockets.
  if (selection.filter_.states() || (!options.filter.empty() && !options.selects()))
    selection.listeners_in_table_ = selection.connections_in_table_ = true;
  selection.connected_only_ = !selection.listeners_in_table_;
  selection.text_ = text_of(options);
  return selection;
}

bool Selection::wants(const Socket& socket, const Event* event) const {
  MatchContext context;
  context.event = event;
  switch (socket.family) {
    case Family::inet:
      if (!ipv4_) return false;
      break;
    case Family::inet6:
      if (!ipv6_) return false;
      break;
    case Family::unix:
      return unix_ && filter_.matches(socket, context);
    default:
      return false;
  }
  const bool protocol = is_tcp(socket) ? tcp_ : is_datagram(socket) ? udp_ : raw_;
  return protocol && filter_.matches(socket, context);
}

bool Selection::records(const Socket& socket) const {
  return (!listening_only_ || is_listening(socket)) && wants(socket);
}

bool Selection::lists(const Socket& socket) const {
  const bool listener = is_listening(socket);
  if (listener ? !listeners_in_table_ : !connections_in_table_) return false;
  if (connected_only_ && (mask(socket.state) & ss::kConnected) == 0) return false;
  return wants(socket);
}

bool Selection::tells(const Event& event) const {
  if (alert_only_ && !is_alert(event)) return false;
  if (event.kind == EventKind::snapshot_done) return true;
  if (listening_only_) {
    switch (event.kind) {
      case EventKind::bind_failed:
      case EventKind::listen_failed:
      case EventKind::tcp_listen:
        break;
      case EventKind::udp_open:
      case EventKind::udp_closed:
        if (event.socket.peer.port != 0) return false;  // connected: it hears one peer only
        break;
      case EventKind::tcp_closed:
        if (event.previous != State::listen) return false;
        break;
      case EventKind::socket_closed:
      case EventKind::socket_seen:
      case EventKind::socket_owner:
        if (!is_listening(event.socket)) return false;
        break;
      default:
        return false;
    }
  }
  if (wants(event.socket, &event)) return true;
  // With a state filter, leaving such a state is told as well.
  if (!filter_.states() || event.previous == State::none) return false;
  Socket before = event.socket;
  before.state = event.previous;
  return wants(before, &event);
}

}  // namespace socktrace::cli
