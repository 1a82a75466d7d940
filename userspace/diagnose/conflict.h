#pragma once

#include <span>
#include <vector>

#include "core/event.h"
#include "core/socket.h"
#include "diagnose/bind_request.h"
#include "diagnose/host_facts.h"
#include "diagnose/tcp_rules.h"

namespace socktrace::diagnose {

// What the kernel answers to a bind or listen, and why.
struct Verdict {
  int error = 0;                    // errno, positive; 0: it succeeds
  bool certain = true;              // false: it depends on what is not known of a holder
  std::vector<Conflict> conflicts;  // empty exactly when error is 0
};

// A conflict may have no holder (a privileged port, an address of another host): then `holder` has no family
// and only reason, why and next speak.
bool has_holder(const Conflict& conflict);

// Same network namespace and same set of ports (TCP and MPTCP share one), holding a port: what the functions
// below look at; the rest of what they are given is skipped. Callers may select with it.
bool may_conflict(const BindRequest& request, const Socket& socket);

// The outcome of `request` among `sockets`, whose order does not matter (they are put in the order they were
// opened). Options that are not known count as blocking. Sockets in the way come in the order listeners and
// bound sockets, connections, TIME_WAIT; a listener's connections are not listed beside it, and many alike
// are one conflict.
Verdict explain(const BindRequest& request, SocketSpan sockets, const HostFacts& facts);

// The same, when the kernel has already answered `error`: never empty. Holders that fail by the rules come
// first; when none does (it has closed since, or its options changed), whoever has the port and overlaps;
// then whoever has the port; at last a conflict without a holder.
std::vector<Conflict> holders_of_failure(const BindRequest& request, int error, SocketSpan sockets,
                                         const HostFacts& facts);

// Every socket in the way by the rules alone, unsorted by importance and not summarised; for bind to port 0,
// none.
std::vector<const Socket*> blockers(const BindRequest& request, SocketSpan sockets, Unknown unknown);

}  // namespace socktrace::diagnose
