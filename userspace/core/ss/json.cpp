#include "core/ss/json.h"

#include "core/escape.h"
#include "core/fields.h"
#include "core/ss/line.h"

namespace socktrace::ss {
namespace {

constexpr uint64_t kExact = uint64_t{1} << 53;  // above it a double no longer holds every integer

void append_value(std::string& out, const FieldValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return append_json_string(out, *text);
  const uint64_t number = std::get<uint64_t>(value);
  if (number > kExact) out += '"';
  append_number(out, number);
  if (number > kExact) out += '"';
}

void append_key(std::string& out, std::string_view key) {
  if (out.back() != '{') out += ',';
  out += '"';
  out += key;
  out += "\":";
}

void append_owners(std::string& out, const Socket& socket) {
  if (socket.owners.empty()) return;
  append_key(out, "owners");
  out += '[';
  bool first = true;
  for (const Owner& owner : socket.owners) {
    if (!first) out += ',';
    first = false;
    out += "{\"pid\":";
    append_number(out, owner.process->pid);
    out += ",\"name\":";
    append_json_string(out, owner.process->name);
    if (owner.tid != 0) {
      out += ",\"tid\":";
      append_number(out, owner.tid);
    }
    if (owner.fd >= 0) {
      out += ",\"fd\":";
      append_number(out, owner.fd);
    }
    out += '}';
  }
  out += ']';
}

// How many levels of "a.b.c" and "a.b.d" are the same object: 2.
size_t common_levels(std::string_view a, std::string_view b) {
  size_t levels = 0;
  for (size_t i = 0; i < a.size() && i < b.size() && a[i] == b[i]; ++i)
    if (a[i] == '.') ++levels;
  return levels;
}

}  // namespace

void append_json(std::string& out, const diag::Row& row) {
  out += '{';
  std::string_view previous;
  size_t open = 0;
  for (const Field& field : fields()) {
    const FieldValue value = field.get(row);
    if (std::holds_alternative<std::monostate>(value)) continue;
    const size_t common = common_levels(previous, field.key);
    for (; open > common; --open) out += '}';
    std::string_view rest = field.key;
    for (size_t level = 0; level < common; ++level) rest.remove_prefix(rest.find('.') + 1);
    for (size_t dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
      append_key(out, rest.substr(0, dot));
      out += '{';
      ++open;
      rest.remove_prefix(dot + 1);
    }
    append_key(out, rest);
    append_value(out, value);
    previous = field.key;
  }
  for (; open > 0; --open) out += '}';
  append_owners(out, row.socket);
  out += "}\n";
}

}  // namespace socktrace::ss
