#pragma once

#include <vector>

#include "core/event.h"
#include "core/table.h"
#include "diagnose/host_facts.h"

namespace socktrace::diagnose {

// Why a bind or listen that has just failed did so: `event` is a bind.failed or listen.failed with its errno, `table` the
// sockets of the host. Never empty for those events.
std::vector<Conflict> explain_failed_call(const Event& event, const Table& table, const HostFacts& facts);

}  // namespace socktrace::diagnose
