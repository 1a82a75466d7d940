#pragma once

#include "core/event.h"
#include "core/table.h"
#include "diagnose/failure_counter.h"
#include "source/comparison.h"
#include "source/known_namespaces.h"

namespace socktrace::cli {

// Whether somebody may be in the way: a bind or listen failed, or a connect found no free port.
bool needs_explanation(const Event& event);

// Adds who is in the way and why, by the table and by the settings of the network namespace in which it happened, and
// how often it has failed lately. Looks up who holds the sockets now: for failures, not for every event.
void explain(Event& event, const Table& table, source::Comparison& comparison,
             const source::KnownNamespaces& namespaces, diagnose::FailureCounter& failures);

}  // namespace socktrace::cli
