#include "core/log/survey.h"

#include <charconv>
#include <utility>

#include "core/log/front.h"
#include "core/time.h"

namespace socktrace {
namespace {

// Records come in the order of their numbers, and their times a little out of order: an event is taken from the
// kernel some milliseconds after it happened.
constexpr uint64_t kDisorder_ns = 5'000'000'000;

constexpr std::string_view kKind = R"({"k":")";

// 'k' of {"k":"key"…}; no line of ours is shorter.
char kind_of(std::string_view line) {
  return line.size() > kKind.size() && line.starts_with(kKind) ? line[kKind.size()] : '\0';
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

}  // namespace

LogSurvey::LogSurvey(std::optional<uint64_t> at_ns)
    : at_(at_ns ? format_rfc3339(*at_ns) : ""),
      end_after_(at_ns ? format_rfc3339(*at_ns + kDisorder_ns) : "") {}

void LogSurvey::feed(std::string_view bytes) {
  lines_.feed(bytes, [this](const LogLine& line) { take(line); });
}

void LogSurvey::take(const LogLine& line) {
  switch (kind_of(line.text)) {
    case 's':
      ++rows_;
      return;
    case 'e':
      return;
    case 'h':
    case 'k':
    case 'c':
      break;
    default:
      return;
  }
  const std::optional<LineFront> front = line_front(line.text);
  if (!front) return;
  if (front->kind == "key") {
    take_keyframe(line, front->ts);
  } else if (front->kind == "header" || front->kind == "clock") {
    if (front->kind == "header") leads_.clear();  // it sets the clock anew
    leads_ += line.text;
    leads_ += '\n';
    end_ = UINT64_MAX;  // after a step of the clock the moment may come again
  }
}

void LogSurvey::take_keyframe(const LogLine& line, std::string_view ts) {
  if (!at_.empty() && ts > at_) {
    began_.reset();
    if (ts > end_after_ && end_ == UINT64_MAX) end_ = line.offset;
    return;
  }
  if (line.text.find(R"("part":"begin")") != std::string_view::npos) {
    began_ = Place{line.number, line.offset};
    began_leads_ = leads_;
    rows_ = 0;
  } else if (began_ && announced_rows(line.text) == rows_) {
    start_ = *std::exchange(began_, std::nullopt);
    start_leads_ = began_leads_;
    has_keyframe_ = true;
  }
}

}  // namespace socktrace
