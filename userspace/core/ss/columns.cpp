#include "core/ss/columns.h"

#include <algorithm>

#include "core/escape.h"
#include "core/ss/line.h"

namespace socktrace::ss {
namespace {

// One line of cells; the padding that is owed is written only before text.
void append_line(std::string& out, const std::vector<std::string>& cells, const std::vector<size_t>& widths,
                 const std::vector<const Field*>& fields, size_t terminal) {
  const size_t start = out.size();
  size_t blanks = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    const size_t padding = widths[i] - display_width(cells[i]);
    if (i) ++blanks;
    if (fields[i]->right) blanks += padding;
    out.append(blanks, ' ');
    out += cells[i];
    blanks = fields[i]->right ? 0 : padding;
  }
  if (terminal != 0) cut_to_width(out, start, terminal);
  out += '\n';
}

}  // namespace

void ColumnTable::add(const diag::Row& row) {
  std::vector<std::string> cells;
  cells.reserve(fields_.size());
  for (const Field* field : fields_) cells.push_back(cell_text(*field, row));
  rows_.push_back(std::move(cells));
}

void ColumnTable::render(std::string& out, bool header, size_t width) {
  std::vector<std::string> titles;
  for (const Field* field : fields_) titles.emplace_back(field->title);
  const auto widen = [&](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], display_width(cells[i]));
  };
  if (header) widen(titles);
  for (const auto& row : rows_) widen(row);
  if (header) append_line(out, titles, widths_, fields_, width);
  for (const auto& row : rows_) append_line(out, row, widths_, fields_, width);
  rows_.clear();
}

std::vector<std::pair<GroupTable::Group, uint64_t>> GroupTable::sorted() const {
  std::vector<std::pair<Group, uint64_t>> groups(counts_.begin(), counts_.end());
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return groups;
}

void GroupTable::render(std::string& out, bool header) const {
  const std::vector<std::pair<Group, uint64_t>> groups = sorted();
  size_t width = header ? std::string_view("Sockets").size() : 1;
  for (const auto& group : groups) width = std::max(width, std::to_string(group.second).size());
  const auto line = [&](std::string_view count, std::string_view value) {
    out.append(width - count.size(), ' ');
    out += count;
    out += ' ';
    out += value;
    out += '\n';
  };
  if (header) line("Sockets", field_.title);
  for (const auto& [group, count] : groups)
    line(std::to_string(count),
         group.second.empty() ? column_text(group.first) : '?' + std::string(group.second));
}

void GroupTable::render_json(std::string& out) const {
  for (const auto& [group, count] : sorted()) {
    const auto& [value, absent] = group;
    out += '{';
    if (!std::holds_alternative<std::monostate>(value)) {
      append_json_string(out, field_.key);
      out += ':';
      if (const auto* text = std::get_if<std::string>(&value))
        append_json_string(out, *text);
      else
        append_number(out, std::get<uint64_t>(value));
      out += ',';
    }
    if (!absent.empty()) {
      out += "\"owner.absent\":";
      append_json_string(out, absent);
      out += ',';
    }
    out += "\"sockets\":";
    append_number(out, count);
    out += "}\n";
  }
}

void SortedRows::add(diag::Row&& row) {
  Kept kept{.bytes = row.attributes.message(), .row = std::move(row), .values = {}};
  for (const Key& key : keys_) {
    const auto value = key.field->order ? key.field->order : key.field->get;
    kept.values.push_back(value(kept.row));
  }
  rows_.push_back(std::move(kept));
  rows_.back().row.attributes.rebase(rows_.back().bytes);
}

void SortedRows::for_each(const std::function<bool(const diag::Row&)>& visit) {
  std::vector<const Kept*> order;
  for (const Kept& kept : rows_) order.push_back(&kept);
  std::stable_sort(order.begin(), order.end(), [&](const Kept* a, const Kept* b) {
    for (size_t i = 0; i < keys_.size(); ++i) {
      if (less(a->values[i], b->values[i])) return !keys_[i].descending;
      if (less(b->values[i], a->values[i])) return keys_[i].descending;
    }
    return false;
  });
  for (const Kept* kept : order)
    if (!visit(kept->row)) return;
}

}  // namespace socktrace::ss
