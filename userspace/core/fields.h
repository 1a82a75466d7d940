#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/diag/row.h"

namespace socktrace {

// What a field says about one socket: nothing, a number, or text (raw bytes where processes chose it).
using FieldValue = std::variant<std::monostate, uint64_t, std::string>;

// What a dump has to ask for beyond the fixed part, so that a field has a value.
// Owners that are described have user, unit and container, which cost several reads per process.
enum class FieldNeeds : uint8_t {
  nothing,
  owners,
  described_owners,
  information,  // tcp_info
  memory,
  tos,
  files,     // of unix sockets
  cgroups,   // their paths
  storages,  // of BPF programs
};

// One row of the field table: columns, JSON keys, sorting, grouping and their help all come from it.
struct Field {
  std::string_view key;    // as in the event log: "network.local.port"
  std::string_view name;   // short, for the command line: "lport"
  std::string_view title;  // of the column
  bool right = false;      // alignment
  FieldNeeds needs = FieldNeeds::nothing;
  FieldValue (*get)(const diag::Row& row);
  std::string_view help;
  FieldValue (*order)(const diag::Row& row) = nullptr;  // to sort by; null: the value
};

// In the order in which JSON writes them: fields with a common prefix stand together.
std::span<const Field> fields();
// By key or short name; null when there is none.
const Field* find_field(std::string_view name);

// For a field of the process that has the socket, when none has: why ("kernel"). Else empty.
std::string_view absent_owner(const Field& field, const diag::Row& row);
// The text of a field of a row in a table: that nobody has the socket is told with the reason ("?kernel").
std::string cell_text(const Field& field, const diag::Row& row);
// The value as a column shows it: escaped, "-" for nothing.
std::string column_text(const FieldValue& value);
// Nothing before numbers, numbers by value, numbers before text.
bool less(const FieldValue& a, const FieldValue& b);

}  // namespace socktrace
