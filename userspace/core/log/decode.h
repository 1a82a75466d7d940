#pragma once

#include <memory>
#include <string_view>

#include "core/log/record.h"
#include "core/result.h"
#include "core/time.h"

namespace socktrace {

class LineReader;

// Reads the lines that LogEncoder writes. Strict about the types of fields it knows, whatever their order;
// blind to fields it does not know; a record or event of an unknown kind is LogUnknown.
//
// A header sets the clock and the zero of t_ns for the lines after it. Without any (lines picked from a log)
// the wall time in `ts` serves as the time, and clock() is the identity.
class LogDecoder {
 public:
  LogDecoder();
  ~LogDecoder();
  LogDecoder(LogDecoder&&) noexcept;
  LogDecoder& operator=(LogDecoder&&) noexcept;

  // One line, with or without its newline. ErrorKind::damaged with the reason when it is not a JSON object or
  // a known field has the wrong type or range.
  Result<LogRecord> decode(std::string_view line);

  // From CLOCK_BOOTTIME to wall time, as of the last header or clock record.
  [[nodiscard]] const WallClock& clock() const;

 private:
  std::unique_ptr<LineReader> reader_;
};

}  // namespace socktrace
