#include "core/log/replay.h"

namespace socktrace {
void LogReplay::begin_at(const LogSurvey& survey) {
  feed(survey.leads());
  reader_.continue_at(survey.start().line, survey.start().offset);
}

void LogReplay::feed(std::string_view bytes) {
  reader_.feed(bytes, [this](LogRecord&& record) { apply(std::move(record)); });
}

void LogReplay::apply(LogRecord&& record) {
  if (const std::optional<uint64_t> time_ns = time_of(record)) {
    last_ns_ = clock().realtime_ns(*time_ns);
    has_ended_ = std::holds_alternative<LogTrailer>(record.body);
  }
  if (auto* header = std::get_if<LogHeader>(&record.body)) {
    header_ = std::move(*header);
    has_ended_ = false;
  } else if (auto* event = std::get_if<Event>(&record.body)) {
    table_.apply(*event);
  } else if (const auto* loss = std::get_if<LogLoss>(&record.body)) {
    lost_ += loss->count;
  } else if (const auto* begin = std::get_if<KeyframeBegin>(&record.body)) {
    keyframe_ = {};
    rows_left_ = begin->sockets;
  } else if (auto* row = std::get_if<SocketRow>(&record.body)) {
    if (!rows_left_ || *rows_left_ == 0) return;
    --*rows_left_;
    Event seen;
    seen.kind = EventKind::socket_seen;
    seen.socket = std::move(row->socket);
    keyframe_.apply(seen);
  } else if (std::holds_alternative<KeyframeEnd>(record.body)) {
    if (rows_left_ == uint64_t{0}) {
      table_ = std::move(keyframe_);
      is_complete_ = true;
      lost_ = 0;
    }
    keyframe_ = {};
    rows_left_.reset();
  }
}

}  // namespace socktrace
