#include "core/log/replay.h"

#include <gtest/gtest.h>

#include "core/log/encode.h"
#include "core/log/front.h"
#include "support/event_builder.h"

namespace socktrace {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kBoot_ns = 500 * kSecond;
constexpr uint64_t kWall_ns = 1'789'873'200 * kSecond;  // at kBoot_ns

Event listening(uint64_t cookie, uint64_t time_ns) {
  Event event = test::EventBuilder(EventKind::tcp_listen).by(test::process(7, "nginx", "root"));
  event.socket.key = {cookie, 0};
  event.socket.local.port = static_cast<uint16_t>(8000 + cookie);
  event.socket.state = State::listen;
  event.time_ns = time_ns;
  return event;
}

Event closed(uint64_t cookie, uint64_t time_ns) {
  Event event = listening(cookie, time_ns);
  event.kind = EventKind::tcp_closed;
  event.previous = State::listen;
  event.socket.state = State::close;
  event.gone = true;
  return event;
}

// A log in the making: what is written at which second after kBoot_ns.
class Log {
 public:
  std::string text;
  LogEncoder encoder;

  void header(uint64_t second, uint64_t wall_ns = 0, const std::string& session = "s") {
    LogHeader header;
    header.session = session;
    header.boot_id = "b";
    header.host_id = "h";
    header.boottime_ns = header.t0_ns = at(second);
    header.realtime_ns = wall_ns != 0 ? wall_ns : kWall_ns + second * kSecond;
    encoder.header(text, header);
  }
  void open(uint64_t cookie, uint64_t second) { encoder.event(text, listening(cookie, at(second))); }
  void close(uint64_t cookie, uint64_t second) { encoder.event(text, closed(cookie, at(second))); }
  void keyframe(const std::vector<uint64_t>& cookies, uint64_t second, size_t announced = SIZE_MAX) {
    const size_t count = announced == SIZE_MAX ? cookies.size() : announced;
    encoder.keyframe_begin(text, {at(second), "interval", count});
    for (const uint64_t cookie : cookies) encoder.row(text, listening(cookie, at(second)).socket, at(second));
    encoder.keyframe_end(text, {at(second), count});
  }
  static uint64_t at(uint64_t second) { return kBoot_ns + second * kSecond; }
};

std::vector<uint64_t> cookies_of(const LogReplay& replay) {
  std::vector<uint64_t> cookies;
  replay.table().for_each([&](const Socket& socket) { cookies.push_back(socket.key.cookie); });
  std::sort(cookies.begin(), cookies.end());
  return cookies;
}

LogReplay replay(const std::string& text, std::optional<uint64_t> second, size_t piece = SIZE_MAX) {
  const auto at_ns = second ? std::optional(kWall_ns + *second * kSecond) : std::nullopt;
  LogSurvey survey(at_ns);
  for (size_t i = 0; i < text.size(); i += std::min(piece, text.size() - i))
    survey.feed(std::string_view(text).substr(i, piece));
  LogReplay replay;
  replay.begin_at(survey);
  const size_t end = std::min<uint64_t>(survey.end(), text.size());
  for (size_t i = survey.start().offset; i < end; i += std::min(piece, end - i))
    replay.feed(std::string_view(text).substr(i, std::min(piece, end - i)));
  replay.end_file();
  return replay;
}

using Cookies = std::vector<uint64_t>;

Log ordinary() {
  Log log;
  log.header(0);
  log.keyframe({1}, 0);
  log.open(2, 10);
  log.close(1, 20);
  log.keyframe({2}, 30);
  log.open(3, 40);
  log.close(2, 50);
  return log;
}

TEST(LogReplay, TheTableIsThatOfTheLastRecordNotLaterThanTheMoment) {
  const Log log = ordinary();
  EXPECT_EQ(cookies_of(replay(log.text, 0)), Cookies({1}));
  EXPECT_EQ(cookies_of(replay(log.text, 9)), Cookies({1}));
  EXPECT_EQ(cookies_of(replay(log.text, 10)), Cookies({1, 2}));
  EXPECT_EQ(cookies_of(replay(log.text, 20)), Cookies({2}));
  EXPECT_EQ(cookies_of(replay(log.text, 35)), Cookies({2}));
  EXPECT_EQ(cookies_of(replay(log.text, 40)), Cookies({2, 3}));
  EXPECT_EQ(cookies_of(replay(log.text, {})), Cookies({3}));
}

TEST(LogReplay, OnlyWhatFollowsTheLastKeyframeIsDecodedAndNothingIsReportedMissing) {
  const LogReplay late = replay(ordinary().text, {});
  EXPECT_TRUE(late.is_complete());
  EXPECT_EQ(late.report().records, 6u);  // header, key, sock, key, two events
  EXPECT_FALSE(late.report().is_damaged());
  EXPECT_EQ(late.last_ns(), kWall_ns + 50 * kSecond);
}

TEST(LogReplay, AnUnfinishedKeyframeIsNotBelieved) {
  Log log = ordinary();
  log.keyframe({9}, 60, 2);
  EXPECT_EQ(cookies_of(replay(log.text, {})), Cookies({3}));
  log.encoder.keyframe_begin(log.text, {Log::at(70), "interval", 1});
  log.encoder.row(log.text, listening(8, Log::at(70)).socket, Log::at(70));
  log.open(4, 71);
  EXPECT_EQ(cookies_of(replay(log.text, {})), Cookies({3, 4}));
}

TEST(LogReplay, WithoutAKeyframeItSaysThatTheTableIsIncomplete) {
  Log log;
  log.header(0);
  log.open(2, 10);
  const LogReplay events_only = replay(log.text, {});
  EXPECT_EQ(cookies_of(events_only), Cookies({2}));
  EXPECT_FALSE(events_only.is_complete());
}

TEST(LogReplay, BeforeTheFirstRecordThereIsNothing) {
  Log log;
  log.header(5);
  log.keyframe({1}, 5);
  const LogReplay early = replay(log.text, 4);
  EXPECT_EQ(early.last_ns(), 0u);
  EXPECT_EQ(early.table().size(), 0u);
}

TEST(LogReplay, ATimeThatCameTwiceIsTheSecondOne) {
  Log log;
  log.header(0);
  log.keyframe({}, 0);
  log.open(1, 10);
  log.open(2, 20);
  // At second 21 somebody sets the clock back by 15: second 6 again.
  log.encoder.clock(log.text,
                    {Log::at(21), -15 * int64_t{1'000'000'000}, kWall_ns + 6 * kSecond, Log::at(21)});
  log.open(3, 25);  // 10 s
  log.open(4, 40);  // 25 s
  EXPECT_EQ(cookies_of(replay(log.text, 10)), Cookies({1, 2, 3}));
  EXPECT_FALSE(replay(log.text, 10).report().is_damaged());
}

TEST(LogReplay, TheClockOfAStepBeforeTheKeyframeHolds) {
  Log log;
  log.header(0);
  log.keyframe({}, 0);
  log.encoder.clock(log.text, {Log::at(5), int64_t{100'000'000'000}, kWall_ns + 105 * kSecond, Log::at(5)});
  log.keyframe({1}, 6);  // 106 s
  log.open(2, 7);        // 107 s
  const LogReplay both = replay(log.text, 107);
  EXPECT_EQ(cookies_of(both), Cookies({1, 2}));
  EXPECT_EQ(both.last_ns(), kWall_ns + 107 * kSecond);
  EXPECT_EQ(cookies_of(replay(log.text, 106)), Cookies({1}));
}

TEST(LogReplay, ARestartedRecorderBeginsAnew) {
  Log log = ordinary();
  log.encoder.trailer(log.text, {Log::at(60), 4, 0});
  EXPECT_TRUE(replay(log.text, 70).has_ended());
  log.header(100, 0, "t");
  log.keyframe({8}, 100);
  EXPECT_TRUE(replay(log.text, 70).has_ended());
  EXPECT_EQ(cookies_of(replay(log.text, 70)), Cookies({3}));
  EXPECT_FALSE(replay(log.text, {}).has_ended());
  EXPECT_EQ(cookies_of(replay(log.text, {})), Cookies({8}));
}

TEST(LogSurvey, TellsWhenAnotherRunOfTheRecorderFollows) {
  Log log = ordinary();
  log.header(60, 0, "s");  // of the same run
  log.open(4, 61);
  log.header(70, 0, "another");
  log.keyframe({}, 70);
  const auto next_run_ns = [&](uint64_t second) {
    LogSurvey survey(kWall_ns + second * kSecond);
    survey.feed(log.text);
    return survey.next_run_ns();
  };
  EXPECT_EQ(next_run_ns(45), 0u);
  EXPECT_EQ(next_run_ns(55), 0u);
  EXPECT_EQ(next_run_ns(65), kWall_ns + 70 * kSecond);
  EXPECT_EQ(next_run_ns(70), 0u);
}

TEST(LogReplay, LossesAfterTheKeyframeAreCounted) {
  Log log = ordinary();
  log.encoder.loss(log.text, {Log::at(60), "ringbuf", 1, 5, 0, 0});
  EXPECT_EQ(replay(log.text, {}).lost(), 5u);
  EXPECT_EQ(replay(log.text, 55).lost(), 0u);
  log.keyframe({3}, 61);
  EXPECT_EQ(replay(log.text, {}).lost(), 0u);
}

TEST(LogReplay, PiecesOfAnySizeGiveTheSameTable) {
  const Log log = ordinary();
  for (const size_t piece : {1, 7, 100})
    EXPECT_EQ(cookies_of(replay(log.text, 40, piece)), Cookies({2, 3})) << piece;
}

TEST(LogReplay, ReadingEndsWithTheLastRecordOfTheMoment) {
  const Log log = ordinary();
  LogSurvey survey(kWall_ns + 12 * kSecond);
  survey.feed(log.text);
  EXPECT_EQ(survey.start().line, 2u);
  EXPECT_LT(survey.end(), log.text.size());
  EXPECT_NE(log.text.find("tcp.closed", survey.end()), std::string::npos);
  EXPECT_EQ(cookies_of(replay(log.text, 12)), Cookies({1, 2}));
}

TEST(LogReplay, AKeyframeOfALaterTimeBeforeTheClockWasSetBackCounts) {
  Log log;
  log.header(100);
  log.keyframe({1}, 100);
  log.open(2, 101);
  // At second 102 the clock is set back by 90: second 12.
  log.encoder.clock(log.text,
                    {Log::at(102), -90 * int64_t{1'000'000'000}, kWall_ns + 12 * kSecond, Log::at(102)});
  log.open(3, 103);  // 13 s
  log.open(4, 110);  // 20 s
  EXPECT_EQ(cookies_of(replay(log.text, 14)), Cookies({1, 2, 3}));
  EXPECT_EQ(cookies_of(replay(log.text, {})), Cookies({1, 2, 3, 4}));
}

TEST(LogReplay, DamageIsPassedOverAndNamed) {
  Log log = ordinary();
  log.text += "{\"k\":\"event\",\"seq\":15,\"ts\":\"2026-09-20T03:01:00.000000Z\",bad\n";
  log.open(5, 55);
  log.text += "{\"k\":\"ev";
  const LogReplay damaged = replay(log.text, {});
  EXPECT_EQ(cookies_of(damaged), Cookies({3, 5}));
  EXPECT_EQ(damaged.report().damaged_lines, 1u);
  EXPECT_EQ(damaged.report().damaged_line, 12u);  // of the file, though its beginning was not decoded
  EXPECT_EQ(damaged.report().torn_bytes, 8u);
}

TEST(LogReplay, ATornEndIsToldOfAMomentThatItMayBelongTo) {
  Log log = ordinary();
  log.text += "{\"k\":\"ev";
  EXPECT_EQ(replay(log.text, 49).report().torn_bytes, 0u);
  EXPECT_EQ(replay(log.text, 50).report().torn_bytes, 8u);
  EXPECT_EQ(replay(log.text, 99).report().torn_bytes, 8u);
  EXPECT_EQ(cookies_of(replay(log.text, 99)), Cookies({3}));
  log.text += "damaged\n";
  EXPECT_EQ(replay(log.text, 49).report().damaged_lines, 0u);
  EXPECT_EQ(replay(log.text, 50).report().damaged_lines, 1u);
}

TEST(LineFront, TellsKindNumberAndTime) {
  const std::string text =
      R"({"k":"event","seq":12,"ts":"2026-09-20T03:12:07.123456Z","t_ns":5,"event":"bind.ok"})";
  const auto front = line_front(text);
  ASSERT_TRUE(front);
  EXPECT_EQ(front->kind, "event");
  EXPECT_EQ(front->seq, 12u);
  EXPECT_EQ(front->ts, "2026-09-20T03:12:07.123456Z");
  Log log;
  log.header(0);
  ASSERT_TRUE(line_front(log.text));
  EXPECT_EQ(line_front(log.text)->kind, "header");
}

TEST(LineFront, LeavesOtherOrdersAndDamageToTheDecoder) {
  const std::string text = R"({"k":"event","seq":12,"ts":"2026-09-20T03:12:07.123456Z",)";
  for (size_t cut = 0; cut + 1 < text.size(); ++cut) EXPECT_FALSE(line_front(text.substr(0, cut))) << cut;
  for (const char* other : {R"({"seq":12,"k":"event","ts":"2026-09-20T03:12:07.123456Z"})",
                            R"({"k":"event","seq":-1,"ts":"2026-09-20T03:12:07.123456Z"})",
                            R"({"k":"event","seq":1,"ts":"2026-09-20 03:12:07.123456Z"})",
                            R"({"k":"event","seq":1,"ts":"2026-09-20T03:12:07.1234567Z"})"})
    EXPECT_FALSE(line_front(other)) << other;
}

}  // namespace
}  // namespace socktrace
