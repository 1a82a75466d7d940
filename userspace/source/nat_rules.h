#pragma once

#include <vector>

#include "core/nat_rule.h"
#include "core/result.h"

namespace socktrace::source {

struct NatRules {
  std::vector<NatRule> rules;
  bool has_legacy_table = false;  // of iptables-legacy, whose rules are not read
};

// Rules that lead ports elsewhere, in the network namespace of the calling thread; the same rule is there once. Needs
// CAP_NET_ADMIN there: ErrorKind::privilege without. A kernel without nftables has none.
Result<NatRules> nat_rules();

}  // namespace socktrace::source
