#include <gtest/gtest.h>

#include <random>

#include "core/time.h"

namespace socktrace {
namespace {

TEST(Rfc3339, ParsesWhatItFormats) {
  std::mt19937_64 random(3339);
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t time_ns = random() % 9'214'646'400'000'000'000 / 1000 * 1000;  // before 2262
    ASSERT_EQ(*parse_rfc3339(format_rfc3339(time_ns)), time_ns) << format_rfc3339(time_ns);
  }
}

TEST(Rfc3339, KnownInstants) {
  EXPECT_EQ(*parse_rfc3339("1970-01-01T00:00:00Z"), 0u);
  EXPECT_EQ(*parse_rfc3339("2026-09-20T03:12:07.123456Z"), 1'789'873'927'123'456'000u);
  EXPECT_EQ(*parse_rfc3339("2026-09-20T05:12:07.123456789+02:00"), 1'789'873'927'123'456'789u);
  EXPECT_EQ(*parse_rfc3339("2024-02-29T23:59:59.5-00:30"), 1'709'252'999'500'000'000u);
}

TEST(Rfc3339, RefusesTimesThatDoNotExistAndOtherSpellings) {
  for (const char* text :
       {"", "now", "2026-09-20", "2026-09-20T03:12:07", "2026-09-20 03:12:07Z", "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00+2:00", "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01", "9999-01-01T00:00:00Z", "2026-01-01T00:00:00Zx"}) {
    const Result<uint64_t> time = parse_rfc3339(text);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().kind, ErrorKind::usage);
  }
}

}  // namespace
}  // namespace socktrace
