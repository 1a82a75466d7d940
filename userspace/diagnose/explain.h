#pragma once

#include <vector>

#include "core/event.h"
#include "diagnose/bind_request.h"
#include "diagnose/host_facts.h"
#include "diagnose/tcp_rules.h"

namespace socktrace::diagnose {

// The request behind a bind_failed or listen_failed event.
BindRequest request_of(const Event& event);

// Why the bind or listen of `event` failed, for Event::conflicts; never empty for an event with an error.
// `sockets` are those of its namespace, at least all on the port (all of the protocol when the port is 0), or all that hold
// its name.
// Of failed connects only one that found no local port is explained; then at least all with its peer.
// Without facts of that namespace the kernel's default settings are assumed.
std::vector<Conflict> explain_failure(const Event& event, SocketSpan sockets, const HostFacts& facts = {});

// The errno that the kernel must have given to a bind or listen whose result nobody saw; 0 when by all that
// is known it cannot have failed.
int infer_error(const Event& event, SocketSpan sockets, const HostFacts& facts);

}  // namespace socktrace::diagnose
