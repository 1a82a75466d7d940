#include "core/ss/layout.h"

#include <algorithm>

#include "core/ss/grid.h"

namespace socktrace::ss {
namespace {

constexpr size_t kBlockBytes = size_t{256} << 10;
constexpr size_t kWriteBytes = size_t{64} << 10;

}  // namespace

Layout::Layout(const LayoutOptions& options, Write write) : options_(options), write_(std::move(write)) {
  header_due_ = options.header;
  begin_section();
}

bool Layout::visible(size_t column) const {
  switch (column) {
    case kNetns:
      return options_.netns;
    case kNetid:
      return options_.netid;
    case kState:
      return options_.state;
    case kRecvQ:
    case kSendQ:
      return options_.queues;
    default:
      return true;
  }
}

void Layout::begin_section() {
  blocks_.clear();
  bytes_ = 0;
  width_.fill(0);
  width_[kRecvQ] = width_[kSendQ] = 6;
  if (header_due_)
    for (size_t column = 0; column < kRest; ++column)
      width_[column] = std::max(width_[column], kHeadings[column].title.size());
}

bool Layout::add(const Line& line) {
  if (failed_) return false;
  if (bytes_ + line.text.size() > kSectionBytes && !render()) return false;
  if (blocks_.empty() || blocks_.back().text.size() + line.text.size() > kBlockBytes) {
    blocks_.emplace_back();
    blocks_.back().text.reserve(std::max(kBlockBytes, line.text.size()));
  }
  Block& block = blocks_.back();
  Cells cells;
  for (size_t column = 0; column < kRest; ++column) {
    std::string_view cell = visible(column) ? line.at(column) : std::string_view();
    cell = cell.substr(0, UINT16_MAX);
    cells.length[column] = static_cast<uint16_t>(cell.size());
    width_[column] = std::max(width_[column], cells_of(cell));
    block.text += cell;
  }
  cells.rest = static_cast<uint32_t>(line.at(kRest).size());
  block.text += line.at(kRest);
  block.rows.push_back(cells);
  bytes_ += line.text.size() + sizeof cells;
  return true;
}

bool Layout::finish() {
  if (failed_ || !render()) return false;
  return flush();
}

GridRow Layout::grid() const {
  GridRow row;
  row.width = width_;
  for (size_t column = 0; column < kColumns; ++column) row.visible[column] = visible(column);
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
      row.cell[column] = visible(column) ? kHeadings[column].title : std::string_view();
    // Where the rest of each row is on lines of its own, its heading would be too.
    if (options_.width && used_width(row) + kHeadings[kRest].title.size() > options_.width)
      row.cell[kRest] = {};
    append(row);
  }
  for (const Block& block : blocks_) {
    std::string_view text = block.text;
    const auto take = [&](size_t length) {
      const std::string_view cell = text.substr(0, length);
      text.remove_prefix(length);
      return cell;
    };
    for (const Cells& cells : block.rows) {
      for (size_t column = 0; column < kRest; ++column) row.cell[column] = take(cells.length[column]);
      row.cell[kRest] = take(cells.rest);
      append(row);
      if (out_.size() >= kWriteBytes && !flush()) return false;
    }
  }
  begin_section();
  return true;
}

bool Layout::flush() {
  if (!out_.empty() && !write_(out_)) failed_ = true;
  out_.clear();
  return !failed_;
}

}  // namespace socktrace::ss
