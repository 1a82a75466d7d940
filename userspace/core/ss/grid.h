#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "core/escape.h"
#include "core/ss/line.h"

// The geometry of the table, shared by the two ways of writing a row; nobody else includes it.
namespace socktrace::ss {

struct Heading {
  std::string_view title;
  std::string_view gap;  // before the column, unless it is the first
  bool right = false;
};

inline constexpr std::array<Heading, kColumns> kHeadings = {{
    {"Netns", " "},
    {"Netid", " "},
    {"State", " "},
    {"Recv-Q", " "},
    {"Send-Q", " "},
    {"Local Address:", " ", true},
    {"Port", ""},
    {"Peer Address:", " ", true},
    {"Port", ""},
    {"Process", ""},
}};

// Terminal cells. Nearly all text is ASCII, where they are the bytes.
inline bool is_ascii(std::string_view text) {
  unsigned char bits = 0;  // not until the first one: this way the compiler looks at many at a time
  for (const char c : text) bits |= static_cast<unsigned char>(c);
  return (bits & 0x80) == 0;
}
inline size_t cells_of(std::string_view text) {
  return is_ascii(text) ? text.size() : display_width(text);
}

// One row about to be written: its cells, and how wide each column is; `visible` columns only.
struct GridRow {
  std::array<std::string_view, kColumns> cell;
  std::array<size_t, kRest> shown{};  // how wide each cell is: cells_of()
  std::array<bool, kColumns> visible{};
  std::array<size_t, kRest> width{};

  void set(size_t column, std::string_view text) {
    cell[column] = text;
    if (column < kRest) shown[column] = cells_of(text);
  }
};

// Of the columns before the rest.
size_t used_width(const GridRow& row);
// As it is, however long.
void append_row(std::string& out, const GridRow& row);
// For a terminal: what does not fit goes to further lines, indented, broken between items; only an address or
// item that is wider than the terminal itself still is.
void append_fitted_row(std::string& out, const GridRow& row, size_t terminal);
// Column widths under which the usual row fits the terminal: long addresses stop widening their column for
// all.
void fit_columns(GridRow& row, size_t terminal);

}  // namespace socktrace::ss
