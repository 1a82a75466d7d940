#pragma once

#include <optional>
#include <vector>

#include "core/result.h"
#include "diagnose/checkup.h"
#include "source/self_test.h"

namespace socktrace::cli {

// What was found by trying, in the same lines as diagnose::check_host().

// How results are learned, then a line for each hook.
std::vector<diagnose::Check> hook_checks(const probe::Tracer& tracer, const diagnose::HostCondition& host);
// Every socket table.
std::vector<diagnose::Check> table_checks();
// Every step of the self-test; all untested for the reason in `trouble` where that is set.
std::vector<diagnose::Check> self_test_checks(const source::SelfTest& test);

}  // namespace socktrace::cli
