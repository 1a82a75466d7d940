#pragma once

#include <optional>

#include "core/ss/names.h"
#include "sys/netns.h"

namespace socktrace::cli {

// Names as this host knows them: /etc/services (only for ports outside ip_local_port_range, as ss),
// /etc/protocols, interfaces of the current network namespace and of `place`, DNS, /proc/PID/comm and cgroups. Looked up
// once each.
ss::Names system_names(std::optional<sys::NetNamespace> place = {});

}  // namespace socktrace::cli
