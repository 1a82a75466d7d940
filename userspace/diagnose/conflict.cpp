#include "diagnose/conflict.h"

#include <algorithm>
#include <cerrno>

#include "diagnose/address_rules.h"
#include "diagnose/autobind.h"
#include "diagnose/next_step.h"
#include "diagnose/port_space.h"
#include "diagnose/reason.h"
#include "diagnose/udp_rules.h"

namespace socktrace::diagnose {
namespace {

// Sockets in the way for one reason that are told as one.
struct Group {
  Reason reason;
  const Socket* holder;  // the one that changed last: of several TIME_WAITs it is the last to leave
  size_t count = 1;
};

uint32_t owner_pid(const Socket& socket) {
  return socket.owners.empty() || !socket.owners[0].process ? 0 : socket.owners[0].process->pid;
}

// One line for all the TIME_WAITs, for a process's connections, for the workers' sockets on one address.
bool told_as_one(const Group& group, Reason reason, const Socket& socket) {
  if (group.reason != reason) return false;
  if (reason == Reason::time_wait) return true;
  if (owner_pid(*group.holder) != owner_pid(socket)) return false;
  if (is_connection(reason)) return true;
  return owner_pid(socket) != 0 && group.holder->state == socket.state && group.holder->local == socket.local;
}

std::vector<Group> group(const BindRequest& request, const std::vector<const Socket*>& sockets,
                         const HostFacts& facts) {
  std::vector<Group> groups;
  for (const Socket* socket : sockets) {
    const Reason reason = reason_for(request, *socket, facts);
    const auto same =
        std::ranges::find_if(groups, [&](const Group& g) { return told_as_one(g, reason, *socket); });
    if (same == groups.end()) {
      groups.push_back({reason, socket});
      continue;
    }
    ++same->count;
    if (socket->changed_ns > same->holder->changed_ns) same->holder = socket;
  }
  std::ranges::stable_sort(groups, {}, &Group::reason);
  return groups;
}

// Beside a server the connections it accepted are not told: they are its clients, and go with it or let it
// restart. TIME_WAITs whose options nobody knows are most likely its too.
void drop_clients(std::vector<Group>& groups) {
  if (groups.empty() || is_connection(groups.front().reason)) return;
  std::erase_if(groups, [](const Group& g) {
    return g.reason == Reason::inbound_connection ||
           (g.reason == Reason::closing_connection && g.holder->inbound);
  });
}

// It exists, somebody had a descriptor of it, and nobody has one now. Connections outlive their descriptors anyway.
bool is_out_of_hand(const Socket& holder) {
  if (holder.inode == 0 || holder.owners.empty()) return false;
  if (holder.state != State::listen && holder.state != State::close) return false;
  return std::ranges::all_of(holder.owners, [](const Owner& owner) { return owner.exited; });
}

Conflict make_conflict(const Group& group, const BindRequest& request) {
  Conflict conflict;
  conflict.holder = *group.holder;
  conflict.reason = id(group.reason);
  conflict.why = why(group.reason, request, *group.holder, group.count);
  if (is_out_of_hand(*group.holder))
    conflict.why +=
        "; no process has its descriptor: it has just been closed, is on its way through a unix socket, or "
        "is the kernel's (io_uring, nfsd)";
  conflict.held_for = held_for(*group.holder);
  conflict.next = next_for(group.reason, request);
  if (conflict.next.empty()) conflict.next = next_step(*group.holder);
  return conflict;
}

// The sockets in the way. Those that are for sure, if there are any: a TIME_WAIT whose options nobody knows
// is not told beside a listener that stands in the way whatever its options.
struct Blockers {
  std::vector<const Socket*> sockets;
  bool certain = true;
};

Blockers find_blockers(const BindRequest& request, SocketSpan sockets) {
  std::vector<const Socket*> sure = blockers(request, sockets, Unknown::permits);
  if (!sure.empty()) return {std::move(sure), true};
  return {blockers(request, sockets, Unknown::blocks), false};
}

std::vector<Conflict> conflicts_of(const BindRequest& request, const Blockers& blockers,
                                   const HostFacts& facts) {
  std::vector<Group> groups = group(request, blockers.sockets, facts);
  if (blockers.certain) drop_clients(groups);
  std::vector<Conflict> conflicts;
  for (const Group& g : groups) conflicts.push_back(make_conflict(g, request));
  return conflicts;
}

Conflict without_holder(Reason reason, const BindRequest& request, const HostFacts& facts, int error) {
  Conflict conflict;
  conflict.reason = id(reason);
  conflict.why = why(reason, request, facts, error);
  conflict.next = next_for(reason, request);
  return conflict;
}

// Somebody holds the port although no rule says that this fails: what was known has changed since.
std::vector<Conflict> last_resort(const BindRequest& request, const std::vector<const Socket*>& port,
                                  const HostFacts& facts) {
  const Claim claim = claim_of(request);
  std::vector<const Socket*> overlapping;
  for (const Socket* socket : port) {
    const Claim holder = claim_of(*socket, Unknown::blocks);
    if (!is_requester(request, *socket) && devices_overlap(claim, holder) && addresses_overlap(claim, holder))
      overlapping.push_back(socket);
  }
  if (!overlapping.empty()) return conflicts_of(request, {std::move(overlapping), false}, facts);
  std::vector<Conflict> conflicts;
  for (const Socket* socket : port)
    if (!is_requester(request, *socket) && is_listening(*socket))
      conflicts.push_back(make_conflict({Reason::same_port, socket}, request));
  if (conflicts.empty())
    conflicts.push_back(without_holder(Reason::holder_unknown, request, facts, EADDRINUSE));
  return conflicts;
}

std::vector<Conflict> in_use(const BindRequest& request, SocketSpan sockets, const HostFacts& facts) {
  if (request.local.port == 0) return {range_exhausted(request, sockets, facts)};
  const std::vector<const Socket*> port = on_port(request, sockets);
  const Blockers found = find_blockers(request, port);
  if (!found.sockets.empty()) return conflicts_of(request, found, facts);
  return last_resort(request, port, facts);
}

Reason reason_of_error(const BindRequest& request, const HostFacts& facts, int error) {
  const AddressFault fault = address_fault(request, facts);
  if (error_of(fault) == error) return reason_of(fault);
  switch (error) {
    case EADDRNOTAVAIL:
      return Reason::address_not_local;
    case EACCES:
    case EPERM:
      return Reason::policy;
    case EINVAL:
      return request.is_listen ? Reason::other_error : Reason::already_bound;
    default:
      return Reason::other_error;
  }
}

}  // namespace

bool has_holder(const Conflict& conflict) {
  return conflict.holder.family != Family::unspecified;
}

bool may_conflict(const BindRequest& request, const Socket& socket) {
  return shares_ports(request, socket) &&
         (request.local.port == 0 || socket.local.port == request.local.port);
}

std::vector<const Socket*> blockers(const BindRequest& request, SocketSpan sockets, Unknown unknown) {
  if (request.local.port == 0) return {};
  const std::vector<const Socket*> port = on_port(request, sockets);
  return is_datagram_protocol(request.protocol) ? udp_blockers(request, port, unknown)
                                                : tcp_blockers(request, port, unknown);
}

Verdict explain(const BindRequest& request, SocketSpan sockets, const HostFacts& facts) {
  Verdict verdict;
  if (const AddressFault fault = address_fault(request, facts); fault != AddressFault::none) {
    verdict.error = error_of(fault);
    verdict.conflicts.push_back(without_holder(reason_of(fault), request, facts, verdict.error));
    return verdict;
  }
  if (request.local.port == 0) {
    if (!is_range_exhausted(request, sockets, facts)) return verdict;
    verdict.error = EADDRINUSE;
    verdict.conflicts.push_back(range_exhausted(request, sockets, facts));
    return verdict;
  }
  const Blockers found = find_blockers(request, sockets);
  if (found.sockets.empty()) return verdict;
  verdict.error = EADDRINUSE;
  verdict.certain = found.certain;
  verdict.conflicts = conflicts_of(request, found, facts);
  return verdict;
}

std::vector<Conflict> holders_of_failure(const BindRequest& request, int error, SocketSpan sockets,
                                         const HostFacts& facts) {
  if (error == EADDRINUSE) return in_use(request, sockets, facts);
  return {without_holder(reason_of_error(request, facts, error), request, facts, error)};
}

}  // namespace socktrace::diagnose
