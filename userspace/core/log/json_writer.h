#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/escape.h"

namespace socktrace {

// Builds one line of JSON in a buffer that is kept between lines. Keys are literals and are not escaped. An
// object or array that stays empty is not written at all.
class JsonWriter {
 public:
  static constexpr uint64_t kExact = uint64_t{1} << 53;  // above it a double no longer holds every integer

  void clear() { cursor_ = buffer_.get(); }
  [[nodiscard]] std::string_view text() const {
    return {buffer_.get(), static_cast<size_t>(cursor_ - buffer_.get())};
  }

  // Begins an object or array; `end` takes what was returned.
  size_t begin_line() {
    clear();
    room(1);
    *cursor_++ = '{';
    return 0;
  }
  template <size_t N>
  size_t begin(const char (&name)[N], char bracket = '{') {
    const size_t start = text().size();
    key(name, 1);
    *cursor_++ = bracket;
    return start;
  }
  size_t begin_element() {
    const size_t start = text().size();
    room(2);
    separate();
    *cursor_++ = '{';
    return start;
  }
  void end(size_t start, char bracket = '}') {
    if (cursor_[-1] == '{' || cursor_[-1] == '[') {
      cursor_ = buffer_.get() + start;
      return;
    }
    room(1);
    *cursor_++ = bracket;
  }
  void end_line() {
    room(2);
    *cursor_++ = '}';
    *cursor_++ = '\n';
  }

  template <size_t N>
  void number(const char (&name)[N], uint64_t value) {
    key(name, 20);
    put(value);
  }
  template <size_t N>
  void number_unless_zero(const char (&name)[N], uint64_t value) {
    if (value != 0) number(name, value);
  }
  // A number up to 2^53, a string of its digits beyond: no reader that uses doubles is ever wrong silently.
  template <size_t N>
  void quantity(const char (&name)[N], int64_t value) {
    const bool exact = value <= static_cast<int64_t>(kExact) && value >= -static_cast<int64_t>(kExact);
    key(name, 22);
    quote_if(!exact);
    cursor_ = std::to_chars(cursor_, cursor_ + 20, value).ptr;
    quote_if(!exact);
  }
  template <size_t N>
  void quantity(const char (&name)[N], uint64_t value) {
    key(name, 22);
    quote_if(value > kExact);
    put(value);
    quote_if(value > kExact);
  }
  // Identities and absolute times: strings always.
  template <size_t N>
  void digits(const char (&name)[N], uint64_t value) {
    key(name, 22);
    *cursor_++ = '"';
    put(value);
    *cursor_++ = '"';
  }
  template <size_t N>
  void hex(const char (&name)[N], uint64_t value) {
    key(name, 18);
    *cursor_++ = '"';
    cursor_ = std::to_chars(cursor_, cursor_ + 16, value, 16).ptr;
    *cursor_++ = '"';
  }
  template <size_t N>
  void yes(const char (&name)[N], bool value) {
    if (!value) return;
    key(name, 4);
    put("true");
  }
  // A word of ours, plain ASCII; nothing when empty.
  template <size_t N>
  void word(const char (&name)[N], std::string_view value) {
    if (value.empty()) return;
    key(name, value.size() + 2);
    quoted(value);
  }
  void word_element(std::string_view value) {
    room(value.size() + 3);
    separate();
    quoted(value);
  }
  // Bytes of others, by the scheme of core/escape.h; nothing when empty.
  template <size_t N>
  void bytes(const char (&name)[N], std::string_view value) {
    if (value.empty()) return;
    key(name, value.size() + 2);
    json_string(value);
  }
  // Text that is already escaped by that scheme.
  template <size_t N>
  void escaped(const char (&name)[N], std::string_view text) {
    key(name, text.size() * 2 + 2);
    *cursor_++ = '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') *cursor_++ = '\\';
      *cursor_++ = c;
    }
    *cursor_++ = '"';
  }
  // A key that is not ours.
  void bytes_named(std::string_view name, std::string_view value) {
    room(name.size() + value.size() + 6);
    separate();
    json_string(name);
    *cursor_++ = ':';
    room(value.size() + 2);
    json_string(value);
  }

 private:
  // Makes room for `count` more bytes and for the brackets that close what is open.
  void room(size_t count) {
    constexpr size_t kSlack = 16;
    if (static_cast<size_t>(end_ - cursor_) < count + kSlack) grow(count + kSlack);
  }
  void grow(size_t count) {
    const size_t used = text().size();
    const size_t capacity = (used + count) * 2 + 2048;
    auto larger = std::make_unique<char[]>(capacity);
    if (used > 0) std::memcpy(larger.get(), buffer_.get(), used);
    buffer_ = std::move(larger);
    cursor_ = buffer_.get() + used;
    end_ = buffer_.get() + capacity;
  }
  void separate() {
    if (cursor_[-1] != '{' && cursor_[-1] != '[') *cursor_++ = ',';
  }
  template <size_t N>
  void key(const char (&name)[N], size_t value_size) {
    room(N + 3 + value_size);
    separate();
    *cursor_++ = '"';
    std::memcpy(cursor_, name, N - 1);
    cursor_ += N - 1;
    *cursor_++ = '"';
    *cursor_++ = ':';
  }
  void put(std::string_view value) {
    std::memcpy(cursor_, value.data(), value.size());
    cursor_ += value.size();
  }
  void put(uint64_t value) { cursor_ = std::to_chars(cursor_, cursor_ + 20, value).ptr; }
  void quoted(std::string_view value) {
    *cursor_++ = '"';
    put(value);
    *cursor_++ = '"';
  }
  void quote_if(bool quote) {
    if (quote) *cursor_++ = '"';
  }
  void json_string(std::string_view value) {
    if (is_plain_json(value)) {
      quoted(value);
      return;
    }
    escaped_.clear();
    append_json_string(escaped_, value);
    room(escaped_.size());
    put(escaped_);
  }

  std::unique_ptr<char[]> buffer_;
  char* cursor_ = nullptr;
  char* end_ = nullptr;
  std::string escaped_;
};

}  // namespace socktrace
