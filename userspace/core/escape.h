#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace socktrace {

// Names that other people chose (comm, paths, unit and socket names) made fit for a terminal, a text line and
// a JSON string, without losing a byte. One scheme everywhere:
//
//   \xNN (two lowercase hexadecimal digits) stands for the byte NN. It is used for
//     - C0 controls and DEL; C1 controls, raw or as UTF-8 (c2 80 .. c2 9f)
//     - every byte of characters that are invisible or reorder text: bidi controls, zero-width and other
//     format
//       characters, fillers, line and paragraph separators, variation selectors, tags, noncharacters
//     - bytes that are not well-formed UTF-8 (overlong forms and surrogates too)
//     - the backslash itself, so that unescape() is exact.
//   Everything else is well-formed, printable UTF-8 and stands for itself.

void append_escaped(std::string& out, std::string_view bytes);
std::string escape(std::string_view bytes);

// Between double quotes: one among the bytes is \x22, so that it cannot end them.
void append_escaped_in_quotes(std::string& out, std::string_view bytes);

// A message of ours with parts of others in it, some of which may be escaped already: a backslash stands for itself, and
// what was escaped stays so. Not for what is read again.
std::string printable(std::string_view message);

// The bytes that were escaped; nullopt when a backslash is not followed by x and two hexadecimal digits.
std::optional<std::string> unescape(std::string_view text);

// The escaped text between double quotes as a JSON string (RFC 8259): valid UTF-8 without controls. The value a
// JSON parser returns is escape(bytes), as safe to print as on our own screen.
void append_json_string(std::string& out, std::string_view bytes);
// Printable ASCII without quotes and backslashes: append_json_string() would only add the quotes.
bool is_plain_json(std::string_view bytes);

// Terminal cells that an already escaped text takes: 2 for East Asian wide characters and emoji, 0 for
// combining marks, else 1. A simple version of wcwidth() that needs no locale.
size_t display_width(std::string_view escaped);

// Cuts the printable text that begins at `start` to as many terminal cells, the last of them an ellipsis.
void cut_to_width(std::string& text, size_t start, size_t cells);

}  // namespace socktrace
