#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/log/lines.h"
#include "core/log/reader.h"
#include "core/log/record.h"
#include "core/table.h"

namespace socktrace {

// The table as it was at one moment, from the bytes of the files that lead to it.
//
// The moment is that of the last record that is not later; where the clock was set back, so that a time came
// twice, its last occurrence. Only what stands behind the last complete keyframe before the moment is decoded.
class LogReplay {
 public:
  // Wall time; nothing: the end of the log.
  explicit LogReplay(std::optional<uint64_t> at_ns);

  void feed(std::string_view bytes);
  void end_file();
  // No more files. Only then is there a table.
  void finish();

  [[nodiscard]] const Table& table() const { return table_; }
  [[nodiscard]] const WallClock& clock() const { return reader_.clock(); }
  [[nodiscard]] const LogHeader& header() const { return header_; }  // the last before the moment
  // A complete keyframe was found; without one the table holds only what later events tell.
  [[nodiscard]] bool is_complete() const { return is_complete_; }
  // Wall time of the last record that was used; 0: there was none.
  [[nodiscard]] uint64_t last_ns() const { return last_ns_; }
  // The recorder had stopped before the moment: the last record is a trailer.
  [[nodiscard]] bool has_ended() const { return has_ended_; }
  // Records lost between the keyframe and the moment.
  [[nodiscard]] uint64_t lost() const { return reader_.report().lost_records; }
  // Of what was decoded.
  [[nodiscard]] LogReport report() const;

 private:
  struct Pending {
    size_t begin;
    size_t size;
    uint64_t number;
    uint64_t offset;
    bool follows;  // on the line before it
  };

  void take(const LogLine& line);
  void keep(const LogLine& line);
  void drop_before(size_t line);
  [[nodiscard]] bool is_header(size_t line) const;
  void decode_pending();
  void apply(LogRecord&& record);

  std::string at_;  // as in the lines; empty: the end
  LineSplitter lines_;
  LogReader reader_;
  std::string text_;  // lines that are not decoded yet
  std::vector<Pending> pending_;
  std::vector<size_t> leads_;    // those of them that later lines depend on: headers and clock steps
  std::optional<size_t> began_;  // the keyframe that has begun
  uint64_t rows_seen_ = 0;       // of it
  Table table_;
  Table keyframe_;                     // its rows so far
  std::optional<uint64_t> rows_left_;  // of a keyframe that is being read
  LogHeader header_;
  bool is_complete_ = false;
  bool has_ended_ = false;
  bool skipped_ = false;  // the line before this one
  uint64_t torn_bytes_ = 0;
  uint64_t last_ns_ = 0;
};

}  // namespace socktrace
