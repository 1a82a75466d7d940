#include "core/log/survey.h"

#include <charconv>
#include <utility>

#include "core/time.h"

namespace socktrace {
namespace {

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

// Of a header; the first field of that name.
std::string_view session_of(std::string_view line) {
  constexpr std::string_view kField = R"("session":")";
  const size_t at = line.find(kField);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + kField.size());
  return line.substr(0, line.find('"'));
}

}  // namespace

LogSurvey::LogSurvey(std::optional<uint64_t> at_ns) : at_(at_ns ? format_rfc3339(*at_ns) : "") {}

void LogSurvey::feed(std::string_view bytes) {
  lines_.feed(bytes, [this](const LogLine& line) { take(line); });
}

void LogSurvey::take(const LogLine& line) {
  const std::optional<LineFront> front = line_front(line.text);
  if (!front) return;  // damaged, or of another writer
  if (front->kind == "key") {
    take_keyframe(line);
  } else if (front->kind == "sock") {
    ++rows_;
  } else if (front->kind == "header" || front->kind == "clock") {
    if (front->kind == "header") leads_.clear();  // it sets the clock anew
    leads_ += line.text;
    leads_ += '\n';
  }
  if (!at_.empty() && front->ts > at_) return take_later(line, *front);
  later_ = false;
  if (front->kind == "header") session_ = session_of(line.text);
  end_ = line.offset + line.text.size() + 1;
  if (!whole_) return;
  start_ = whole_->place;
  start_leads_ = std::move(whole_->leads);
  whole_.reset();
}

void LogSurvey::take_later(const LogLine& line, const LineFront& front) {
  if (std::exchange(later_, true)) return;
  const bool is_next_run = front.kind == "header" && session_of(line.text) != session_;
  const Result<uint64_t> time = parse_rfc3339(front.ts);
  next_run_ns_ = is_next_run && time ? *time : 0;
}

void LogSurvey::take_keyframe(const LogLine& line) {
  if (line.text.find(R"("part":"begin")") != std::string_view::npos) {
    began_ = Keyframe{{line.number, line.offset}, leads_};
    rows_ = 0;
  } else if (began_ && announced_rows(line.text) == rows_) {
    whole_ = std::exchange(began_, std::nullopt);
  }
}

}  // namespace socktrace
