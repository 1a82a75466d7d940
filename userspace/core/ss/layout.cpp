#include "core/ss/layout.h"

#include <algorithm>

#include "core/escape.h"

namespace socktrace::ss {
namespace {

constexpr size_t kBlockBytes = size_t{256} << 10;
constexpr size_t kWriteBytes = size_t{64} << 10;
constexpr size_t kIndent = 8;  // of continuation lines on a terminal

struct Heading {
  std::string_view title;
  std::string_view gap;  // before the column, unless it is the first
  bool right = false;
};

constexpr std::array<Heading, kColumns> kHeadings = {{
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
size_t cells_of(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
  return ascii ? text.size() : display_width(text);
}

}  // namespace

Layout::Layout(const LayoutOptions& options, Write write) : options_(options), write_(std::move(write)) {
  header_due_ = options.header;
  begin_section();
}

bool Layout::visible(size_t column) const {
  switch (column) {
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

// `blanks` is the padding that is owed before the next text: at the end of a line it is not written.
void Layout::append_cell(size_t column, std::string_view cell, size_t& blanks) {
  const size_t shown = cells_of(cell);
  const size_t padding = width_[column] > shown ? width_[column] - shown : 0;
  if (kHeadings[column].right) blanks += padding;
  if (!cell.empty()) {
    out_.append(blanks, ' ');
    blanks = 0;
    out_ += cell;
  }
  if (!kHeadings[column].right) blanks += padding;
}

void Layout::render_cells(std::string_view text, const Cells& cells) {
  size_t blanks = 0;
  size_t used = 0;
  bool first = true;
  // When the addresses alone are too wide for the terminal, the peer goes to a line of its own.
  size_t total = 0;
  for (size_t column = 0; column < kRest; ++column)
    if (visible(column)) total += width_[column] + kHeadings[column].gap.size();
  const bool split = options_.width != 0 && total > options_.width;
  for (size_t column = 0; column < kRest; ++column) {
    const std::string_view cell = text.substr(0, cells.length[column]);
    text.remove_prefix(cell.size());
    if (!visible(column)) continue;
    if (!first) blanks += kHeadings[column].gap.size();
    first = false;
    if (split && column == kPeerAddress) {
      out_ += '\n';
      out_.append(kIndent, ' ');
      out_ += cell;
      used = kIndent + cells_of(cell);
      blanks = 0;
      continue;
    }
    if (split && column == kPeerPort) {
      out_ += cell;
      used += cells_of(cell);
      continue;
    }
    append_cell(column, cell, blanks);
  }
  if (!split) used = total;
  const std::string_view rest = text.substr(0, cells.rest);
  if (!rest.empty()) {
    const size_t longest = cells_of(rest.substr(0, rest.find('\n')));
    if (options_.width != 0 &&
        (used + longest > options_.width || rest.find('\n') != std::string_view::npos)) {
      append_wrapped(rest, used);
    } else {
      out_.append(blanks, ' ');
      out_ += rest;
    }
  }
  out_ += '\n';
}

// Breaks at blanks, and after the comma between two users.
void Layout::append_wrapped(std::string_view rest, size_t used) {
  while (!rest.empty()) {
    if (rest[0] == '\n' || rest[0] == '\t') {
      if (rest[0] == '\n') used = options_.width;  // begins a new line
      rest.remove_prefix(1);
      continue;
    }
    size_t length = rest.find_first_of(" \n\t", 1);
    if (length == std::string_view::npos) length = rest.size();
    const size_t user = rest.substr(0, length).find("),(");
    if (user != std::string_view::npos) length = user + 2;
    std::string_view item = rest.substr(0, length);
    rest.remove_prefix(length);
    if (used + cells_of(item) > options_.width) {
      if (item[0] == ' ') item.remove_prefix(1);
      if (item.empty()) continue;
      out_ += '\n';
      out_.append(kIndent, ' ');
      used = kIndent;
    }
    out_ += item;
    used += cells_of(item);
  }
}

bool Layout::render() {
  if (header_due_) {
    header_due_ = false;
    std::string text;
    Cells cells;
    for (size_t column = 0; column < kRest; ++column) {
      const std::string_view title = visible(column) ? kHeadings[column].title : std::string_view();
      cells.length[column] = static_cast<uint16_t>(title.size());
      text += title;
    }
    // Where the rest of each row goes to lines of its own, so would its heading.
    size_t total = kHeadings[kRest].title.size();
    for (size_t column = 0; column < kRest; ++column)
      if (visible(column)) total += width_[column] + kHeadings[column].gap.size();
    const bool fits = options_.width == 0 || total <= options_.width;
    if (fits) text += kHeadings[kRest].title;
    cells.rest = fits ? static_cast<uint32_t>(kHeadings[kRest].title.size()) : 0;
    render_cells(text, cells);
  }
  for (const Block& block : blocks_) {
    std::string_view text = block.text;
    for (const Cells& cells : block.rows) {
      size_t length = cells.rest;
      for (const uint16_t cell : cells.length) length += cell;
      render_cells(text.substr(0, length), cells);
      text.remove_prefix(length);
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
