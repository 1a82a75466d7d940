#include "core/log/replay.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/log/front.h"
#include "core/time.h"

namespace socktrace {
namespace {

// What may wait for a keyframe that makes it superfluous.
constexpr size_t kMostPending = 64 << 20;

bool is_keyframe_part(std::string_view line, std::string_view part) {
  constexpr size_t kFront = 160;  // the part stands behind seq, ts and t_ns
  return line.substr(0, kFront).find(part) != std::string_view::npos;
}

// The number of rows that a keyframe's line names; its last field.
std::optional<uint64_t> announced_rows(std::string_view line) {
  constexpr std::string_view kField = R"("sockets":)";
  const size_t at = line.rfind(kField);
  uint64_t rows = 0;
  if (at == std::string_view::npos) return std::nullopt;
  const char* begin = line.data() + at + kField.size();
  if (std::from_chars(begin, line.data() + line.size(), rows).ec != std::errc{}) return std::nullopt;
  return rows;
}

// Of anything that happened; nothing for headers.
std::optional<uint64_t> time_of(const LogRecord& record) {
  return std::visit(
      [](const auto& body) -> std::optional<uint64_t> {
        if constexpr (requires { body.time_ns; }) return body.time_ns;
        return std::nullopt;
      },
      record.body);
}

}  // namespace

LogReplay::LogReplay(std::optional<uint64_t> at_ns) : at_(at_ns ? format_rfc3339(*at_ns) : "") {}

void LogReplay::feed(std::string_view bytes) {
  lines_.feed(bytes, [this](const LogLine& line) { take(line); });
}

void LogReplay::end_file() {
  torn_bytes_ += lines_.end_file();
  decode_pending();
  reader_.end_file();
}

void LogReplay::finish() {
  decode_pending();
}

LogReport LogReplay::report() const {
  LogReport report = reader_.report();
  report.torn_bytes += torn_bytes_;
  return report;
}

void LogReplay::take(const LogLine& line) {
  const std::optional<LineFront> front = line_front(line.text);
  if (!front) {  // damaged, or of another writer: decoding tells
    keep(line);
    return;
  }
  if (!at_.empty() && front->ts > at_) {
    skipped_ = true;
    return;
  }
  const bool is_key = front->kind == "key";
  if (is_key && is_keyframe_part(line.text, R"("part":"begin")")) {
    began_ = pending_.size();
    rows_seen_ = 0;
  }
  if (front->kind == "sock") ++rows_seen_;
  if (front->kind == "header" || front->kind == "clock") leads_.push_back(pending_.size());
  keep(line);
  if (is_key && began_ && is_keyframe_part(line.text, R"("part":"end")")) {
    if (announced_rows(line.text) == rows_seen_) drop_before(*began_);
    began_.reset();
  }
}

void LogReplay::keep(const LogLine& line) {
  if (text_.size() > kMostPending) decode_pending();
  pending_.push_back(
      {text_.size(), line.text.size(), line.number, line.offset, !std::exchange(skipped_, false)});
  text_ += line.text;
}

bool LogReplay::is_header(size_t line) const {
  return std::string_view(text_).substr(pending_[line].begin).starts_with(R"({"k":"header")");
}

// The keyframe that begins there says all that came before, but for the clock: the last header sets it, and the
// steps after that.
void LogReplay::drop_before(size_t line) {
  std::vector<size_t> kept;
  for (const size_t lead : leads_) {
    if (lead < line && is_header(lead)) kept.clear();
    kept.push_back(lead);
  }
  const auto after = std::lower_bound(kept.begin(), kept.end(), line);
  const auto rescued = static_cast<size_t>(after - kept.begin());

  std::string text;
  std::vector<Pending> pending;
  const auto move = [&](size_t from, bool follows) {
    const Pending& one = pending_[from];
    pending.push_back({text.size(), one.size, one.number, one.offset, follows});
    text.append(text_, one.begin, one.size);
  };
  for (size_t i = 0; i < rescued; ++i) move(kept[i], false);
  for (size_t i = line; i < pending_.size(); ++i) move(i, i > line && pending_[i].follows);
  leads_.clear();
  for (size_t i = 0; i < kept.size(); ++i) leads_.push_back(i < rescued ? i : kept[i] - line + rescued);
  text_ = std::move(text);
  pending_ = std::move(pending);
}

void LogReplay::decode_pending() {
  for (const Pending& one : pending_) {
    if (!one.follows) reader_.forget_position();
    reader_.take({std::string_view(text_).substr(one.begin, one.size), one.number, one.offset, false},
                 [this](LogRecord&& record) { apply(std::move(record)); });
  }
  text_.clear();
  pending_.clear();
  leads_.clear();
  began_.reset();
}

void LogReplay::apply(LogRecord&& record) {
  if (const std::optional<uint64_t> time_ns = time_of(record)) {
    const uint64_t wall_ns = clock().realtime_ns(*time_ns);
    if (!at_.empty() && format_rfc3339(wall_ns) > at_) return;
    last_ns_ = wall_ns;
    has_ended_ = std::holds_alternative<LogTrailer>(record.body);
  }
  if (auto* header = std::get_if<LogHeader>(&record.body)) {
    header_ = std::move(*header);
    has_ended_ = false;
  } else if (auto* event = std::get_if<Event>(&record.body)) {
    table_.apply(*event);
  } else if (const auto* begin = std::get_if<KeyframeBegin>(&record.body)) {
    keyframe_ = {};
    rows_left_ = begin->sockets;
  } else if (auto* row = std::get_if<SocketRow>(&record.body)) {
    if (!rows_left_ || *rows_left_ == 0) return;
    --*rows_left_;
    Event seen;
    seen.kind = EventKind::socket_seen;
    seen.socket = std::move(row->socket);
    keyframe_.apply(seen);
  } else if (std::holds_alternative<KeyframeEnd>(record.body)) {
    if (rows_left_ == uint64_t{0}) {
      table_ = std::move(keyframe_);
      is_complete_ = true;
    }
    keyframe_ = {};
    rows_left_.reset();
  }
}

}  // namespace socktrace
