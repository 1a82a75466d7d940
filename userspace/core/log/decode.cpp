#include "core/log/decode.h"

#include <cstring>

#include "core/errno_name.h"
#include "core/log/decode_line.h"

namespace socktrace {

Result<LogRecord> LineReader::decode(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (buffer_.size() < line.size() + simdjson::SIMDJSON_PADDING)
    buffer_.resize(line.size() * 2 + simdjson::SIMDJSON_PADDING);
  std::memcpy(buffer_.data(), line.data(), line.size());
  std::memset(buffer_.data() + line.size(), 0, simdjson::SIMDJSON_PADDING);
  fields_.start(line);
  seq_ = 0;
  ts_ = {};
  t_ns_.reset();

  const auto damaged = [](std::string reason) { return Error{std::move(reason), ErrorKind::damaged}; };
  simdjson::ondemand::document document;
  JsonObject object;
  std::string_view kind;
  const simdjson::padded_string_view padded(buffer_.data(), line.size(), buffer_.size());
  if (parser_.iterate(padded).get(document) || document.get_object().get(object))
    return damaged("the line is not a JSON object");
  if (object.find_field_unordered("k").get_string().get(kind)) return damaged("the line has no 'k'");
  const std::string kind_copy(kind);
  document.rewind();
  if (document.get_object().get(object)) return damaged("the line is not a JSON object");

  LogRecord out;
  const LineTimes before = times_;
  const bool read = record(kind_copy, object, out);
  if (read && document.current_location().error() != simdjson::OUT_OF_BOUNDS)
    fields_.refuse("line", "goes on after its object");
  if (!fields_.reason().empty() || !read) {
    times_ = before;
    return damaged(fields_.reason().empty() ? "the line is not valid JSON" : fields_.reason());
  }
  out.seq = seq_;
  return out;
}

bool LineReader::record(std::string_view kind, JsonObject& object, LogRecord& out) {
  if (kind == "event" || kind == "conn") return event(object, out);
  if (kind == "sock") return row(object, out);
  if (kind == "key") return key(object, out);
  if (kind == "loss") return loss(object, out);
  if (kind == "audit") return audit(object, out);
  if (kind == "clock") return clock_step(object, out);
  if (kind == "trailer") return trailer(object, out);
  if (kind == "header") return header(object, out);
  return fields_.each_field(object,
                            [&](std::string_view key, JsonValue& value) { return common(key, value); });
}

// What every record has; other keys are not ours to judge.
bool LineReader::common(std::string_view key, JsonValue& value) {
  if (key == "seq") return fields_.number(key, value, seq_);
  if (key == "ts") return fields_.word(key, value, ts_);
  if (key == "t_ns") return fields_.quantity(key, value, t_ns_.emplace());
  return true;
}

bool LineReader::relative(std::string_view key, JsonValue& value, uint64_t& out) {
  int64_t t_ns = 0;
  if (!fields_.quantity(key, value, t_ns)) return false;
  if (times_.has_t0) out = times_.t0_ns + static_cast<uint64_t>(t_ns);
  return true;
}

// A wall time, where the exact one could not be used.
bool LineReader::wall_time(std::string_view key, JsonValue& value, uint64_t& out) {
  std::string_view text;
  if (!fields_.word(key, value, text)) return false;
  if (out == 0 || !times_.has_t0) {
    const Result<uint64_t> realtime_ns = parse_rfc3339(text);
    if (!realtime_ns) return fields_.refuse(key, "is not a time");
    out = times_.clock.boottime_ns(*realtime_ns);
  }
  return true;
}

// The time of the line, read last because keys come in any order.
bool LineReader::time(uint64_t& time_ns) {
  if (times_.has_t0 && t_ns_) {
    time_ns = times_.t0_ns + static_cast<uint64_t>(*t_ns_);
    return true;
  }
  const Result<uint64_t> realtime_ns = parse_rfc3339(ts_);
  if (!realtime_ns) return fields_.refuse("ts", "is not a time");
  time_ns = times_.clock.boottime_ns(*realtime_ns);
  return true;
}

bool LineReader::error(JsonValue& value, Event& event) {
  std::string_view type;
  const bool read = fields_.each_field("error", value, [&](std::string_view key, JsonValue& field) {
    if (key == "type") return fields_.word(key, field, type);
    if (key == "code") return fields_.number(key, field, event.error);
    if (key == "inferred") return fields_.boolean(key, field, event.error_inferred);
    return true;
  });
  if (event.error == 0) event.error = errno_from_name(type).value_or(0);
  return read;
}

bool LineReader::failures(JsonValue& value, FailureCount& failures) {
  return fields_.each_field("failures", value, [&](std::string_view key, JsonValue& field) {
    if (key == "count") return fields_.number(key, field, failures.count);
    if (key == "span_ns") return fields_.quantity(key, field, failures.span_ns);
    return true;
  });
}

bool LineReader::stats(JsonValue& value, Event& event) {
  TcpStats& stats = event.stats.emplace();
  return fields_.each_field("stats", value, [&](std::string_view key, JsonValue& field) {
    if (key == "bytes_received") return fields_.quantity(key, field, stats.bytes_received);
    if (key == "bytes_sent") return fields_.quantity(key, field, stats.bytes_sent);
    if (key == "rtt_us") return fields_.number(key, field, stats.srtt_us);
    if (key == "retransmits") return fields_.number(key, field, stats.retransmits);
    return true;
  });
}

namespace {

void finish_socket(Socket& socket, uint64_t time_ns) {
  if (socket.changed_ns == 0) socket.changed_ns = time_ns;
}

}  // namespace

bool LineReader::event(JsonObject& object, LogRecord& out) {
  Event event;
  std::optional<EventKind> kind;
  const bool read = fields_.each_field(object, [&](std::string_view key, JsonValue& value) {
    if (key == "event") {
      std::string_view word;
      if (!fields_.word(key, value, word)) return false;
      kind = event_from_name(word);
      return true;
    }
    if (key == "network") return sockets_.network(value, event.socket, event.previous);
    if (key == "socket") return sockets_.socket(value, event.socket, times_, out.netns_name);
    if (key == "process") return sockets_.process(value, event.process, event.tid);
    if (key == "fd") return fields_.number(key, value, event.fd);
    if (key == "owners") return sockets_.owners(value, event.socket.owners);
    if (key == "error") return error(value, event);
    if (key == "duration_ns") return fields_.quantity(key, value, event.lifetime_ns);
    if (key == "duration_is_lower_bound") return fields_.boolean(key, value, event.lifetime_is_bound);
    if (key == "stats") return stats(value, event);
    if (key == "conflict") return sockets_.conflicts(value, event.conflicts, times_);
    if (key == "failures") return failures(value, event.failures);
    if (key == "resync") return fields_.boolean(key, value, event.resync);
    if (key == "gone") return fields_.boolean(key, value, event.gone);
    return common(key, value);
  });
  if (!read || !time(event.time_ns)) return false;
  if (!kind) return true;  // an event of a later version
  event.kind = *kind;
  if (event.process)
    for (Owner& owner : event.socket.owners)
      if (is_named_only(*owner.process) && owner.process->pid == event.process->pid)
        owner.process = event.process;
  if (*kind != EventKind::snapshot_done) finish_socket(event.socket, event.time_ns);
  for (Conflict& conflict : event.conflicts) finish_socket(conflict.holder, event.time_ns);
  out.body = std::move(event);
  return true;
}

bool LineReader::row(JsonObject& object, LogRecord& out) {
  SocketRow row;
  State ignored = State::none;
  const bool read = fields_.each_field(object, [&](std::string_view key, JsonValue& value) {
    if (key == "network") return sockets_.network(value, row.socket, ignored);
    if (key == "socket") return sockets_.socket(value, row.socket, times_, out.netns_name);
    if (key == "owners") return sockets_.owners(value, row.socket.owners);
    return common(key, value);
  });
  uint64_t time_ns = 0;
  if (!read || !time(time_ns)) return false;
  finish_socket(row.socket, time_ns);
  out.body = std::move(row);
  return true;
}

LogDecoder::LogDecoder() : reader_(std::make_unique<LineReader>()) {}
LogDecoder::~LogDecoder() = default;
LogDecoder::LogDecoder(LogDecoder&&) noexcept = default;
LogDecoder& LogDecoder::operator=(LogDecoder&&) noexcept = default;

Result<LogRecord> LogDecoder::decode(std::string_view line) {
  return reader_->decode(line);
}

const WallClock& LogDecoder::clock() const {
  return reader_->clock();
}

}  // namespace socktrace
