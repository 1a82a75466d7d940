#pragma once

#include <cstddef>
#include <string_view>

namespace socktrace {

struct CodePoint {
  char32_t value = 0;
  size_t length = 0;  // bytes; 0 when the bytes are not well-formed UTF-8 (Unicode table 3-7)
};

// The code point that `bytes`, not empty, begins with.
CodePoint first_code_point(std::string_view bytes);

// Takes no space of its own and shows nothing, or changes the order of what is around it, or controls the
// terminal: not to be printed as it is.
bool is_unprintable(char32_t c);

// Terminal cells of a printable character.
size_t cell_width(char32_t c);

}  // namespace socktrace
