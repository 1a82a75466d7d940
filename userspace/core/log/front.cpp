#include "core/log/front.h"

#include <charconv>

namespace socktrace {
namespace {

bool take(std::string_view& text, std::string_view front) {
  if (!text.starts_with(front)) return false;
  text.remove_prefix(front.size());
  return true;
}

bool take_number(std::string_view& text, uint64_t& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{}) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

// "2026-09-20T03:12:07.123456Z"
bool is_timestamp(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd.ddddddZ";
  for (size_t i = 0; i < kShape.size(); ++i) {
    const bool right = kShape[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == kShape[i];
    if (!right) return false;
  }
  return true;
}

}  // namespace

std::optional<LineFront> line_front(std::string_view line) {
  constexpr size_t kTimestamp = 27;
  LineFront front;
  std::string_view rest = line;
  if (!take(rest, R"({"k":")")) return std::nullopt;
  const size_t quote = rest.find('"');
  if (quote == std::string_view::npos) return std::nullopt;
  front.kind = rest.substr(0, quote);
  rest.remove_prefix(quote);
  uint64_t version = 0;
  if (front.kind == "header") {
    if (!take(rest, R"(","v":)") || !take_number(rest, version)) return std::nullopt;
  } else if (!take(rest, R"(","seq":)") || !take_number(rest, front.seq)) {
    return std::nullopt;
  }
  if (!take(rest, R"(,"ts":")") || rest.size() <= kTimestamp || rest[kTimestamp] != '"') return std::nullopt;
  front.ts = rest.substr(0, kTimestamp);
  if (!is_timestamp(front.ts)) return std::nullopt;
  return front;
}

}  // namespace socktrace
