// A filter decided in user space.
#include <fnmatch.h>

#include <algorithm>
#include <cstring>

#include "core/filter/filter.h"

namespace socktrace {
namespace {

using filter::Compare;
using filter::HostCondition;
using filter::Joint;
using filter::Node;
using filter::Predicate;
using filter::Subject;

bool contains(const std::vector<uint32_t>& numbers, uint32_t number) {
  return std::ranges::find(numbers, number) != numbers.end();
}

bool glob(const std::string& pattern, const std::string& text, int flags = 0) {
  return fnmatch(pattern.c_str(), text.c_str(), flags) == 0;
}

// A name as it is shown: NUL bytes of an abstract one are @ there.
std::string shown_name(std::string name) {
  std::replace(name.begin(), name.end(), '\0', '@');
  return name;
}

bool has_prefix(const uint8_t* address, const AddressBytes& prefix, uint8_t length) {
  const size_t bytes = length / 8;
  if (std::memcmp(address, prefix.data(), bytes) != 0) return false;
  const int bits = length % 8;
  return bits == 0 || ((address[bytes] ^ prefix[bytes]) >> (8 - bits)) == 0;
}

bool matches_inet(const HostCondition& host, const Socket& socket, const Endpoint& end) {
  if (host.port >= 0 && host.port != end.port) return false;
  if (host.family == Family::unspecified) return true;
  if (host.family == socket.family) return has_prefix(end.address.data(), host.address, host.prefix_length);
  constexpr size_t kMappedPrefix = 12;
  return host.family == Family::inet && is_v4_mapped(socket.family, end.address) &&
         has_prefix(end.address.data() + kMappedPrefix, host.address, host.prefix_length);
}

// Those of 32 bits are signed in ss; where there is no peer it has -1. Nothing for families without ports.
std::optional<int64_t> port_of(const Socket& socket, bool source) {
  switch (socket.family) {
    case Family::inet:
    case Family::inet6:
      return source ? socket.local.port : socket.peer.port;
    case Family::netlink:
      if (!source && details_of(socket).peer_port == 0) return -1;
      [[fallthrough]];
    case Family::vsock:
      return static_cast<int32_t>(source ? details_of(socket).port : details_of(socket).peer_port);
    default:
      return std::nullopt;
  }
}

// "any", "*", 0.0.0.0/0 and the like: as ss has it, those of every family.
bool is_any_address(const HostCondition& host) {
  return host.family == Family::unspecified ||
         ((host.family == Family::inet || host.family == Family::inet6) && host.prefix_length == 0);
}

bool matches_host(const HostCondition& host, const Socket& socket, bool source) {
  const SocketDetails& details = details_of(socket);
  const auto matches_number = [](uint32_t wanted, uint32_t number) {
    return wanted == UINT32_MAX || wanted == number;
  };
  if (!is_inet(socket) && is_any_address(host)) return host.port < 0 || port_of(socket, source) == host.port;
  switch (socket.family) {
    case Family::inet:
    case Family::inet6:
      return matches_inet(host, socket, source ? socket.local : socket.peer);
    case Family::unix:
      return host.family == Family::unix &&
             glob(host.pattern, shown_name(source ? details.name : details.peer_name), FNM_CASEFOLD);
    case Family::netlink:
      return host.family == Family::netlink && matches_number(host.node, socket.protocol) &&
             matches_number(static_cast<uint32_t>(host.port), source ? details.port : details.peer_port);
    case Family::packet:
      return host.family == Family::packet && source && matches_number(host.node, socket.protocol) &&
             (host.ifindex == 0 || host.ifindex == socket.ifindex);
    case Family::vsock:
      return host.family == Family::vsock &&
             matches_number(host.node, source ? details.node : details.peer_node) &&
             matches_number(static_cast<uint32_t>(host.port), source ? details.port : details.peer_port);
    default:
      return false;
  }
}

bool compare(int64_t value, Compare how, int64_t with) {
  switch (how) {
    case Compare::equal:
      return value == with;
    case Compare::not_equal:
      return value != with;
    case Compare::at_least:
      return value >= with;
    case Compare::at_most:
      return value <= with;
    case Compare::greater:
      return value > with;
    case Compare::less:
      return value < with;
  }
  return false;
}

template <typename F>
bool any_owner(const Socket& socket, const MatchContext& context, F&& accepts) {
  if (context.event != nullptr && context.event->process && accepts(*context.event->process)) return true;
  return std::any_of(socket.owners.begin(), socket.owners.end(),
                     [&](const Owner& owner) { return owner.process && accepts(*owner.process); });
}

// Of a socket whose network namespace no hook could tell, any may be meant.
bool is_in(const std::vector<uint32_t>& namespaces, const Socket& socket) {
  return namespaces.empty() || socket.netns == 0 || contains(namespaces, socket.netns);
}

// Without an owner whose user is known, the socket's own is what there is.
bool has_user(const Socket& socket, const MatchContext& context, uint64_t uid) {
  if (uid == UINT32_MAX) return false;
  if (any_owner(socket, context, [&](const Process& process) { return process.uid == uid; })) return true;
  const bool unknown =
      !any_owner(socket, context, [](const Process& process) { return process.uid != UINT32_MAX; });
  return unknown && socket.uid == uid;
}

bool is_hexadecimal(const std::string& text) {
  return text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Ids are known as their runtime abbreviates them, to 12 digits or 13, and written with more or fewer; names are whole.
bool is_container(const std::string& container, const std::string& wanted) {
  constexpr size_t kShortestId = 12;
  if (container.empty() || wanted.empty()) return false;
  if (container.size() < kShortestId || !is_hexadecimal(container) || !is_hexadecimal(wanted))
    return container == wanted;
  return container.starts_with(wanted) || wanted.starts_with(container);
}

// What a predicate says of a socket: false, true, or not known.
enum class Truth : uint8_t { no, unknown, yes };

Truth truth(bool value) {
  return value ? Truth::yes : Truth::no;
}

// In the order no, unknown, yes: `and` is the lesser, `or` the greater.
Truth opposite(Truth value) {
  return value == Truth::unknown ? value : truth(value == Truth::no);
}

// Whether bind() was told the port (SOCK_BINDPORT_LOCK) is not in a dump; the kernel knows when it filters.
Truth is_autobound_inet(const Socket& socket, const MatchContext& context) {
  const bool in_range =
      socket.local.port >= context.first_local_port && socket.local.port <= context.last_local_port;
  if (in_range && !socket.options.known) return Truth::unknown;
  return truth(in_range && !socket.options.port_locked);
}

bool is_autobound(const Socket& socket) {
  const uint32_t port = socket.details ? socket.details->port : 0;
  switch (socket.family) {
    case Family::unix: {
      if (!socket.details || socket.details->name.empty()) return true;
      const std::string& name = socket.details->name;
      return name.size() == 6 && name[0] == '@' &&
             name.find_first_not_of("0123456789abcdef", 1) == std::string::npos;
    }
    case Family::netlink:
      return static_cast<int32_t>(port) < 0;
    case Family::packet:
      return socket.protocol == 0 && socket.ifindex == 0;
    case Family::vsock:
      return port > 1023;
    default:
      return false;
  }
}

bool matches_predicate(const Predicate& predicate, const Socket& socket, const MatchContext& context) {
  const bool wanted = predicate.compare != Compare::not_equal;
  switch (predicate.subject) {
    case Subject::source:
    case Subject::destination:
      return std::any_of(predicate.hosts.begin(), predicate.hosts.end(), [&](const HostCondition& host) {
               return matches_host(host, socket, predicate.subject == Subject::source);
             }) == wanted;
    case Subject::source_port:
    case Subject::destination_port: {
      const std::optional<int64_t> port = port_of(socket, predicate.subject == Subject::source_port);
      return port ? compare(*port, predicate.compare, static_cast<int64_t>(predicate.number)) : !wanted;
    }
    case Subject::device:
      return (socket.ifindex == predicate.number && is_in(predicate.namespaces, socket)) == wanted;
    case Subject::mark:
      return ((socket.mark & predicate.mask) == predicate.number) == wanted;
    case Subject::cgroup:
      return (socket.cgroup_id == predicate.number) == wanted;
    case Subject::autobound:
      return is_autobound(socket);
    case Subject::pid:
      return any_owner(socket, context, [&](const Process& p) { return p.pid == predicate.number; }) ==
             wanted;
    case Subject::command:
      return any_owner(socket, context, [&](const Process& p) { return glob(predicate.text, p.name); }) ==
             wanted;
    case Subject::user:
      return has_user(socket, context, predicate.number) == wanted;
    case Subject::unit:
      return any_owner(socket, context, [&](const Process& p) {
               return glob(predicate.text, p.unit) || glob(predicate.text + ".service", p.unit);
             }) == wanted;
    case Subject::container:
      return any_owner(socket, context,
                       [&](const Process& p) { return is_container(p.container, predicate.text); }) == wanted;
    case Subject::netns:
      return contains(predicate.namespaces, socket.netns) == wanted;
    case Subject::event:
      return (context.event != nullptr && glob(predicate.text, std::string(name(context.event->kind)))) ==
             wanted;
    case Subject::error:
      return (context.event != nullptr && static_cast<uint64_t>(context.event->error) == predicate.number) ==
             wanted;
  }
  return false;
}

Truth evaluate(const Node& node, const Socket& socket, const MatchContext& context);

Truth evaluate_list(const std::vector<Node>& operands, const Socket& socket, const MatchContext& context) {
  Truth value = evaluate(operands.front(), socket, context);
  for (size_t i = 1; i < operands.size(); ++i) {
    const bool is_both = operands[i].joint == Joint::both;
    if (value == (is_both ? Truth::no : Truth::yes)) continue;
    const Truth other = evaluate(operands[i], socket, context);
    value = is_both ? std::min(value, other) : std::max(value, other);
  }
  return value;
}

Truth evaluate(const Node& node, const Socket& socket, const MatchContext& context) {
  switch (node.kind) {
    case Node::Kind::predicate:
      if (node.predicate.subject == Subject::autobound &&
          (socket.family == Family::inet || socket.family == Family::inet6))
        return is_autobound_inet(socket, context);
      return truth(matches_predicate(node.predicate, socket, context));
    case Node::Kind::negation:
      return opposite(evaluate(node.operands.front(), socket, context));
    case Node::Kind::list:
      return evaluate_list(node.operands, socket, context);
  }
  return Truth::no;
}

template <typename Accepts>
bool any_subject(const Node& node, const Accepts& accepts) {
  if (node.kind == Node::Kind::predicate) return accepts(node.predicate.subject);
  return std::any_of(node.operands.begin(), node.operands.end(),
                     [&](const Node& operand) { return any_subject(operand, accepts); });
}

bool is_of_processes(Subject subject) {
  return subject == Subject::pid || subject == Subject::command || subject == Subject::unit ||
         subject == Subject::container;
}

bool is_of_owners(Subject subject) {
  return subject == Subject::user || is_of_processes(subject);
}

}  // namespace

bool Filter::matches(const Socket& socket, const MatchContext& context) const {
  if (states_ && (mask(socket.state) & *states_) == 0) return false;
  return !root_ || evaluate(*root_, socket, context) != Truth::no;
}

bool Filter::needs_owners() const {
  return root_ && any_subject(*root_, is_of_owners);
}

bool Filter::needs_processes() const {
  return root_ && any_subject(*root_, is_of_processes);
}

bool Filter::needs_marks() const {
  return root_ && any_subject(*root_, [](Subject subject) { return subject == Subject::mark; });
}

bool Filter::needs_autobound() const {
  return root_ && any_subject(*root_, [](Subject subject) { return subject == Subject::autobound; });
}

bool Filter::needs_cgroups() const {
  return root_ && any_subject(*root_, [](Subject subject) { return subject == Subject::cgroup; });
}

}  // namespace socktrace
