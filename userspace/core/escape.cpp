#include "core/escape.h"

#include <array>
#include <cstdint>

#include "core/unicode.h"

namespace socktrace {
namespace {

// Bytes that stand for themselves in the terminal scheme and inside a JSON string.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < 0x7f; ++c) plain[c] = c != '\\' && c != '"';
  return plain;
}();

constexpr char kDigits[] = "0123456789abcdef";

void append_bytes(std::string& out, std::string_view bytes, std::string_view introducer) {
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    out += introducer;
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

// `introducer` is what stands for \x in the output, `quote` for a double quote.
void append_with(std::string& out, std::string_view bytes, std::string_view introducer,
                 std::string_view quote, bool backslash_stands = false) {
  size_t i = 0;
  while (i < bytes.size()) {
    size_t end = i;
    while (end < bytes.size() && kPlain[static_cast<uint8_t>(bytes[end])]) ++end;
    out.append(bytes, i, end - i);
    if (end == bytes.size()) return;
    i = end;
    if (bytes[i] == '"') {
      out += quote;
      ++i;
      continue;
    }
    const CodePoint c = first_code_point(bytes.substr(i));
    const size_t length = c.length ? c.length : 1;
    const bool begins_escape = c.value == '\\' && !backslash_stands;
    if (c.length == 0 || begins_escape || is_unprintable(c.value))
      append_bytes(out, bytes.substr(i, length), introducer);
    else
      out.append(bytes, i, length);
    i += length;
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void append_escaped(std::string& out, std::string_view bytes) {
  append_with(out, bytes, "\\x", "\"");
}

void append_escaped_in_quotes(std::string& out, std::string_view bytes) {
  append_with(out, bytes, "\\x", "\\x22");
}

std::string printable(std::string_view message) {
  std::string out;
  append_with(out, message, "\\x", "\"", true);
  return out;
}

std::string escape(std::string_view bytes) {
  std::string out;
  append_escaped(out, bytes);
  return out;
}

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t backslash = text.find('\\', i);
    if (backslash == std::string_view::npos) {
      out.append(text, i);
      break;
    }
    out.append(text, i, backslash - i);
    if (text.size() - backslash < 4 || text[backslash + 1] != 'x') return std::nullopt;
    const int high = hex_digit(text[backslash + 2]);
    const int low = hex_digit(text[backslash + 3]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    i = backslash + 4;
  }
  return out;
}

void append_json_string(std::string& out, std::string_view bytes) {
  out += '"';
  append_with(out, bytes, "\\\\x", "\\\"");
  out += '"';
}

bool is_plain_json(std::string_view bytes) {
  for (const char c : bytes)
    if (!kPlain[static_cast<uint8_t>(c)]) return false;
  return true;
}

size_t display_width(std::string_view escaped) {
  size_t width = 0;
  for (size_t i = 0; i < escaped.size();) {
    const CodePoint c = first_code_point(escaped.substr(i));
    width += c.length ? cell_width(c.value) : 1;
    i += c.length ? c.length : 1;
  }
  return width;
}

void cut_to_width(std::string& text, size_t start, size_t cells) {
  const std::string_view line = std::string_view(text).substr(start);
  if (display_width(line) <= cells) return;
  size_t end = 0;
  for (size_t used = 1; end < line.size();) {
    const CodePoint next = first_code_point(line.substr(end));
    used += next.length == 0 ? 1 : cell_width(next.value);
    if (used > cells) break;
    end += std::max<size_t>(next.length, 1);
  }
  text.resize(start + end);
  text += "…";
}

}  // namespace socktrace
