#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/log/decode_socket.h"
#include "core/log/fields.h"
#include "core/log/record.h"
#include "core/result.h"

namespace socktrace {

// Reads one line at a time; LogDecoder without the need to include simdjson.
class LineReader {
 public:
  Result<LogRecord> decode(std::string_view line);
  [[nodiscard]] const WallClock& clock() const { return times_.clock; }

 private:
  bool record(std::string_view kind, JsonObject& object, LogRecord& out);
  bool event(JsonObject& object, LogRecord& out);
  bool row(JsonObject& object, LogRecord& out);
  bool key(JsonObject& object, LogRecord& out);
  bool loss(JsonObject& object, LogRecord& out);
  bool clock_step(JsonObject& object, LogRecord& out);
  bool audit(JsonObject& object, LogRecord& out);
  bool trailer(JsonObject& object, LogRecord& out);
  bool header(JsonObject& object, LogRecord& out);
  bool common(std::string_view key, JsonValue& value);
  bool relative(std::string_view key, JsonValue& value, uint64_t& out);
  bool wall_time(std::string_view key, JsonValue& value, uint64_t& out);
  bool error(JsonValue& value, Event& event);
  bool stats(JsonValue& value, Event& event);
  bool failures(JsonValue& value, FailureCount& failures);
  bool time(uint64_t& time_ns);

  simdjson::ondemand::parser parser_;
  std::string buffer_;  // the line and the padding that simdjson may read past it
  FieldReader fields_;
  SocketReader sockets_{fields_};
  LineTimes times_;

  // Of the line being read.
  uint64_t seq_ = 0;
  std::string_view ts_;
  std::optional<int64_t> t_ns_;
};

}  // namespace socktrace
