#include "core/log/encode.h"

#include "core/errno_name.h"
#include "core/log/message.h"
#include "core/log/words.h"

namespace socktrace {
namespace {

std::string_view direction_of(const Event& event) {
  if (event.socket.inbound) return "inbound";
  switch (event.kind) {
    case EventKind::tcp_connect:
    case EventKind::tcp_connect_failed:
    case EventKind::tcp_established:
    case EventKind::udp_connect:
      return "outbound";
    default:
      return {};
  }
}

}  // namespace

std::string_view LogEncoder::timestamp(uint64_t boottime_ns) {
  constexpr uint64_t kSecond = 1'000'000'000;
  constexpr size_t kFraction = 20;  // where the six digits begin
  const uint64_t realtime_ns = clock_.realtime_ns(boottime_ns);
  if (realtime_ns / kSecond != timestamp_second_) {
    timestamp_.clear();
    append_rfc3339(timestamp_, realtime_ns);
    timestamp_second_ = realtime_ns / kSecond;
    return timestamp_;
  }
  uint64_t microseconds = realtime_ns % kSecond / 1000;
  for (size_t i = kFraction + 6; i-- > kFraction; microseconds /= 10)
    timestamp_[i] = static_cast<char>('0' + microseconds % 10);
  return timestamp_;
}

void LogEncoder::begin(std::string_view kind, uint64_t time_ns, uint64_t seq) {
  json_.begin_line();
  json_.word("k", kind);
  json_.number("seq", seq);
  json_.word("ts", timestamp(time_ns));
  json_.quantity("t_ns", static_cast<int64_t>(time_ns - t0_ns_));
}

void LogEncoder::finish(std::string& out) {
  json_.end_line();
  out += json_.text();
}

void LogEncoder::header(std::string& out, const LogHeader& header) {
  has_header_ = true;
  clock_.offset_ns = static_cast<int64_t>(header.realtime_ns - header.boottime_ns);
  t0_ns_ = header.t0_ns;
  timestamp_second_ = UINT64_MAX;
  json_.begin_line();
  json_.word("k", "header");
  json_.number("v", static_cast<uint64_t>(header.version));
  json_.word("ts", timestamp(header.boottime_ns));
  json_.word("schema", kLogSchema);
  json_.bytes("session", header.session);
  json_.number("segment", header.segment);
  json_.bytes("prev", header.previous);
  json_.number("next_seq", header.next_seq != 0 ? header.next_seq : next_seq_);
  const size_t host = json_.begin("host");
  json_.bytes("id", header.host_id);
  json_.bytes("name", header.host_name);
  const size_t boot = json_.begin("boot");
  json_.bytes("id", header.boot_id);
  json_.end(boot);
  json_.end(host);
  const size_t os = json_.begin("os");
  json_.bytes("kernel", header.kernel);
  json_.end(os);
  const size_t tool = json_.begin("tool");
  json_.bytes("version", header.tool_version);
  json_.end(tool);
  const size_t clock = json_.begin("clock");
  json_.digits("realtime_ns", header.realtime_ns);
  json_.digits("boottime_ns", header.boottime_ns);
  json_.digits("t0_ns", header.t0_ns);
  json_.end(clock);
  json_.bytes("filter", header.filter);
  const size_t probes = json_.begin("probes");
  for (const auto& [name, status] : header.probes) json_.bytes_named(name, status);
  json_.end(probes);
  finish(out);
}

void LogEncoder::event(std::string& out, const Event& event) {
  begin(is_close(event.kind) ? "conn" : "event", event.time_ns);
  json_.word("event", name(event.kind));
  if (event.kind != EventKind::snapshot_done) {
    network(event.socket, event.previous, direction_of(event));
    socket(event.socket, event.time_ns);
  }
  if (event.process) {
    const size_t start = json_.begin("process");
    json_.number("pid", event.process->pid);
    json_.number_unless_zero("tid", event.tid);
    process_fields(*event.process);
    json_.end(start);
  }
  if (event.fd >= 0) json_.number("fd", static_cast<uint64_t>(event.fd));
  if (event.kind != EventKind::snapshot_done) owners(event.socket, event.process);
  if (event.error != 0) error(event);
  if (event.lifetime_ns != 0) json_.quantity("duration_ns", event.lifetime_ns);
  json_.yes("duration_is_lower_bound", event.lifetime_is_bound);
  if (event.stats) {
    const size_t start = json_.begin("stats");
    json_.quantity("bytes_received", event.stats->bytes_received);
    json_.quantity("bytes_sent", event.stats->bytes_sent);
    json_.number("rtt_us", event.stats->srtt_us);
    json_.number("retransmits", event.stats->retransmits);
    json_.end(start);
  }
  if (!event.conflicts.empty()) {
    const size_t start = json_.begin("conflict", '[');
    for (const Conflict& found : event.conflicts) conflict(found, event.time_ns);
    json_.end(start, ']');
  }
  if (event.failures.count > 0) {
    const size_t start = json_.begin("failures");
    json_.number("count", event.failures.count);
    json_.quantity("span_ns", event.failures.span_ns);
    json_.end(start);
  }
  json_.yes("resync", event.resync);
  json_.yes("gone", event.gone);
  message_.clear();
  append_message(message_, event);
  if (!message_.empty()) json_.escaped("message", message_);
  finish(out);
  ++events_;
}

void LogEncoder::bind_answer(std::string& out, const Event& asked, const std::vector<std::string>& works_with,
                             const std::vector<const Socket*>& holders,
                             const std::vector<const Socket*>& elsewhere) {
  begin("why", asked.time_ns);
  network(asked.socket, State::none, {});
  json_.word("bind", asked.error == 0 ? "ok" : "fails");
  if (asked.error != 0) error(asked);
  if (!works_with.empty()) {
    const size_t start = json_.begin("works_with", '[');
    for (const std::string& option : works_with) json_.word_element(option);
    json_.end(start, ']');
  }
  if (!asked.conflicts.empty()) {
    const size_t start = json_.begin("conflict", '[');
    for (const Conflict& found : asked.conflicts) conflict(found, asked.time_ns);
    json_.end(start, ']');
  }
  if (!holders.empty()) {
    const size_t start = json_.begin("also", '[');
    for (const Socket* socket : holders) holder(*socket, asked.time_ns);
    json_.end(start, ']');
  }
  if (!elsewhere.empty()) {
    const size_t start = json_.begin("elsewhere", '[');
    for (const Socket* socket : elsewhere) holder(*socket, asked.time_ns);
    json_.end(start, ']');
  }
  finish(out);
}

void LogEncoder::exposed(std::string& out, const Socket& row, std::string_view reach, bool allowed,
                         uint64_t time_ns) {
  begin("exposed", time_ns);
  json_.word("reach", reach);
  json_.yes("allowed", allowed);
  network(row, State::none, {});
  socket(row, time_ns);
  owners(row, nullptr);
  finish(out);
}

void LogEncoder::error(const Event& event) {
  const std::string_view type = errno_name(event.error);
  const size_t start = json_.begin("error");
  json_.word("type", type.empty() ? "_OTHER" : type);
  json_.number("code", static_cast<uint64_t>(event.error));
  json_.yes("inferred", event.error_inferred);
  json_.end(start);
}

void LogEncoder::keyframe_begin(std::string& out, const KeyframeBegin& mark) {
  begin("key", mark.time_ns);
  json_.word("part", "begin");
  json_.bytes("reason", mark.reason);
  json_.number("sockets", mark.sockets);
  finish(out);
}

void LogEncoder::row(std::string& out, const Socket& row, uint64_t time_ns) {
  begin("sock", time_ns);
  network(row, State::none, row.inbound ? "inbound" : "");
  socket(row, time_ns);
  owners(row, nullptr);
  finish(out);
}

void LogEncoder::keyframe_end(std::string& out, const KeyframeEnd& mark) {
  begin("key", mark.time_ns);
  json_.word("part", "end");
  json_.number("sockets", mark.sockets);
  finish(out);
}

void LogEncoder::loss(std::string& out, const LogLoss& loss) {
  loss_at(out, loss, next_seq_++);
}

void LogEncoder::loss_at(std::string& out, const LogLoss& loss, uint64_t first_seq) {
  begin("loss", loss.time_ns, first_seq);
  json_.bytes("where", loss.where);
  if (loss.cpu >= 0) json_.number("cpu", static_cast<uint64_t>(loss.cpu));
  json_.quantity("count", loss.count);
  if (loss.from_ns != 0) {
    json_.word("from_ts", timestamp(loss.from_ns));
    json_.quantity("from_ns", static_cast<int64_t>(loss.from_ns - t0_ns_));
  }
  if (loss.to_ns != 0) {
    json_.word("to_ts", timestamp(loss.to_ns));
    json_.quantity("to_ns", static_cast<int64_t>(loss.to_ns - t0_ns_));
  }
  finish(out);
}

void LogEncoder::clock(std::string& out, const LogClock& clock) {
  if (has_header_) clock_.offset_ns = static_cast<int64_t>(clock.realtime_ns - clock.boottime_ns);
  begin("clock", clock.time_ns);
  json_.word("step_ns", std::to_string(clock.step_ns));
  json_.digits("realtime_ns", clock.realtime_ns);
  json_.digits("boottime_ns", clock.boottime_ns);
  finish(out);
}

void LogEncoder::audit(std::string& out, const LogAudit& audit) {
  begin("audit", audit.time_ns);
  json_.bytes("reason", audit.reason);
  json_.quantity("sockets", audit.sockets);
  json_.quantity("missing", audit.missing);
  json_.quantity("ghosts", audit.ghosts);
  json_.quantity("wrong_state", audit.wrong_state);
  json_.quantity("wrong_owner", audit.wrong_owner);
  finish(out);
}

void LogEncoder::trailer(std::string& out, const LogTrailer& trailer) {
  begin("trailer", trailer.time_ns);
  json_.quantity("events", trailer.events);
  json_.quantity("lost", trailer.lost);
  if (trailer.records) {
    const size_t start = json_.begin("records");
    json_.quantity("attempted", trailer.records->attempted);
    json_.quantity("delivered", trailer.records->delivered);
    json_.quantity("lost", trailer.records->lost);
    json_.end(start);
  }
  finish(out);
}

}  // namespace socktrace
