#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/filter/ast.h"
#include "core/filter/filter.h"

namespace socktrace::filter {

struct ParsedHost {
  std::vector<HostCondition> conditions;  // any of them
  std::optional<Family> prefix;           // "unix:" and the like: selects the family of the whole query
};

// What `src` and `dst` take: [FAMILY:]ADDRESS[:PORT].
Result<ParsedHost> parse_host(std::string_view text, const FilterOptions& options);

// What `sport` and `dport` take: a number or a service name, with or without a colon in front.
Result<uint16_t> parse_port(std::string_view text, const FilterOptions& options);

// Decimal, 0x hexadecimal or 0 octal, as strtoul with base 0.
std::optional<uint64_t> parse_number(std::string_view text);

}  // namespace socktrace::filter
