#pragma once

#include <string_view>

#include "core/unicode.h"
#include "target.h"

namespace socktrace::fuzz {

// Fit for a terminal: well-formed UTF-8 without anything that controls it, hides or reorders, except what is `ours`.
inline bool is_safe_text(std::string_view text, std::string_view ours = "\n") {
  for (size_t i = 0; i < text.size();) {
    const CodePoint point = first_code_point(text.substr(i));
    if (point.length == 0) return false;
    if (is_unprintable(point.value) && ours.find(text[i]) == std::string_view::npos) return false;
    i += point.length;
  }
  return true;
}

}  // namespace socktrace::fuzz
