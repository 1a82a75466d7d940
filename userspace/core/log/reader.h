#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/log/decode.h"
#include "core/log/lines.h"
#include "core/log/record.h"
#include "core/netns_names.h"

namespace socktrace {

// What was wrong with a log; all 0 when it is complete.
struct LogReport {
  uint64_t records = 0;        // delivered, unknown kinds included
  uint64_t damaged_lines = 0;  // not readable, skipped
  // The first of them in the last file that was read:
  uint64_t damaged_offset = 0;  // bytes before it
  uint64_t damaged_line = 0;    // its number, from 1
  std::string damage;           // what is wrong with it; empty: that file has none
  uint64_t torn_bytes = 0;  // a last line without newline, skipped: the writer was killed or is still writing
  uint64_t newer_lines = 0;  // of files that a later version of socktrace has written, from their header on
  int newer_version = 0;
  uint64_t lost_records = 0;      // told by loss records
  uint64_t missing_records = 0;   // gaps in seq that no loss record explains
  uint64_t repeated_records = 0;  // seq did not grow: files in the wrong order or given twice
  uint32_t hosts = 0;  // how often a header named another host than the one before it, counting the first
  uint32_t boots = 0;  // likewise for boots: cookies and times start anew
  uint32_t sessions = 0;

  [[nodiscard]] bool is_damaged() const {
    return damaged_lines > 0 || newer_lines > 0 || torn_bytes > 0 || missing_records > 0 ||
           repeated_records > 0;
  }
};

// Takes the bytes of one or more log files in pieces of any size and delivers their records in order. Damage
// never ends the reading: it is skipped to the next line and reported.
class LogReader {
 public:
  using Sink = std::function<void(LogRecord&&)>;
  // Calls job(0) … job(count - 1), at the same time or one after the other, and returns when all are done.
  using RunJobs = std::function<void(size_t count, const std::function<void(size_t)>& job)>;

  LogReader() : decoders_(1) {}
  // Decodes with `decoders` jobs at a time, given to `run`; records are delivered in order all the same.
  LogReader(size_t decoders, RunJobs run) : decoders_(decoders), run_(std::move(run)) {}

  // Only records of these wall times are delivered, both ends included; 0: open. Headers, clock steps and
  // losses come regardless.
  void set_window(uint64_t from_ns, uint64_t until_ns);

  void feed(std::string_view bytes, const Sink& sink);
  // The same with a line that was split off already.
  void take(const LogLine& line, const Sink& sink);
  // The end of one file; more may follow.
  void end_file();
  // What comes next need not follow on what came before.
  void forget_position();
  // The same, and it is this line of its file (numbers from 1), this many bytes in.
  void continue_at(uint64_t line, uint64_t offset);

  [[nodiscard]] const LogReport& report() const { return report_; }
  // As LogDecoder::clock(), at the last record delivered.
  [[nodiscard]] const WallClock& clock() const { return clock_; }
  // What the log calls the network namespaces, up to the last record delivered; the recorder's own has no name.
  [[nodiscard]] const NetnsNames& netns_names() const { return netns_names_; }
  // The line of the record that is being delivered; only during the call of the sink.
  [[nodiscard]] std::string_view line() const { return line_; }

 private:
  struct Decoded {
    LogLine line;
    bool needed = false;
    Result<LogRecord> record{Error{}};  // when it is needed
  };

  [[nodiscard]] bool is_needed(std::string_view text) const;
  Result<LogRecord> decode_lead(std::string_view text);
  void deliver_batch(const Sink& sink);
  void deliver(Decoded&& one, const Sink& sink);
  void note_netns(const LogRecord& record);
  void pass_over(std::string_view text);
  void damaged(const LogLine& line, const std::string& reason);
  void check_header(const LogHeader& header);
  void check_seq(uint64_t seq);
  void gap(uint64_t count);

  std::vector<LogDecoder> decoders_;  // each has seen every header and clock record
  RunJobs run_;
  std::vector<Decoded> batch_;
  WallClock clock_;
  LogReport report_;
  LineSplitter lines_;
  std::string_view line_;
  bool new_file_ = true;
  bool newer_ = false;  // the last header was of a later version
  std::string from_;    // of the window, as in the lines; empty: open
  std::string until_;
  uint64_t expected_seq_ = 0;   // 0: any
  uint64_t damaged_since_ = 0;  // damaged lines after the last good one: they explain a gap
  NetnsNames netns_names_;
  std::string session_;
  std::string boot_;
  std::string host_;
};

}  // namespace socktrace
