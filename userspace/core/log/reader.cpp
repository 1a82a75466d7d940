#include "core/log/reader.h"

#include <algorithm>

namespace socktrace {
namespace {

constexpr size_t kLongestLine = 16 << 20;  // a longer one is not ours and must not eat the memory

}  // namespace

void LogReader::feed(std::string_view bytes, const Sink& sink) {
  while (!bytes.empty()) {
    const size_t newline = bytes.find('\n');
    const bool ended = newline != std::string_view::npos;
    const std::string_view piece = bytes.substr(0, newline);
    bytes.remove_prefix(ended ? newline + 1 : bytes.size());
    if (partial_.empty() && ended && !too_long_) {
      line(piece, sink);
      offset_ += piece.size() + 1;
      continue;
    }
    partial_ += piece;
    if (partial_.size() > kLongestLine) {
      too_long_ = true;
      offset_ += partial_.size();
      partial_.clear();
    }
    if (!ended) return;
    if (too_long_) {
      ++lines_;
      damaged("the line is longer than 16 MiB");
    } else {
      line(partial_, sink);
    }
    offset_ += partial_.size() + 1;
    partial_.clear();
    too_long_ = false;
  }
}

void LogReader::end_file() {
  report_.torn_bytes += partial_.size();
  partial_.clear();
  too_long_ = false;
}

void LogReader::line(std::string_view text, const Sink& sink) {
  ++lines_;
  if (text.empty()) return;
  Result<LogRecord> record = decoder_.decode(text);
  if (!record) {
    damaged(record.error().message);
    return;
  }
  if (const auto* header = std::get_if<LogHeader>(&record->body))
    check_header(*header);
  else
    check_seq(*record);
  damaged_since_ = 0;
  ++report_.records;
  sink(std::move(*record));
}

void LogReader::damaged(const std::string& reason) {
  if (report_.damaged_lines++ == 0) {
    report_.damaged_offset = offset_;
    report_.damaged_line = lines_;
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

void LogReader::check_seq(const LogRecord& record) {
  if (record.seq == 0) return;
  if (expected_seq_ != 0 && record.seq > expected_seq_) gap(record.seq - expected_seq_);
  if (record.seq < expected_seq_) {
    ++report_.repeated_records;
    return;
  }
  expected_seq_ = record.seq + 1;
  if (const auto* loss = std::get_if<LogLoss>(&record.body)) {
    report_.lost_records += loss->count;
    if (loss->where == "disk") expected_seq_ = record.seq + loss->count;
  }
}

}  // namespace socktrace
