#pragma once

#include <simdjson.h>

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "core/escape.h"
#include "core/log/memo.h"

namespace socktrace {

using JsonValue = simdjson::ondemand::value;
using JsonObject = simdjson::ondemand::object;
using JsonArray = simdjson::ondemand::array;

// Reads typed fields of a line and remembers the first reason to refuse it. Every reader returns false when
// it refused.
class FieldReader {
 public:
  // Before the fields of a line are read.
  void start(std::string_view line) {
    reason_.clear();
    escapes_ = line.find('\\') != std::string_view::npos;
  }
  // Whether the line has a backslash at all. Hardly any has, and then no string in it needs to be looked through.
  [[nodiscard]] bool escapes() const { return escapes_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }

  bool refuse(std::string_view key, std::string_view what) {
    if (reason_.empty()) reason_.append("'").append(key).append("' ").append(what);
    return false;
  }

  // Calls visit(key, value) for every field until one returns false.
  template <typename Visit>
  bool each_field(std::string_view name, JsonValue& value, Visit visit) {
    JsonObject object;
    if (value.get_object().get(object)) return refuse(name, "is not an object");
    return each_field(object, visit);
  }
  template <typename Visit>
  bool each_field(JsonObject& object, Visit visit) {
    for (auto field : object) {
      std::string_view key;
      JsonValue value;
      if (!key_of(field, value, key)) return refuse("line", "is not valid JSON");
      if (!visit(key, value)) return false;
    }
    return true;
  }
  template <typename Visit>
  bool each_element(std::string_view name, JsonValue& value, Visit visit) {
    JsonArray array;
    if (value.get_array().get(array)) return refuse(name, "is not an array");
    return each_element(name, array, visit);
  }
  template <typename Visit>
  bool each_element(std::string_view name, JsonArray& array, Visit visit) {
    for (auto element : array) {
      JsonValue item;
      if (element.get(item)) return refuse(name, "is not valid JSON");
      if (!visit(item)) return false;
    }
    return true;
  }

  // read(container) puts what an object or array says into `out`; the same text is not read again.
  template <typename Container, typename T, size_t kSlots, typename Read>
  bool remembered(std::string_view name, Container& container, Memo<T, kSlots>& memo, T& out, Read read) {
    std::string_view text;
    if (container.raw_json().get(text)) return refuse(name, "is not valid JSON");
    if (const T* known = memo.find(text)) {
      out = *known;
      return true;
    }
    bool empty = false;
    if (container.reset().get(empty)) return refuse(name, "is not valid JSON");
    if (!read(container)) return false;
    memo.keep(text, out);
    return true;
  }

  template <typename T>
  bool number(std::string_view key, JsonValue& value, T& out) {
    uint64_t wide = 0;
    if (value.get_uint64().get(wide) || wide > static_cast<uint64_t>(std::numeric_limits<T>::max()))
      return refuse(key, "is not a number in its range");
    out = static_cast<T>(wide);
    return true;
  }
  // A number, or a string of digits when it is too large for a double.
  template <typename T>
  bool quantity(std::string_view key, JsonValue& value, T& out) {
    if constexpr (std::numeric_limits<T>::is_signed) {
      if (value.get_int64().get(out) == simdjson::SUCCESS) return true;
    } else {
      if (value.get_uint64().get(out) == simdjson::SUCCESS) return true;
    }
    return digits(key, value, out);
  }
  template <typename T>
  bool digits(std::string_view key, JsonValue& value, T& out, int base = 10) {
    std::string_view text;
    if (!plain_string(value, text)) return refuse(key, "is not a string of digits");
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out, base);
    if (failure != std::errc{} || end != text.data() + text.size())
      return refuse(key, "is not a string of digits");
    return true;
  }
  bool boolean(std::string_view key, JsonValue& value, bool& out) {
    if (value.get_bool().get(out)) return refuse(key, "is not true or false");
    return true;
  }
  // The text as it stands in the log; valid until the next line.
  bool word(std::string_view key, JsonValue& value, std::string_view& out) {
    if (plain_string(value, out)) return true;
    if (value.get_string().get(out)) return refuse(key, "is not a string");
    return true;
  }
  // The bytes that the text stands for.
  bool bytes(std::string_view key, JsonValue& value, std::string& out) {
    std::string_view text;
    if (!word(key, value, text)) return false;
    if (!escapes_ || text.find('\\') == std::string_view::npos) {
      out = text;
      return true;
    }
    std::optional<std::string> raw = unescape(text);
    if (!raw) return refuse(key, "has a backslash that is not part of \\xNN");
    out = std::move(*raw);
    return true;
  }

 private:
  // Keys and strings without an escape can be used where they stand, which is much faster than copying
  // them by get_string(). Where a string ends follows from where the next token begins; looking for the quote byte by
  // byte would cost a mispredicted branch each.
  template <typename Field>
  bool key_of(Field& field, JsonValue& value, std::string_view& out) {
    simdjson::ondemand::raw_json_string raw;
    if (field.key().get(raw) || field.value().get(value)) return false;
    const char* end = value.raw_json_token().data();  // behind  "key":
    do --end;
    while (*end != '"');
    out = {raw.raw(), static_cast<size_t>(end - raw.raw())};
    if (!escapes_ || out.find('\\') == std::string_view::npos) return true;
    return field.unescaped_key().get(out) == simdjson::SUCCESS;
  }
  // What is behind the closing quote of a token is white space.
  bool plain_string(JsonValue& value, std::string_view& out) {
    out = value.raw_json_token();
    if (out.size() < 2 || out.front() != '"') return false;
    while (out.back() != '"') out.remove_suffix(1);
    out = out.substr(1, out.size() - 2);
    return !escapes_ || out.find('\\') == std::string_view::npos;
  }

  std::string reason_;
  bool escapes_ = true;
};

}  // namespace socktrace
