#include "diagnose/failure_counter.h"

#include <gtest/gtest.h>

#include "support/event_builder.h"

namespace socktrace::diagnose {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

Event failure(uint64_t second, const Process& process, const char* where = "0.0.0.0:8080") {
  return test::EventBuilder(EventKind::bind_failed, where).at(second * kSecond).by(process, 3).error(98);
}

TEST(FailureCounter, CountsARestartedServiceAsOne) {
  FailureCounter counter;
  EXPECT_EQ(counter.note(failure(10, test::process(1, "node", "u", "my.service"))), FailureCount({1, 0}));
  EXPECT_EQ(counter.note(failure(30, test::process(2, "node", "u", "my.service"))),
            FailureCount({2, 20 * kSecond}));
  EXPECT_EQ(counter.note(failure(50, test::process(3, "node", "u", "my.service"))),
            FailureCount({3, 40 * kSecond}));
}

TEST(FailureCounter, OtherProgramsUnitsAndPortsCountApart) {
  FailureCounter counter;
  const Process node = test::process(1, "node", "u", "my.service");
  EXPECT_EQ(counter.note(failure(10, node)).count, 1u);
  EXPECT_EQ(counter.note(failure(10, test::process(1, "nginx", "u", "my.service"))).count, 1u);
  EXPECT_EQ(counter.note(failure(10, test::process(1, "node", "u", "other.service"))).count, 1u);
  EXPECT_EQ(counter.note(failure(10, node, "0.0.0.0:8081")).count, 1u);
  EXPECT_EQ(counter.note(failure(11, node)).count, 2u);
}

TEST(FailureCounter, TenQuietMinutesEndARun) {
  FailureCounter counter;
  const Process node = test::process(1, "node");
  EXPECT_EQ(counter.note(failure(0, node)).count, 1u);
  EXPECT_EQ(counter.note(failure(600, node)), FailureCount({2, 600 * kSecond}));
  EXPECT_EQ(counter.note(failure(1201, node)), FailureCount({1, 0}));
}

TEST(FailureCounter, ManyProgramsDoNotGrowWithoutBound) {
  FailureCounter counter;
  for (uint32_t i = 0; i < 20'000; ++i)
    EXPECT_EQ(counter.note(failure(1, test::process(i, "p" + std::to_string(i)))).count, 1u);
}

TEST(FailureCounter, AFailureOfNobodyIsNotCounted) {
  FailureCounter counter;
  Event event = failure(1, test::process(1, "node"));
  event.process = nullptr;
  EXPECT_EQ(counter.note(event), FailureCount{});
}

}  // namespace
}  // namespace socktrace::diagnose
