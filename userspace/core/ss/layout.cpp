#include "core/ss/layout.h"

#include <algorithm>

#include "core/ss/grid.h"

namespace socktrace::ss {
namespace {

constexpr size_t kWriteBytes = size_t{64} << 10;

}  // namespace

Layout::Layout(const LayoutOptions& options, Write write) : options_(options), write_(std::move(write)) {
  header_due_ = options.header;
  visible_.fill(true);
  visible_[kNetns] = options.netns;
  visible_[kNetid] = options.netid;
  visible_[kState] = options.state;
  visible_[kRecvQ] = visible_[kSendQ] = options.queues;
  width_[kRecvQ] = width_[kSendQ] = 6;
  if (options.header)
    for (size_t column = 0; column < kRest; ++column)
      width_[column] = std::max(width_[column], kHeadings[column].title.size());
}

bool Layout::add(const Line& line) {
  if (failed_) return false;
  if (text_.size() + line.text.size() + rows_.size() * sizeof(Cells) > kSectionBytes && !render())
    return false;
  const std::string_view text =
      std::string_view(line.text).substr(0, std::min<size_t>(line.end[kRest - 1], UINT16_MAX));
  Cells cells{.end = {}, .ascii = is_ascii(text), .rest = static_cast<uint32_t>(line.at(kRest).size())};
  size_t begin = 0;
  for (size_t column = 0; column < kRest; ++column) {
    const size_t end = std::min<size_t>(line.end[column], UINT16_MAX);
    cells.end[column] = static_cast<uint16_t>(end);
    const size_t width = cells.ascii ? end - begin : cells_of(text.substr(begin, end - begin));
    if (visible_[column]) width_[column] = std::max(width_[column], width);
    begin = end;
  }
  text_ += text;
  text_ += line.at(kRest);
  rows_.push_back(cells);
  return true;
}

bool Layout::finish() {
  if (failed_ || !render()) return false;
  return flush();
}

GridRow Layout::grid() const {
  GridRow row;
  row.width = width_;
  row.visible = visible_;
  if (options_.width) fit_columns(row, options_.width);
  return row;
}

void Layout::append(const GridRow& row) {
  if (options_.width)
    append_fitted_row(out_, row, options_.width);
  else
    append_row(out_, row);
}

bool Layout::render() {
  GridRow row = grid();
  if (header_due_) {
    header_due_ = false;
    for (size_t column = 0; column < kColumns; ++column)
      row.set(column, visible_[column] ? kHeadings[column].title : std::string_view());
    // Where the rest of each row is on lines of its own, its heading would be too.
    if (options_.width && used_width(row) + kHeadings[kRest].title.size() > options_.width)
      row.set(kRest, {});
    append(row);
  }
  std::string_view text = text_;
  for (const Cells& cells : rows_) {
    size_t begin = 0;
    for (size_t column = 0; column < kRest; ++column) {
      const std::string_view cell = text.substr(begin, cells.end[column] - begin);
      row.cell[column] = cell;
      row.shown[column] = cells.ascii ? cell.size() : cells_of(cell);
      begin = cells.end[column];
    }
    row.cell[kRest] = text.substr(begin, cells.rest);
    text.remove_prefix(begin + cells.rest);
    append(row);
    if (out_.size() >= kWriteBytes && !flush()) return false;
  }
  text_.clear();
  rows_.clear();
  return true;
}

bool Layout::flush() {
  if (!out_.empty() && !write_(out_)) failed_ = true;
  out_.clear();
  return !failed_;
}

}  // namespace socktrace::ss
