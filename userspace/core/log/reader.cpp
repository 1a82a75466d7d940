#include "core/log/reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/log/front.h"
#include "core/time.h"

namespace socktrace {

void LogReader::feed(std::string_view bytes, const Sink& sink) {
  lines_.feed(bytes, [&](const LogLine& line) { take(line, sink); });
}

void LogReader::end_file() {
  report_.torn_bytes += lines_.end_file();
  new_file_ = true;
}

void LogReader::set_window(uint64_t from_ns, uint64_t until_ns) {
  from_ = from_ns == 0 ? "" : format_rfc3339(from_ns);
  until_ = until_ns == 0 ? "" : format_rfc3339(until_ns);
}

void LogReader::forget_position() {
  expected_seq_ = 0;
  damaged_since_ = 0;
}

void LogReader::take(const LogLine& line, const Sink& sink) {
  if (std::exchange(new_file_, false)) {
    report_.damage.clear();
    report_.damaged_line = report_.damaged_offset = 0;
  }
  line_ = line.text;
  if (line.too_long) {
    damaged(line, "the line is longer than 16 MiB");
    return;
  }
  if (line.text.empty()) return;
  if (is_outside(line.text)) return;
  Result<LogRecord> record = decoder_.decode(line.text);
  if (!record) {
    damaged(line, record.error().message);
    return;
  }
  if (const auto* header = std::get_if<LogHeader>(&record->body)) {
    check_header(*header);
  } else {
    check_seq(record->seq);
    if (const auto* loss = std::get_if<LogLoss>(&record->body)) {
      report_.lost_records += loss->count;
      if (loss->where == "disk" && expected_seq_ == record->seq + 1)
        expected_seq_ = record->seq + loss->count;
    }
  }
  damaged_since_ = 0;
  ++report_.records;
  sink(std::move(*record));
}

// Passes over what the window leaves out, without decoding it. Records that others depend on always come.
bool LogReader::is_outside(std::string_view text) {
  if (from_.empty() && until_.empty()) return false;
  const std::optional<LineFront> front = line_front(text);
  if (!front || front->kind == "header" || front->kind == "clock" || front->kind == "loss") return false;
  const bool inside = (from_.empty() || front->ts >= from_) && (until_.empty() || front->ts <= until_);
  if (inside) return false;
  check_seq(front->seq);
  damaged_since_ = 0;
  return true;
}

void LogReader::damaged(const LogLine& line, const std::string& reason) {
  ++report_.damaged_lines;
  if (report_.damage.empty()) {
    report_.damaged_offset = line.offset;
    report_.damaged_line = line.number;
    report_.damage = reason;
  }
  ++damaged_since_;
}

void LogReader::gap(uint64_t count) {
  report_.missing_records += count - std::min(count, damaged_since_);
}

void LogReader::check_header(const LogHeader& header) {
  report_.hosts += report_.hosts == 0 || header.host_id != host_;
  report_.boots += report_.boots == 0 || header.boot_id != boot_;
  if (report_.sessions == 0 || header.session != session_)
    ++report_.sessions;
  else if (header.next_seq > expected_seq_ && expected_seq_ != 0)
    gap(header.next_seq - expected_seq_);
  else if (header.next_seq < expected_seq_)
    ++report_.repeated_records;
  expected_seq_ = header.next_seq;
  host_ = header.host_id;
  boot_ = header.boot_id;
  session_ = header.session;
}

void LogReader::check_seq(uint64_t seq) {
  if (seq == 0) return;
  if (expected_seq_ != 0 && seq > expected_seq_) gap(seq - expected_seq_);
  if (seq < expected_seq_) {
    ++report_.repeated_records;
    return;
  }
  expected_seq_ = seq + 1;
}

}  // namespace socktrace
