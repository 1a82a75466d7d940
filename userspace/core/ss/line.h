#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace socktrace::ss {

// The columns of the table. An address and its port are two cells, so that the separators stand in one
// column; the last cell has everything else (users, -e, -i …) and may go over several lines.
enum Column : size_t {
  kNetns,  // shown when there are several
  kNetid,
  kState,
  kRecvQ,
  kSendQ,
  kLocalAddress,
  kLocalPort,
  kPeerAddress,
  kPeerPort,
  kRest,
};
inline constexpr size_t kColumns = kRest + 1;

// One row of the table while it is written: the text of its cells, one after another. Cells are written in
// column order; each is ended by end_cell().
struct Line {
  std::string text;
  std::array<uint32_t, kColumns> end{};  // where the cell ends in `text`
  size_t cells = 0;                      // ended so far

  void clear() {
    text.clear();
    cells = 0;
  }
  void end_cell() { end[cells++] = static_cast<uint32_t>(text.size()); }
  void cell(std::string_view content) {
    text += content;
    end_cell();
  }
  [[nodiscard]] std::string_view at(size_t column) const {
    const size_t begin = column == 0 ? 0 : end[column - 1];
    return std::string_view(text).substr(begin, end[column] - begin);
  }
};

// Decimal, without the cost of a format string: several of these are on every row.
template <typename Integer>
void append_number(std::string& out, Integer value) {
  char digits[24];
  const auto result = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, static_cast<size_t>(result.ptr - digits));
}

}  // namespace socktrace::ss
