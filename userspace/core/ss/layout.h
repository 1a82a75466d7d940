#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ss/line.h"

namespace socktrace::ss {

struct GridRow;

// Which columns there are, and where they go.
struct LayoutOptions {
  bool header = true;
  bool netns = false;  // rows of several network namespaces
  bool netid = true;   // ss drops it when one table is shown
  bool state = true;   // ss drops it when one state is shown
  bool queues = true;
  uint32_t width = 0;  // columns of the terminal; 0: not a terminal, lines are as long as they get
};

// Aligns rows in columns. Rows are kept until all are there, since the widest decides, but never more than
// kSectionBytes of them (some 10,000, which the processor's cache holds): then what is there is written, and columns
// only get wider.
//
// Each column is as wide as its widest cell so far, headings included; the addresses are right-aligned so that the
// colons stand in one line; no line ends in blanks. On a terminal a row that does not fit is continued on
// indented lines, broken between items, so that the terminal itself never wraps one.
class Layout {
 public:
  static constexpr size_t kSectionBytes = size_t{1} << 20;
  // Returns false when nothing more can be written (the reader is gone).
  using Write = std::function<bool(std::string_view)>;

  Layout(const LayoutOptions& options, Write write);

  // False once a write failed.
  bool add(const Line& line);
  bool finish();

 private:
  // Where a row's cells end within its text.
  struct Cells {
    std::array<uint16_t, kRest> end;
    bool ascii;  // but the rest: then a cell is as wide as it is long
    uint32_t rest;
  };

  bool render();
  [[nodiscard]] GridRow grid() const;
  void append(const GridRow& row);
  bool flush();

  LayoutOptions options_;
  Write write_;
  std::string text_;  // of the section's rows
  std::vector<Cells> rows_;
  std::array<bool, kColumns> visible_{};
  std::array<size_t, kRest> width_{};
  std::string out_;
  bool failed_ = false;
  bool header_due_ = false;
};

}  // namespace socktrace::ss
