#include "core/log/reader.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <span>
#include <utility>

#include "core/log/front.h"
#include "core/time.h"

namespace socktrace {
namespace {

// What the meaning of later lines depends on, or may: a header, a clock record, a line of another order.
bool is_lead(std::string_view text) {
  constexpr std::string_view kFront = R"({"k":")";
  constexpr size_t kShortest = kFront.size() + 2;
  if (text.size() < kShortest || !text.starts_with(kFront)) return true;
  switch (text[kFront.size()]) {
    case 'a':  // audit
    case 'e':  // event
    case 's':  // sock
    case 'k':  // key
    case 'l':  // loss
    case 't':  // trailer
      return false;
    case 'c':
      return text[kFront.size() + 1] != 'o';  // conn
    default:
      return true;
  }
}

}  // namespace

void LogReader::continue_at(uint64_t line, uint64_t offset) {
  forget_position();
  lines_.continue_at(line, offset);
}

void LogReader::feed(std::string_view bytes, const Sink& sink) {
  lines_.feed(bytes, [&](const LogLine& line) {
    const bool stays = line.text.data() >= bytes.data() && line.text.data() < bytes.data() + bytes.size();
    if (decoders_.size() == 1 || !stays || is_lead(line.text)) {
      deliver_batch(sink);
      take(line, sink);
    } else {
      batch_.push_back({line, is_needed(line.text)});
    }
  });
  deliver_batch(sink);
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
  Decoded one{line, is_needed(line.text)};
  if (one.needed) one.record = is_lead(line.text) ? decode_lead(line.text) : decoders_[0].decode(line.text);
  deliver(std::move(one), sink);
}

// Not empty, and within the window; records that others depend on always are.
bool LogReader::is_needed(std::string_view text) const {
  if (text.empty()) return false;
  if (from_.empty() && until_.empty()) return true;
  const std::optional<LineFront> front = line_front(text);
  if (!front || front->kind == "header" || front->kind == "clock" || front->kind == "loss") return true;
  return (from_.empty() || front->ts >= from_) && (until_.empty() || front->ts <= until_);
}

Result<LogRecord> LogReader::decode_lead(std::string_view text) {
  Result<LogRecord> record = decoders_[0].decode(text);
  for (size_t i = 1; i < decoders_.size(); ++i) (void)decoders_[i].decode(text);
  return record;
}

// What is decoded is delivered while the rest is decoded: by all others, and by ourselves whenever the next is not ready.
void LogReader::deliver_batch(const Sink& sink) {
  constexpr size_t kChunk = 32;
  const size_t chunks = (batch_.size() + kChunk - 1) / kChunk;
  std::atomic<size_t> taken = 0;
  std::vector<std::atomic<bool>> ready(chunks);
  const auto chunk = [&](size_t number) {
    const std::span all(batch_);
    return all.subspan(number * kChunk, std::min(kChunk, all.size() - number * kChunk));
  };
  const auto decode_next = [&](LogDecoder& decoder) {
    const size_t number = taken.fetch_add(1);
    if (number >= chunks) return false;
    for (Decoded& one : chunk(number))
      if (one.needed) one.record = decoder.decode(one.line.text);
    ready[number].store(true, std::memory_order_release);
    ready[number].notify_one();
    return true;
  };
  const auto deliver_all = [&] {
    for (size_t number = 0; number < chunks; ++number) {
      while (!ready[number].load(std::memory_order_acquire))
        if (!decode_next(decoders_[0])) ready[number].wait(false, std::memory_order_acquire);
      for (Decoded& one : chunk(number)) deliver(std::move(one), sink);
    }
  };
  if (chunks < 2)
    deliver_all();
  else
    run_(decoders_.size(), [&](size_t job) {
      if (job == 0) return deliver_all();
      while (decode_next(decoders_[job])) {
      }
    });
  batch_.clear();
}

// In the order of the lines.
void LogReader::deliver(Decoded&& one, const Sink& sink) {
  if (std::exchange(new_file_, false)) {
    report_.damage.clear();
    report_.damaged_line = report_.damaged_offset = 0;
  }
  if (one.line.too_long) return damaged(one.line, "the line is longer than 16 MiB");
  if (!one.needed) return pass_over(one.line.text);
  Result<LogRecord>& record = one.record;
  if (newer_ && !record) {
    ++report_.newer_lines;
    return;
  }
  if (!record) return damaged(one.line, record.error().message);
  line_ = one.line.text;
  clock_ = decoders_[0].clock();
  note_netns(*record);
  if (const auto* header = std::get_if<LogHeader>(&record->body)) {
    newer_ = header->version > kLogVersion;
    if (newer_) {
      report_.newer_version = header->version;
      ++report_.newer_lines;
      return;
    }
    check_header(*header);
  } else if (newer_) {
    ++report_.newer_lines;
    return;
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

void LogReader::note_netns(const LogRecord& record) {
  if (record.netns_name.empty()) return;
  if (const auto* event = std::get_if<Event>(&record.body))
    netns_names_.set(event->socket.netns, record.netns_name);
  else if (const auto* row = std::get_if<SocketRow>(&record.body))
    netns_names_.set(row->socket.netns, record.netns_name);
}

void LogReader::pass_over(std::string_view text) {
  const std::optional<LineFront> front = line_front(text);
  if (!front) return;  // an empty line
  check_seq(front->seq);
  damaged_since_ = 0;
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
  if (report_.sessions == 0 || header.session != session_) {
    ++report_.sessions;
    netns_names_ = NetnsNames();
  } else if (header.next_seq > expected_seq_ && expected_seq_ != 0) {
    gap(header.next_seq - expected_seq_);
  } else if (header.next_seq < expected_seq_) {
    ++report_.repeated_records;
  }
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
