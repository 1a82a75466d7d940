#include "core/ss/grid.h"

namespace socktrace::ss {
namespace {

constexpr size_t kIndent = 8;  // of continuation lines on a terminal

size_t padding(const GridRow& row, size_t column) {
  return row.width[column] > row.shown[column] ? row.width[column] - row.shown[column] : 0;
}

bool is_address(size_t column) {
  return column == kLocalAddress || column == kPeerAddress;
}

// Writes items and keeps count of the cells used on the line.
class FittedLine {
 public:
  FittedLine(std::string& out, size_t terminal) : out_(out), terminal_(terminal) {}

  // Blanks are owed until text follows: no line ends in them.
  void owe(size_t blanks) { owed_ += blanks; }
  void put(std::string_view text) {
    if (text.empty()) return;
    out_.append(owed_, ' ');
    out_ += text;
    used_ += owed_ + cells_of(text);
    owed_ = 0;
    begun_ = true;
  }
  [[nodiscard]] bool fits(size_t cells) const { return used_ + owed_ + cells <= terminal_; }
  void next_line() {
    out_ += '\n';
    out_.append(kIndent, ' ');
    used_ = kIndent;
    owed_ = 0;
    begun_ = false;
  }
  // Whether text stands on this line already.
  [[nodiscard]] bool begun() const { return begun_; }

 private:
  std::string& out_;
  size_t terminal_;
  size_t used_ = 0;
  size_t owed_ = 0;
  bool begun_ = false;
};

// Breaks at blanks, and after the comma between two users.
void put_items(FittedLine& line, std::string_view rest) {
  bool forced = false;  // the text itself began a new line
  while (!rest.empty()) {
    if (rest[0] == '\n' || rest[0] == '\t') {
      forced = forced || rest[0] == '\n';
      rest.remove_prefix(1);
      continue;
    }
    size_t length = std::min(rest.find_first_of(" \n\t", 1), rest.size());
    const size_t user = rest.substr(0, length).find("),(");
    if (user != std::string_view::npos) length = user + 2;
    std::string_view item = rest.substr(0, length);
    rest.remove_prefix(length);
    if (forced || !line.fits(cells_of(item))) {
      if (item[0] == ' ') item.remove_prefix(1);
      if (item.empty()) continue;
      if (forced || line.begun()) line.next_line();
      forced = false;
    }
    line.put(item);
  }
}

}  // namespace

void append_row(std::string& out, const GridRow& row) {
  // Room for all of it at once: appending its twenty parts one by one would check the capacity at each.
  size_t most = row.cell[kRest].size() + 1;
  for (size_t column = 0; column < kRest; ++column)
    most += kHeadings[column].gap.size() + row.width[column] + row.cell[column].size();
  const size_t begin = out.size();
  out.resize(begin + most);
  char* at = out.data() + begin;
  size_t blanks = 0;
  const auto put = [&](std::string_view cell) {
    if (cell.empty()) return;
    at = std::copy(cell.begin(), cell.end(), std::fill_n(at, blanks, ' '));
    blanks = 0;
  };
  bool first = true;
  for (size_t column = 0; column < kRest; ++column) {
    if (!row.visible[column]) continue;
    if (!first) blanks += kHeadings[column].gap.size();
    first = false;
    const size_t pad = padding(row, column);
    if (kHeadings[column].right) blanks += pad;
    put(row.cell[column]);
    if (!kHeadings[column].right) blanks += pad;
  }
  put(row.cell[kRest]);
  *at++ = '\n';
  out.resize(static_cast<size_t>(at - out.data()));
}

void append_fitted_row(std::string& out, const GridRow& row, size_t terminal) {
  FittedLine line(out, terminal);
  bool first = true;
  for (size_t column = 0; column < kRest; ++column) {
    if (!row.visible[column]) continue;
    if (!first) line.owe(kHeadings[column].gap.size());
    first = false;
    const size_t pad = padding(row, column);
    if (is_address(column)) {
      // An address and its port stay together.
      const size_t wanted = row.shown[column] + row.shown[column + 1];
      if (line.fits(pad + wanted))
        line.owe(pad);
      else if (!line.fits(wanted) && line.begun())
        line.next_line();
    }
    line.put(row.cell[column]);
    if (!kHeadings[column].right) line.owe(pad);
  }
  put_items(line, row.cell[kRest]);
  out += '\n';
}

size_t used_width(const GridRow& row) {
  size_t total = 0;
  for (size_t column = 0; column < kRest; ++column)
    if (row.visible[column]) total += row.width[column] + kHeadings[column].gap.size();
  return total;
}

void fit_columns(GridRow& row, size_t terminal) {
  size_t total = used_width(row);
  for (const size_t column : {kLocalAddress, kPeerAddress}) {
    if (total <= terminal) return;
    const size_t least = std::min(row.width[column], kHeadings[column].title.size());
    const size_t taken = std::min(total - terminal, row.width[column] - least);
    row.width[column] -= taken;
    total -= taken;
  }
}

}  // namespace socktrace::ss
