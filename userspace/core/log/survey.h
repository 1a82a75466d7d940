#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/log/front.h"
#include "core/log/lines.h"

namespace socktrace {

// Which part of a log tells the table at one moment, found without decoding. It ends with the last record that is not
// later; where the clock was set back, so that a time came twice, that is its second time. It begins with the last
// whole keyframe before that.
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
  // Bytes up to the end of the last record that is not later; all of the file when nothing later follows: a damaged or
  // torn end may have been of that time.
  [[nodiscard]] uint64_t end() const { return later_ ? end_ : UINT64_MAX; }
  // Wall time of what follows end(), if that is the header of another run of the recorder; 0: it is not.
  [[nodiscard]] uint64_t next_run_ns() const { return later_ ? next_run_ns_ : 0; }

 private:
  struct Keyframe {
    Place place;
    std::string leads;
  };

  void take(const LogLine& line);
  void take_keyframe(const LogLine& line);
  void take_later(const LogLine& line, const LineFront& front);

  std::string at_;  // as in the lines; empty: the end
  LineSplitter lines_;
  std::string leads_;
  Place start_;
  std::string start_leads_;
  uint64_t end_ = 0;
  bool later_ = false;   // the last record is
  std::string session_;  // of the last header that is not later
  uint64_t next_run_ns_ = 0;
  std::optional<Keyframe> began_;
  uint64_t rows_ = 0;              // of it
  std::optional<Keyframe> whole_;  // the last one, when no record that is not later has followed yet
};

}  // namespace socktrace
