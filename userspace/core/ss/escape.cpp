#include "core/ss/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace socktrace::ss {

void append_escaped(std::string& out, std::string_view text) {
  const auto printable = [](char c) { return c >= 0x20 && c < 0x7f; };
  if (std::all_of(text.begin(), text.end(), printable)) {
    out += text;
    return;
  }
  for (char c : text) {
    if (printable(c))
      out += c;
    else
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
  }
}

}  // namespace socktrace::ss
