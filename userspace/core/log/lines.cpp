#include "core/log/lines.h"

namespace socktrace {
namespace {

constexpr size_t kLongestLine = 16 << 20;  // a longer one is not ours and must not eat the memory

}  // namespace

void LineSplitter::feed(std::string_view bytes, const Sink& sink) {
  while (!bytes.empty()) {
    const size_t newline = bytes.find('\n');
    const bool ended = newline != std::string_view::npos;
    const std::string_view piece = bytes.substr(0, newline);
    bytes.remove_prefix(ended ? newline + 1 : bytes.size());
    if (partial_.empty() && ended && !too_long_) {
      sink({piece, ++lines_, offset_, false});
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
    sink({too_long_ ? std::string_view() : std::string_view(partial_), ++lines_, offset_, too_long_});
    offset_ += partial_.size() + 1;
    partial_.clear();
    too_long_ = false;
  }
}

void LineSplitter::continue_at(uint64_t line, uint64_t offset) {
  lines_ = line - 1;
  offset_ = offset;
}

uint64_t LineSplitter::end_file() {
  const uint64_t torn = partial_.size();
  *this = {};
  return torn;
}

}  // namespace socktrace
