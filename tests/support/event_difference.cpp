// Comparing events field by field, so that a failed round trip names the field.
#include <fmt/format.h>

#include "support/event_builder.h"

namespace socktrace::test {
namespace {

std::string process_difference(const ProcessRef& a, const ProcessRef& b) {
  if (!a || !b) return a == b ? "" : "one process is absent";
  return *a == *b ? "" : fmt::format("process {}[{}] != {}[{}]", a->name, a->pid, b->name, b->pid);
}

std::string owners_difference(const std::vector<Owner>& a, const std::vector<Owner>& b) {
  if (a.size() != b.size()) return fmt::format("{} owners != {}", a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const std::string text = process_difference(a[i].process, b[i].process);
    if (!text.empty()) return fmt::format("owner {}: {}", i, text);
    if (a[i].fd != b[i].fd || a[i].source != b[i].source || a[i].exited != b[i].exited ||
        a[i].tid != b[i].tid)
      return fmt::format("owner {}: fd, source, exited or tid", i);
  }
  return "";
}

std::string details_difference(const Boxed<SocketDetails>& a, const Boxed<SocketDetails>& b) {
  if (!a || !b) return bool(a) == bool(b) ? "" : "details are absent";
  const bool same = a->name == b->name && a->peer_name == b->peer_name && a->peer_inode == b->peer_inode &&
                    a->node == b->node && a->port == b->port && a->peer_node == b->peer_node &&
                    a->peer_port == b->peer_port;
  return same ? "" : "details";
}

}  // namespace

#define COMPARE(field) \
  if (!(a.field == b.field)) return #field

std::string difference(const Socket& a, const Socket& b) {
  COMPARE(key);
  COMPARE(local);
  COMPARE(peer);
  COMPARE(protocol);
  COMPARE(family);
  COMPARE(type);
  COMPARE(state);
  COMPARE(options);
  COMPARE(shutdown);
  COMPARE(inbound);
  COMPARE(since_is_bound);
  COMPARE(no_owner);
  COMPARE(netns);
  COMPARE(inode);
  COMPARE(uid);
  COMPARE(ifindex);
  COMPARE(mark);
  COMPARE(recv_q);
  COMPARE(send_q);
  COMPARE(cgroup_id);
  COMPARE(opened_ns);
  COMPARE(changed_ns);
  if (std::string text = details_difference(a.details, b.details); !text.empty()) return text;
  return owners_difference(a.owners, b.owners);
}

std::string difference(const Event& a, const Event& b) {
  COMPARE(kind);
  COMPARE(time_ns);
  if (std::string text = difference(a.socket, b.socket); !text.empty()) return "socket: " + text;
  COMPARE(previous);
  if (std::string text = process_difference(a.process, b.process); !text.empty()) return text;
  COMPARE(tid);
  COMPARE(fd);
  COMPARE(error);
  COMPARE(error_inferred);
  COMPARE(resync);
  COMPARE(gone);
  COMPARE(lifetime_ns);
  COMPARE(lifetime_is_bound);
  COMPARE(stats);
  COMPARE(failures.count);
  COMPARE(failures.span_ns);
  COMPARE(conflicts.size());
  for (size_t i = 0; i < a.conflicts.size(); ++i) {
    const std::string text = difference(a.conflicts[i].holder, b.conflicts[i].holder);
    if (!text.empty()) return fmt::format("conflict {}: {}", i, text);
    COMPARE(conflicts[i].reason);
    COMPARE(conflicts[i].held_for);
    COMPARE(conflicts[i].why);
    COMPARE(conflicts[i].next);
    COMPARE(conflicts[i].command);
    COMPARE(conflicts[i].parents.size());
    for (size_t j = 0; j < a.conflicts[i].parents.size(); ++j) {
      COMPARE(conflicts[i].parents[j].pid);
      COMPARE(conflicts[i].parents[j].name);
    }
  }
  return "";
}

#undef COMPARE

}  // namespace socktrace::test
