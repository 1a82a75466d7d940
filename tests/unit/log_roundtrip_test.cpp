#include <gtest/gtest.h>
#include <simdjson.h>

#include "core/escape.h"
#include "core/log/decode.h"
#include "core/log/encode.h"
#include "core/log/reader.h"
#include "support/event_builder.h"
#include "support/rounds.h"

namespace socktrace {
namespace {

LogHeader header() {
  LogHeader made;
  made.session = "0b3f7c1e-7a2b-4f4e-9a53-6e1a7f0d2c11";
  made.segment = 12;
  made.previous = "socktrace-20260920T030000Z-000011.jsonl";
  made.host_id = "8d1f";
  made.host_name = "web-3";
  made.boot_id = "6f1c2a34";
  made.kernel = "6.1.0-37-amd64";
  made.tool_version = "0.1.0";
  made.realtime_ns = 1'789'873'200'000'000'000;
  made.boottime_ns = 912'345'678'901;
  made.t0_ns = 912'000'000'000;
  made.filter = "sport = :80 and \"x\\y\"";
  made.probes = {{"tcp.state", "ok"}, {"bind \x1b", "EPERM: \xff"}};
  made.next_seq = 1;
  return made;
}

// An encoder and a decoder that have exchanged their header.
struct Log {
  LogEncoder encoder;
  LogDecoder decoder;
  std::string line;

  explicit Log(const LogHeader& first = header()) {
    encoder.header(line, first);
    EXPECT_TRUE(decoder.decode(line));
  }
  LogRecord read() {
    Result<LogRecord> record = decoder.decode(line);
    EXPECT_TRUE(record) << record.error().message << "\n" << line;
    line.clear();
    return record ? std::move(*record) : LogRecord{};
  }
  template <typename T>
  T read_as() {
    LogRecord record = read();
    T* body = std::get_if<T>(&record.body);
    EXPECT_NE(body, nullptr);
    return body ? std::move(*body) : T{};
  }
  Event round_trip(const Event& event) {
    line.clear();
    encoder.event(line, event);
    return read_as<Event>();
  }
};

// What the encoder documents as not kept.
Event normalized(Event event) {
  const auto normalize = [](Socket& socket, uint64_t time_ns) {
    if (socket.changed_ns == 0) socket.changed_ns = time_ns;
  };
  if (!event.process) event.tid = 0;
  if (event.kind == EventKind::snapshot_done) {
    event.socket = Socket{};
    event.previous = State::none;
  } else {
    normalize(event.socket, event.time_ns);
  }
  for (Conflict& conflict : event.conflicts) normalize(conflict.holder, event.time_ns);
  return event;
}

TEST(LogRoundTrip, OnlyOthersNamespacesAreNamed) {
  NetnsNames names(100);
  names.set(100, "host");
  names.set(200, "bl\x1bue");
  LogEncoder encoder(&names);
  LogReader reader;
  std::string text;
  encoder.header(text, header());
  for (const uint32_t netns : {100u, 200u, 300u}) {
    Event event = test::EventBuilder(EventKind::tcp_listen);
    event.socket.netns = netns;
    encoder.event(text, event);
  }
  std::vector<std::string> seen;
  reader.feed(text, [&](LogRecord&& record) {
    if (const auto* event = std::get_if<Event>(&record.body))
      seen.push_back(record.netns_name + "|" + reader.netns_names().name(event->socket.netns));
  });
  EXPECT_EQ(seen, (std::vector<std::string>{"|", "bl\x1bue|bl\x1bue", "300|300"}));

  // What another recorder calls its namespaces says nothing about those of the one before.
  LogHeader other = header();
  other.session = "another";
  text.clear();
  encoder.header(text, other);
  reader.feed(text, [](LogRecord&&) {});
  EXPECT_EQ(reader.netns_names().name(200), "");
}

TEST(LogRoundTrip, RandomEventsComeBackAsTheyWere) {
  Log log;
  test::RandomEvents random(1);
  for (int i = 0, count = test::rounds("ROUND_TRIPS", 20'000); i < count; ++i) {
    const Event event = normalized(random.next());
    ASSERT_EQ(test::difference(log.round_trip(event), event), "") << "event " << i;
  }
}

TEST(LogRoundTrip, RowsComeBackAsTheyWere) {
  Log log;
  test::RandomEvents random(2);
  for (int i = 0, count = test::rounds("ROUND_TRIPS", 20'000) / 4; i < count; ++i) {
    const Socket socket = random.socket();
    log.line.clear();
    log.encoder.row(log.line, socket, 5'000);
    ASSERT_EQ(test::difference(log.read_as<SocketRow>().socket, socket), "") << "row " << i;
  }
}

TEST(LogRoundTrip, ControlRecordsComeBackAsTheyWere) {
  Log log;
  const KeyframeBegin begin{912'000'000'001, "inter\nval", 1245};
  const KeyframeEnd end{912'000'000'002, 1245};
  const LogLoss loss{912'000'000'003, "ringbuf", 3, UINT64_MAX, 911'999'999'999, 912'000'000'000};
  const LogLoss nowhere{912'000'000'003, "disk", -1, 7, 0, 0};
  const LogClock clock{912'000'000'004, -1'200'000, 1'789'873'200'000'000'001, 912'000'000'004};
  const LogAudit audit{912'000'000'004, "audit", 1245, 1, 2, 3, 4};
  const LogTrailer trailer{912'000'000'005, 77, 9, std::nullopt};
  const LogTrailer last{912'000'000'006, 78, 9, RecordCounts{UINT64_MAX, UINT64_MAX - 9, 9}};
  log.line.clear();
  log.encoder.keyframe_begin(log.line, begin);
  EXPECT_EQ(log.read_as<KeyframeBegin>(), begin);
  log.encoder.keyframe_end(log.line, end);
  EXPECT_EQ(log.read_as<KeyframeEnd>(), end);
  log.encoder.loss(log.line, loss);
  EXPECT_EQ(log.read_as<LogLoss>(), loss);
  log.encoder.loss(log.line, nowhere);
  EXPECT_EQ(log.read_as<LogLoss>(), nowhere);
  log.encoder.clock(log.line, clock);
  EXPECT_EQ(log.read_as<LogClock>(), clock);
  EXPECT_EQ(log.decoder.clock().offset_ns, 1'789'873'200'000'000'001 - 912'000'000'004);
  log.encoder.audit(log.line, audit);
  EXPECT_EQ(log.read_as<LogAudit>(), audit);
  log.encoder.trailer(log.line, trailer);
  EXPECT_EQ(log.read_as<LogTrailer>(), trailer);
  log.encoder.trailer(log.line, last);
  EXPECT_EQ(log.read_as<LogTrailer>(), last);
  LogHeader given = header();
  given.next_seq = 0;
  log.encoder.header(log.line, given);
  given.next_seq = 9;
  EXPECT_EQ(log.read_as<LogHeader>(), given);
}

// Lines picked from a log: nothing tells what t_ns is relative to, and their times are wall times.
TEST(LogRoundTrip, WithoutAHeaderAClockMovesNoTimes) {
  LogEncoder encoder;
  LogDecoder decoder;
  const LogClock clock{1'789'873'200'000'001'000, -1'200'000, 7'918'823'700'000'000'000, 912'000'000'004};
  const KeyframeEnd after{1'789'873'200'000'002'000, 3};
  std::string lines;
  encoder.clock(lines, clock);
  const Result<LogRecord> first = decoder.decode(lines);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(std::get<LogClock>(first->body), clock);
  lines.clear();
  encoder.keyframe_end(lines, after);
  const Result<LogRecord> second = decoder.decode(lines);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(std::get<KeyframeEnd>(second->body), after);
}

TEST(LogRoundTrip, SequenceNumbersAreContinuous) {
  Log log;
  log.line.clear();
  for (uint64_t seq = 1; seq < 5; ++seq) {
    log.encoder.event(log.line, test::EventBuilder(EventKind::bind_ok));
    EXPECT_EQ(log.read().seq, seq);
  }
  EXPECT_EQ(log.encoder.next_seq(), 5u);
  EXPECT_EQ(log.encoder.events(), 4u);
}

TEST(LogRoundTrip, EveryByteOfANameComesBack) {
  Log log;
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  Process process = test::process(7, all, all, all);
  process.container = all;
  Event event = test::EventBuilder(EventKind::bind_failed).by(process).error(98);
  event.socket.family = Family::unix;
  event.socket.local = {};
  event.socket.details.make().name = all;
  EXPECT_EQ(test::difference(log.round_trip(event), event), "");
}

TEST(LogRoundTrip, AProcessSeenTwiceIsOneObjectAgain) {
  Log log;
  const Event event = test::EventBuilder(EventKind::tcp_accept)
                          .by(test::process(5, "nginx", "root", "nginx.service"))
                          .owned_by(test::process(5, "nginx", "root", "nginx.service"), 9);
  const Event first = log.round_trip(event);
  const Event second = log.round_trip(event);
  EXPECT_EQ(first.process, second.process);
  EXPECT_EQ(first.process, first.socket.owners.at(0).process);
}

TEST(LogRoundTrip, AUserThatIsNotKnownIsNotWritten) {
  Log log;
  Process hidden;
  hidden.pid = 7;
  hidden.start_ns = 70'000'000;
  hidden.uid = UINT32_MAX;
  hidden.name = "hidden";
  Event event = test::EventBuilder(EventKind::tcp_listen);
  event.process = std::make_shared<const Process>(hidden);
  hidden.pid = 8;
  hidden.start_ns = 0;
  event.socket.owners = {{.process = event.process}, {.process = std::make_shared<const Process>(hidden)}};
  log.line.clear();
  log.encoder.event(log.line, event);
  EXPECT_EQ(log.line.find("\"user\""), std::string::npos) << log.line;
  const Event read = log.read_as<Event>();
  EXPECT_EQ(*read.process, *event.process);
  ASSERT_EQ(read.socket.owners.size(), 2U);
  EXPECT_EQ(read.socket.owners[0].process, read.process);
  EXPECT_EQ(*read.socket.owners[1].process, hidden);
}

TEST(LogRoundTrip, AReusedPidIsAnotherProcess) {
  Log log;
  Process reused = test::process(5, "nginx");
  EXPECT_EQ(log.round_trip(test::EventBuilder(EventKind::bind_ok).by(reused)).process->start_ns,
            reused.start_ns);
  reused.start_ns += 1;
  EXPECT_EQ(log.round_trip(test::EventBuilder(EventKind::bind_ok).by(reused)).process->start_ns,
            reused.start_ns);
}

TEST(LogEncode, LinesAreStrictJsonAndSafeToPrint) {
  Log log;
  test::RandomEvents random(3);
  simdjson::dom::parser parser;
  for (int i = 0; i < 3'000; ++i) {
    log.line.clear();
    log.encoder.event(log.line, random.next());
    ASSERT_EQ(log.line.find('\n'), log.line.size() - 1);
    ASSERT_EQ(parser.parse(log.line).error(), simdjson::SUCCESS) << log.line;
    std::string body = log.line.substr(0, log.line.size() - 1);
    std::erase(body, '\\');
    ASSERT_EQ(escape(body), body);
  }
}

TEST(LogEncode, NoNumberPassesWhatADoubleHolds) {
  Log log;
  Event event =
      test::EventBuilder(EventKind::tcp_closed).lived(UINT64_MAX).stats({1ull << 53, (1ull << 53) + 1, 1, 2});
  log.line.clear();
  log.encoder.event(log.line, event);
  EXPECT_NE(log.line.find(R"("duration_ns":"18446744073709551615")"), std::string::npos) << log.line;
  EXPECT_NE(log.line.find(R"("bytes_received":9007199254740992,"bytes_sent":"9007199254740993")"),
            std::string::npos)
      << log.line;
}

TEST(LogEncode, AHeaderIsAskedForBeforeRelativeTimesGrowTooLong) {
  Log log;
  const uint64_t t0_ns = header().t0_ns;
  EXPECT_FALSE(log.encoder.needs_header(t0_ns + 86'400'000'000'000));
  EXPECT_FALSE(log.encoder.needs_header(t0_ns - 1));
  EXPECT_TRUE(log.encoder.needs_header(t0_ns + 60 * 86'400'000'000'000));
}

TEST(LogDecode, LinesWithoutAHeaderUseTheirWallTime) {
  Log log;
  const Event event = test::EventBuilder(EventKind::bind_ok).at(912'345'678'901).opened(912'345'000'000);
  log.line.clear();
  log.encoder.event(log.line, event);
  LogDecoder bare;
  const LogRecord record = *bare.decode(log.line);
  const Event& read = std::get<Event>(record.body);
  EXPECT_EQ(format_rfc3339(bare.clock().realtime_ns(read.time_ns)), "2026-09-20T03:00:00.000000Z");
  EXPECT_EQ(format_rfc3339(bare.clock().realtime_ns(read.socket.opened_ns)), "2026-09-20T02:59:59.999321Z");
  EXPECT_EQ(read.socket.changed_ns, read.time_ns);
}

TEST(LogDecode, KeysMayComeInAnyOrder) {
  LogDecoder decoder;
  const Result<LogRecord> record = decoder.decode(
      R"({"event":"tcp.accept","fd":9,"network":{"connection":{"state":"established"},"local":{"port":80,"address":"10.0.0.1"},)"
      R"("type":"ipv4","transport":"tcp"},"owners":[{"pid":5,"fd":9}],"process":{"user":{"id":0},"pid":5},"seq":3,)"
      R"("ts":"2026-09-20T03:00:00.000000Z","k":"event"})");
  ASSERT_TRUE(record) << record.error().message;
  const Event& event = std::get<Event>(record->body);
  EXPECT_EQ(record->seq, 3u);
  EXPECT_EQ(to_string(event.socket.family, event.socket.local), "10.0.0.1:80");
  EXPECT_EQ(event.socket.owners.at(0).process, event.process);
}

TEST(LogDecode, UnknownRecordsEventsAndFieldsAreIgnored) {
  LogDecoder decoder;
  const Result<LogRecord> kind = decoder.decode(R"({"k":"later","seq":7,"x":[1,{"y":null}]})");
  ASSERT_TRUE(kind);
  EXPECT_TRUE(std::holds_alternative<LogUnknown>(kind->body));
  EXPECT_EQ(kind->seq, 7u);
  const Result<LogRecord> event =
      decoder.decode(R"({"k":"event","seq":8,"ts":"2026-09-20T03:00:00.000000Z","event":"tcp.later"})");
  ASSERT_TRUE(event);
  EXPECT_TRUE(std::holds_alternative<LogUnknown>(event->body));
  const Result<LogRecord> field = decoder.decode(
      R"({"k":"event","seq":9,"new":{"a":[]},"ts":"2026-09-20T03:00:00.000000Z","event":"bind.ok","socket":{"b":1}})");
  ASSERT_TRUE(field);
  EXPECT_TRUE(std::holds_alternative<Event>(field->body));
}

TEST(LogDecode, DamagedLinesAreRefusedWithTheReason) {
  const struct {
    std::string line;
    std::string reason;
  } cases[] = {
      {"", "the line is not a JSON object"},
      {"[]", "the line is not a JSON object"},
      {R"({"k":"event")", "the line is not a JSON object"},
      {R"({"seq":1})", "the line has no 'k'"},
      {R"({"k":7})", "the line has no 'k'"},
      {R"({"k":"event","event":"bind.ok"})", "'ts' is not a time"},
      {R"({"k":"event","event":"bind.ok","ts":"yesterday"})", "'ts' is not a time"},
      {R"({"k":"event","event":1})", "'event' is not a string"},
      {R"({"k":"event","seq":-1})", "'seq' is not a number in its range"},
      {R"({"k":"event","seq":"1"})", "'seq' is not a number in its range"},
      {R"({"k":"event","seq":1.5})", "'seq' is not a number in its range"},
      {R"({"k":"event","network":[]})", "'network' is not an object"},
      {R"({"k":"event","network":{"local":{"port":65536}}})", "'port' is not a number in its range"},
      {R"({"k":"event","network":{"type":"ipv4","local":{"address":"1.2.3"}}})",
       "'local' has no valid address"},
      {R"({"k":"event","network":{"type":"ipv4","local":{"address":"1.2.3.4x"}}})",
       "'local' has no valid address"},
      {R"({"k":"event","network":{"type":"ipv4","local":{"address":"1.2.3.256"}}})",
       "'local' has no valid address"},
      {R"({"k":"event","network":{"type":"ipv6","peer":{"address":"1.2.3.4"}}})",
       "'peer' has no valid address"},
      {R"({"k":"event","network":{"connection":{"state":"open"}}})", "'state' is not a socket state"},
      {R"({"k":"event","socket":{"cookie":12}})", "'cookie' is not a string of digits"},
      {R"({"k":"event","socket":{"cookie":"xyz"}})", "'cookie' is not a string of digits"},
      {R"({"k":"event","socket":{"options":{}}})", "'options' is not an array"},
      {R"({"k":"event","socket":{"type":"tube"}})", "'type' is not a socket type"},
      {R"({"k":"event","process":{"pid":4294967296}})", "'pid' is not a number in its range"},
      {R"({"k":"event","process":{"name":"a\\q"}})", "'process' has a backslash that is not part of \\xNN"},
      {R"({"k":"event","resync":1})", "'resync' is not true or false"},
      {R"({"k":"key","part":"middle","ts":"2026-09-20T03:00:00Z"})", "'part' is neither begin nor end"},
      {R"({"k":"header","v":0})", "'v' is not a version of the log"},
      {R"({"k":"later"}{"k":"later"})", "'line' goes on after its object"},
      {"{\"k\":\"later\",\"x\":\"\xff\"}", "the line is not a JSON object"},
  };
  for (const auto& [line, reason] : cases) {
    LogDecoder decoder;
    const Result<LogRecord> record = decoder.decode(line);
    ASSERT_FALSE(record) << line;
    EXPECT_EQ(record.error().kind, ErrorKind::damaged);
    EXPECT_EQ(record.error().message, reason) << line;
  }
}

TEST(LogDecode, ADamagedHeaderDoesNotMoveTheClock) {
  Log log;
  const int64_t offset_ns = log.decoder.clock().offset_ns;
  EXPECT_FALSE(log.decoder.decode(R"({"k":"header","v":1,"clock":{"realtime_ns":"1","boottime_ns":"0"}} x)"));
  EXPECT_FALSE(log.decoder.decode(R"({"k":"clock","realtime_ns":"1","boottime_ns":"0"})"));
  EXPECT_EQ(log.decoder.clock().offset_ns, offset_ns);
}

}  // namespace
}  // namespace socktrace
