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

// `src` and `dst` take [FAMILY:]ADDRESS[:PORT], `sport` and `dport` [FAMILY:][:]PORT. A port, in either, is a number, a
// service name, or `*`. Families without ports of this kind have addresses in both places, as in ss.
enum class HostPart : uint8_t { address, port };

Result<ParsedHost> parse_host(std::string_view text, HostPart part, const FilterOptions& options);

// Decimal, 0x hexadecimal or 0 octal, as strtoul with base 0.
std::optional<uint64_t> parse_number(std::string_view text);

}  // namespace socktrace::filter
