#pragma once

#include <cstdint>
#include <unordered_set>

#include "core/event.h"
#include "core/table.h"
#include "diagnose/failure_counter.h"
#include "source/comparison.h"
#include "source/known_namespaces.h"

namespace socktrace::cli {

// Whether somebody may be in the way: a bind or listen failed, or a connect found no free port.
bool needs_explanation(const Event& event);

// Where somebody has listened since the trace began, for who does not follow connections: one that has such a port has come in
// through it, even if the listener is gone.
class PastListeners {
 public:
  void note(const Event& event);
  [[nodiscard]] bool had(const Socket& socket) const;

 private:
  std::unordered_set<uint64_t> ports_;  // with the network namespace
};

// Adds who is in the way and why, by the table and by the settings of the network namespace in which it happened, and
// how often it has failed lately. Looks up who holds the sockets now: for failures, not for every event.
void explain(Event& event, const Table& table, const PastListeners& listeners, source::Comparison& comparison,
             const source::KnownNamespaces& namespaces, diagnose::FailureCounter& failures);

}  // namespace socktrace::cli
