#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/log/reader.h"
#include "core/log/record.h"
#include "core/log/survey.h"
#include "core/table.h"

namespace socktrace {

// The table as it is after some records.
class LogReplay {
 public:
  LogReplay() = default;
  // As for LogReader.
  LogReplay(size_t decoders, LogReader::RunJobs run) : reader_(decoders, std::move(run)) {}

  // Goes on at a place that a survey has found in the next file: its bytes from start() to end() follow.
  void begin_at(const LogSurvey& survey);
  void feed(std::string_view bytes);
  void end_file() { reader_.end_file(); }

  [[nodiscard]] const Table& table() const { return table_; }
  [[nodiscard]] const WallClock& clock() const { return reader_.clock(); }
  // As LogReader::netns_names().
  [[nodiscard]] const NetnsNames& netns_names() const { return reader_.netns_names(); }
  [[nodiscard]] const LogHeader& header() const { return header_; }  // the last
  // A whole keyframe was found; without one the table holds only what later events tell.
  [[nodiscard]] bool is_complete() const { return is_complete_; }
  // Wall time of the last record that was used; 0: there was none.
  [[nodiscard]] uint64_t last_ns() const { return last_ns_; }
  // The recorder had stopped: the last record is a trailer.
  [[nodiscard]] bool has_ended() const { return has_ended_; }
  // The recorder began anew then (wall time), and what came before has no end: it had been killed, or the power had gone.
  // 0: not so.
  [[nodiscard]] uint64_t broke_off_before_ns() const { return has_ended_ ? 0 : next_run_ns_; }
  void set_next_run(uint64_t began_ns) { next_run_ns_ = began_ns; }
  // Records lost since the keyframe.
  [[nodiscard]] uint64_t lost() const { return lost_; }
  // Of what was read.
  [[nodiscard]] const LogReport& report() const { return reader_.report(); }

 private:
  void apply(LogRecord&& record);

  LogReader reader_;
  Table table_;
  Table keyframe_;                     // its rows so far
  std::optional<uint64_t> rows_left_;  // of a keyframe that is being read
  LogHeader header_;
  bool is_complete_ = false;
  bool has_ended_ = false;
  uint64_t last_ns_ = 0;
  uint64_t next_run_ns_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace socktrace
