#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"

namespace socktrace::ss {

// A table of chosen fields, each column as wide as its widest cell; no line ends in blanks. Keeps all rows.
class ColumnTable {
 public:
  explicit ColumnTable(std::vector<const Field*> fields)
      : fields_(std::move(fields)), widths_(fields_.size(), 1) {}

  void add(const diag::Row& row);
  // The rows since the last time, in columns that only get wider. `width`: of the terminal, at which lines are cut (as ps
  // does); 0: they are whole.
  void render(std::string& out, bool header, size_t width = 0);

 private:
  std::vector<const Field*> fields_;
  std::vector<size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

// How many sockets have each value of a field.
class GroupTable {
 public:
  explicit GroupTable(const Field& field) : field_(field) {}

  void add(const diag::Row& row) { ++counts_[{field_.get(row), absent_owner(field_, row)}]; }
  // The most frequent first.
  void render(std::string& out, bool header) const;
  void render_json(std::string& out) const;

 private:
  // The value, and why there is none where a process would have it.
  using Group = std::pair<FieldValue, std::string_view>;
  [[nodiscard]] std::vector<std::pair<Group, uint64_t>> sorted() const;

  const Field& field_;
  std::map<Group, uint64_t> counts_;
};

// Rows kept until all are there, with the bytes that their attributes point to, then handed out in order.
class SortedRows {
 public:
  struct Key {
    const Field* field = nullptr;
    bool descending = false;
  };

  explicit SortedRows(std::vector<Key> keys) : keys_(std::move(keys)) {}

  void add(diag::Row&& row);
  // Equal rows keep the order in which they came. False from `visit` ends it.
  void for_each(const std::function<bool(const diag::Row&)>& visit);

 private:
  struct Kept {
    std::vector<std::byte> bytes;
    diag::Row row;
    std::vector<FieldValue> values;
  };
  std::vector<Key> keys_;
  std::vector<Kept> rows_;
};

}  // namespace socktrace::ss
