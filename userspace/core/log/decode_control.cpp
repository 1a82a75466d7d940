// Records about the log itself.
#include "core/log/decode_line.h"

namespace socktrace {

bool LineReader::key(JsonObject& object, LogRecord& out) {
  std::string_view part;
  KeyframeBegin mark;
  const bool read = fields_.each_field(object, [&](std::string_view key, JsonValue& value) {
    if (key == "part") return fields_.word(key, value, part);
    if (key == "reason") return fields_.bytes(key, value, mark.reason);
    if (key == "sockets") return fields_.number(key, value, mark.sockets);
    return common(key, value);
  });
  if (!read || !time(mark.time_ns)) return false;
  if (part == "begin")
    out.body = std::move(mark);
  else if (part == "end")
    out.body = KeyframeEnd{mark.time_ns, mark.sockets};
  else
    return fields_.refuse("part", "is neither begin nor end");
  return true;
}

bool LineReader::loss(JsonObject& object, LogRecord& out) {
  LogLoss loss;
  const bool read = fields_.each_field(object, [&](std::string_view key, JsonValue& value) {
    if (key == "where") return fields_.bytes(key, value, loss.where);
    if (key == "cpu") return fields_.number(key, value, loss.cpu);
    if (key == "count") return fields_.quantity(key, value, loss.count);
    if (key == "from_ts") return wall_time(key, value, loss.from_ns);
    if (key == "to_ts") return wall_time(key, value, loss.to_ns);
    if (key == "from_ns") return relative(key, value, loss.from_ns);
    if (key == "to_ns") return relative(key, value, loss.to_ns);
    return common(key, value);
  });
  if (!read || !time(loss.time_ns)) return false;
  out.body = std::move(loss);
  return true;
}

bool LineReader::clock_step(JsonObject& object, LogRecord& out) {
  LogClock step;
  const bool read = fields_.each_field(object, [&](std::string_view key, JsonValue& value) {
    if (key == "step_ns") return fields_.digits(key, value, step.step_ns);
    if (key == "realtime_ns") return fields_.digits(key, value, step.realtime_ns);
    if (key == "boottime_ns") return fields_.digits(key, value, step.boottime_ns);
    return common(key, value);
  });
  if (!read) return false;
  if (times_.has_t0) times_.clock.offset_ns = static_cast<int64_t>(step.realtime_ns - step.boottime_ns);
  if (!time(step.time_ns)) return false;
  out.body = step;
  return true;
}

bool LineReader::audit(JsonObject& object, LogRecord& out) {
  LogAudit audit;
  const bool read = fields_.each_field(object, [&](std::string_view key, JsonValue& value) {
    if (key == "reason") return fields_.bytes(key, value, audit.reason);
    if (key == "sockets") return fields_.quantity(key, value, audit.sockets);
    if (key == "missing") return fields_.quantity(key, value, audit.missing);
    if (key == "ghosts") return fields_.quantity(key, value, audit.ghosts);
    if (key == "wrong_state") return fields_.quantity(key, value, audit.wrong_state);
    if (key == "wrong_owner") return fields_.quantity(key, value, audit.wrong_owner);
    return common(key, value);
  });
  if (!read || !time(audit.time_ns)) return false;
  out.body = std::move(audit);
  return true;
}

bool LineReader::trailer(JsonObject& object, LogRecord& out) {
  LogTrailer trailer;
  const auto records = [&](std::string_view key, JsonValue& value) {
    if (key == "attempted") return fields_.quantity(key, value, trailer.records->attempted);
    if (key == "delivered") return fields_.quantity(key, value, trailer.records->delivered);
    if (key == "lost") return fields_.quantity(key, value, trailer.records->lost);
    return true;
  };
  const bool read = fields_.each_field(object, [&](std::string_view key, JsonValue& value) {
    if (key == "events") return fields_.quantity(key, value, trailer.events);
    if (key == "lost") return fields_.quantity(key, value, trailer.lost);
    if (key == "records") {
      trailer.records.emplace();
      return fields_.each_field(key, value, records);
    }
    return common(key, value);
  });
  if (!read || !time(trailer.time_ns)) return false;
  out.body = trailer;
  return true;
}

bool LineReader::header(JsonObject& object, LogRecord& out) {
  LogHeader header;
  const auto host = [&](std::string_view key, JsonValue& value) {
    if (key == "id") return fields_.bytes(key, value, header.host_id);
    if (key == "name") return fields_.bytes(key, value, header.host_name);
    if (key == "boot")
      return fields_.each_field(key, value, [&](std::string_view inner, JsonValue& field) {
        return inner != "id" || fields_.bytes(inner, field, header.boot_id);
      });
    return true;
  };
  const auto clock = [&](std::string_view key, JsonValue& value) {
    if (key == "realtime_ns") return fields_.digits(key, value, header.realtime_ns);
    if (key == "boottime_ns") return fields_.digits(key, value, header.boottime_ns);
    if (key == "t0_ns") return fields_.digits(key, value, header.t0_ns);
    return true;
  };
  const auto probe = [&](std::string_view key, JsonValue& value) {
    std::optional<std::string> name = unescape(key);
    if (!name) return fields_.refuse("probes", "has a backslash that is not part of \\xNN");
    header.probes.emplace_back(std::move(*name), std::string());
    return fields_.bytes("probes", value, header.probes.back().second);
  };
  const bool read = fields_.each_field(object, [&](std::string_view key, JsonValue& value) {
    if (key == "v") return fields_.number(key, value, header.version);
    if (key == "session") return fields_.bytes(key, value, header.session);
    if (key == "segment") return fields_.number(key, value, header.segment);
    if (key == "prev") return fields_.bytes(key, value, header.previous);
    if (key == "next_seq") return fields_.number(key, value, header.next_seq);
    if (key == "host") return fields_.each_field(key, value, host);
    if (key == "clock") return fields_.each_field(key, value, clock);
    if (key == "filter") return fields_.bytes(key, value, header.filter);
    if (key == "probes") return fields_.each_field(key, value, probe);
    if (key == "os")
      return fields_.each_field(key, value, [&](std::string_view inner, JsonValue& field) {
        return inner != "kernel" || fields_.bytes(inner, field, header.kernel);
      });
    if (key == "tool")
      return fields_.each_field(key, value, [&](std::string_view inner, JsonValue& field) {
        return inner != "version" || fields_.bytes(inner, field, header.tool_version);
      });
    return common(key, value);
  });
  if (!read) return false;
  if (header.version > kLogVersion) {  // what stands in it and after it is not ours to read
    LogHeader unread;
    unread.version = header.version;
    out.body = std::move(unread);
    return true;
  }
  if (header.version != kLogVersion) return fields_.refuse("v", "is not a version of the log");
  times_.has_t0 = true;
  times_.t0_ns = header.t0_ns;
  times_.clock.offset_ns = static_cast<int64_t>(header.realtime_ns - header.boottime_ns);
  out.body = std::move(header);
  return true;
}

}  // namespace socktrace
