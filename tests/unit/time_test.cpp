#include "core/time.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace socktrace {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

TEST(Time, Rfc3339HasSixDigitsAndIsCutNotRounded) {
  EXPECT_EQ(format_rfc3339(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_rfc3339(1'789'873'927ULL * kSecond + 123'456'999), "2026-09-20T03:12:07.123456Z");
  EXPECT_EQ(format_rfc3339(1'789'873'927ULL * kSecond + 999), "2026-09-20T03:12:07.000000Z");
}

TEST(Time, LeapDaysAndCenturiesAreRight) {
  EXPECT_EQ(format_date(951'782'400ULL * kSecond, true), "2000-02-29");
  EXPECT_EQ(format_date(1'709'251'199ULL * kSecond, true), "2024-02-29");
  EXPECT_EQ(format_date(1'709'251'200ULL * kSecond, true), "2024-03-01");
  EXPECT_EQ(format_date(4'107'542'400ULL * kSecond, true), "2100-03-01");  // 2100 is no leap year
  EXPECT_EQ(format_rfc3339(2'147'483'648ULL * kSecond), "2038-01-19T03:14:08.000000Z");
}

TEST(Time, DatesAgreeWithTheCLibraryForTwoCenturies) {
  for (uint64_t day = 0; day < 73'000; ++day) {
    const auto seconds = static_cast<time_t>(day * 86'400 + day % 86'400);
    tm utc{};
    gmtime_r(&seconds, &utc);
    char expected[16];
    strftime(expected, sizeof expected, "%Y-%m-%d", &utc);
    ASSERT_EQ(format_date(static_cast<uint64_t>(seconds) * kSecond, true), expected);
  }
}

TEST(Time, ClockIsLocalUnlessUtcIsAsked) {
  setenv("TZ", "XXX-5:30", 1);
  tzset();
  const uint64_t evening = 1'789'930'800ULL * kSecond + 5'000;  // 2026-09-20 19:00 UTC
  EXPECT_EQ(format_clock(evening, true), "19:00:00.000005");
  EXPECT_EQ(format_clock(evening, false), "00:30:00.000005");
  EXPECT_EQ(format_date(evening, true), "2026-09-20");
  EXPECT_EQ(format_date(evening, false), "2026-09-21");
  setenv("TZ", "XXX+8", 1);
  tzset();
  EXPECT_EQ(format_clock(evening, false), "11:00:00.000005");
  unsetenv("TZ");
  tzset();
}

TEST(Time, WallClockConvertsBothWays) {
  const WallClock ahead{1'700'000'000'000'000'000};
  EXPECT_EQ(ahead.realtime_ns(5), 1'700'000'000'000'000'005ULL);
  EXPECT_EQ(ahead.boottime_ns(1'700'000'000'000'000'005ULL), 5U);
  const WallClock before_1970_plus_uptime{-3};
  EXPECT_EQ(before_1970_plus_uptime.realtime_ns(10), 7U);
}

TEST(Time, DurationsShowTheTwoLargestUnits) {
  EXPECT_EQ(format_duration(0), "0s");
  EXPECT_EQ(format_duration(999), "0s");
  EXPECT_EQ(format_duration(532'900), "532us");
  EXPECT_EQ(format_duration(1'890'000), "1.8ms");
  EXPECT_EQ(format_duration(182'999'999), "182ms");
  EXPECT_EQ(format_duration(34'890'000'000), "34.8s");
  EXPECT_EQ(format_duration(60 * kSecond - 1), "59.9s");
  EXPECT_EQ(format_duration(192 * kSecond), "3m12s");
  EXPECT_EQ(format_duration(180 * kSecond), "3m");
  EXPECT_EQ(format_duration(18'060 * kSecond), "5h1m");
  EXPECT_EQ(format_duration((41 * 3600 + 59) * kSecond), "1d17h");
}

TEST(Time, ParsesDurationsOfTheCommandLine) {
  EXPECT_EQ(parse_duration("10s").value(), 10 * kSecond);
  EXPECT_EQ(parse_duration("5m").value(), 300 * kSecond);
  EXPECT_EQ(parse_duration("1h30m").value(), 5400 * kSecond);
  EXPECT_EQ(parse_duration("500ms").value(), kSecond / 2);
  EXPECT_EQ(parse_duration("2d3us").value(), 2 * 86'400 * kSecond + 3'000);
  EXPECT_EQ(parse_duration("0s").value(), 0U);
}

TEST(Time, RefusesWhatIsNotADuration) {
  for (const char* text : {"", "10", "s", "-5s", "+5s", " 5s", "5 s", "1.5h", "10x", "30m1h", "1s1s", "1h30",
                           "99999999999999999999s", "213504d", "213503d23h35m"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage) << text;
    EXPECT_NE(parsed.error().message.find(std::string("'") + text + "'"), std::string::npos);
  }
}

constexpr uint64_t kNow_ns = 1'789'873'927 * kSecond;  // 2026-09-20T03:12:07Z
const MomentBase kUtcBase{kNow_ns, kNow_ns, true};

std::string moment(std::string_view text, const MomentBase& base = kUtcBase) {
  const Result<uint64_t> parsed = parse_moment(text, base);
  return parsed ? format_rfc3339(*parsed) : parsed.error().message;
}

TEST(Time, MomentsAsJournalctlTakesThem) {
  EXPECT_EQ(moment("now"), "2026-09-20T03:12:07.000000Z");
  EXPECT_EQ(moment("today"), "2026-09-20T00:00:00.000000Z");
  EXPECT_EQ(moment("yesterday"), "2026-09-19T00:00:00.000000Z");
  EXPECT_EQ(moment("-15m"), "2026-09-20T02:57:07.000000Z");
  EXPECT_EQ(moment("+5s"), "2026-09-20T03:12:12.000000Z");
  EXPECT_EQ(moment("@1789873200.5"), "2026-09-20T03:00:00.500000Z");
  EXPECT_EQ(moment("2026-09-18"), "2026-09-18T00:00:00.000000Z");
  EXPECT_EQ(moment("2026-09-18 09:14"), "2026-09-18T09:14:00.000000Z");
  EXPECT_EQ(moment("2026-09-18 09:14:02.25"), "2026-09-18T09:14:02.250000Z");
  EXPECT_EQ(moment("2026-09-18T09:14:02"), "2026-09-18T09:14:02.000000Z");
  EXPECT_EQ(moment("2026-09-18T09:14:02+02:00"), "2026-09-18T07:14:02.000000Z");
}

TEST(Time, ATimeOfDayIsTheLastOneNotAfterTheLatest) {
  EXPECT_EQ(moment("03:12"), "2026-09-20T03:12:00.000000Z");
  EXPECT_EQ(moment("03:12:07"), "2026-09-20T03:12:07.000000Z");
  EXPECT_EQ(moment("03:12:07.1"), "2026-09-19T03:12:07.100000Z");
  EXPECT_EQ(moment("23:59"), "2026-09-19T23:59:00.000000Z");
  EXPECT_EQ(moment("03:12", {kNow_ns, kNow_ns - 86'400 * 5 * kSecond, true}), "2026-09-15T03:12:00.000000Z");
}

TEST(Time, MomentsInTheZoneOfTheProcess) {
  setenv("TZ", "XXX-5:30", 1);
  tzset();
  const MomentBase local{kNow_ns, kNow_ns, false};  // 08:42:07 there
  EXPECT_EQ(moment("08:42", local), "2026-09-20T03:12:00.000000Z");
  EXPECT_EQ(moment("today", local), "2026-09-19T18:30:00.000000Z");
  EXPECT_EQ(moment("2026-09-20 08:42:07", local), "2026-09-20T03:12:07.000000Z");
  EXPECT_EQ(moment("2026-09-20 03:12:07 UTC", local), "2026-09-20T03:12:07.000000Z");
  unsetenv("TZ");
  tzset();
}

TEST(Time, ATimeThatComesTwiceWhenSummerTimeEndsIsTheLastOneNotAfterTheLatest) {
  setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
  tzset();
  const auto at = [](std::string_view latest) { return MomentBase{kNow_ns, *parse_rfc3339(latest), false}; };
  EXPECT_EQ(moment("02:30", at("2026-10-25T00:30:03Z")), "2026-10-25T00:30:00.000000Z");
  EXPECT_EQ(moment("02:30", at("2026-10-25T01:29:00Z")), "2026-10-25T00:30:00.000000Z");
  EXPECT_EQ(moment("02:30", at("2026-10-25T01:30:03Z")), "2026-10-25T01:30:00.000000Z");
  EXPECT_EQ(moment("02:30", at("2026-10-25T00:29:00Z")), "2026-10-24T00:30:00.000000Z");
  EXPECT_EQ(moment("2026-10-25 02:30", at("2026-10-25T00:30:03Z")), "2026-10-25T00:30:00.000000Z");
  EXPECT_EQ(moment("2026-10-25 02:30", at("2026-10-26T00:00:00Z")), "2026-10-25T01:30:00.000000Z");
  EXPECT_EQ(moment("2026-10-25 02:30", at("2026-10-24T00:00:00Z")), "2026-10-25T00:30:00.000000Z");
  EXPECT_EQ(moment("2026-07-25 02:30", at("2026-10-24T00:00:00Z")), "2026-07-25T00:30:00.000000Z");
  EXPECT_EQ(moment("2026-12-25 02:30", at("2026-12-30T00:00:00Z")), "2026-12-25T01:30:00.000000Z");
  unsetenv("TZ");
  tzset();
}

TEST(Time, RefusesWhatIsNotAMoment) {
  for (const char* text :
       {"", "soon", "25:00", "3:12", "03:60", "03:12:61", "2026-02-30", "2026-13-01", "-", "-15", "@", "@x",
        "@99999999999999", "2026-09-20 ", "2026-09-20x", "03:12x", "-99999999h"})
    EXPECT_FALSE(parse_moment(text, kUtcBase)) << text;
}

}  // namespace
}  // namespace socktrace
