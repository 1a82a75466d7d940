#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/log/lines.h"

namespace socktrace {

// Where to begin reading a log for the table at one moment, found without decoding: the last whole keyframe that is
// not later, and what has to be known before it.
class LogSurvey {
 public:
  // Wall time; nothing: the end of the log.
  explicit LogSurvey(std::optional<uint64_t> at_ns);

  // The bytes of one file.
  void feed(std::string_view bytes);

  struct Place {
    uint64_t line = 1;    // number of the first line to read
    uint64_t offset = 0;  // bytes before it
  };
  // The keyframe's first line; the beginning of the file when there is none.
  [[nodiscard]] Place start() const { return start_; }
  // Headers and clock records before start(), as lines.
  [[nodiscard]] const std::string& leads() const { return start_leads_; }
  // Nothing of the moment stands behind these bytes.
  [[nodiscard]] uint64_t end() const { return end_; }
  [[nodiscard]] bool has_keyframe() const { return has_keyframe_; }

 private:
  void take(const LogLine& line);
  void take_keyframe(const LogLine& line, std::string_view ts);

  std::string at_;  // as in the lines; empty: the end
  std::string end_after_;
  LineSplitter lines_;
  std::string leads_;
  Place start_;
  std::string start_leads_;
  uint64_t end_ = UINT64_MAX;
  bool has_keyframe_ = false;
  // The keyframe that has begun:
  std::optional<Place> began_;
  std::string began_leads_;
  uint64_t rows_ = 0;
};

}  // namespace socktrace
