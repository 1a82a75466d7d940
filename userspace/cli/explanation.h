#pragma once

#include <cstdint>
#include <optional>
#include <unordered_set>

#include "core/event.h"
#include "core/pace.h"
#include "core/table.h"
#include "diagnose/failure_counter.h"
#include "source/comparison.h"
#include "source/known_namespaces.h"

namespace socktrace::cli {

// Where somebody has listened since the trace began, for who does not follow connections: one that has such a port has come in
// through it, even if the listener is gone.
class PastListeners {
 public:
  void note(const Event& event);
  [[nodiscard]] bool had(const Socket& socket) const;

 private:
  std::unordered_set<uint64_t> ports_;  // with the network namespace
};

// Says of failures who is in the way and why, by the table and by the settings of the network namespace in which each
// happened, and how often it has failed lately. Who holds the sockets is looked up, and that is dear: a program that tries
// again and again, as when a client has used up its ports, must not keep us from taking records. So all this gets a fifth of
// the time: what happens beyond that is told what the same failure was told a moment ago, or by the owners of a moment ago.
//
// What is referred to must outlive it.
class Explainer {
 public:
  Explainer(const Table& table, source::Comparison& comparison, const source::KnownNamespaces& namespaces)
      : table_(table), comparison_(comparison), namespaces_(namespaces) {}

  // Every event, in order.
  void note(const Event& event);
  // Adds to a failure what is in its way.
  void explain(Event& event);

 private:
  void look_up(Event& event, bool anew);
  [[nodiscard]] std::vector<Socket> untraced(const Event& event, const std::vector<Socket>& traced) const;

  const Table& table_;
  source::Comparison& comparison_;
  const source::KnownNamespaces& namespaces_;
  diagnose::FailureCounter failures_;
  PastListeners listeners_;
  Pace pace_{0, 5};
  std::optional<source::OwnerMap> owners_;  // as they were looked up last
  Event last_;
};

}  // namespace socktrace::cli
