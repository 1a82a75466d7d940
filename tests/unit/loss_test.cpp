#include "core/loss.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

namespace socktrace {
namespace {

std::string text(const LossRun& run) {
  return fmt::format("cpu{} {} {}..{}", run.cpu, run.count, run.from_ns, run.to_ns);
}

std::string text(const std::optional<LossRun>& run) {
  return run ? text(*run) : "none";
}

std::string settled(LossLedger& ledger, std::span<const uint64_t> lost, uint64_t now_ns) {
  std::string told;
  ledger.settle(lost, now_ns, [&](const LossRun& run) { told += text(run) + '\n'; });
  return told;
}

TEST(LossLedger, ARunLiesBetweenTwoRecordsOfItsCpu) {
  LossLedger ledger(2, 5);
  EXPECT_EQ(text(ledger.note(0, 0, 10)), "none");
  EXPECT_EQ(text(ledger.note(1, 0, 11)), "none");
  EXPECT_EQ(text(ledger.note(0, 3, 20)), "cpu0 3 10..20");
  EXPECT_EQ(text(ledger.note(0, 3, 21)), "none");
  EXPECT_EQ(text(ledger.note(1, 1, 30)), "cpu1 1 11..30");
  EXPECT_EQ(ledger.lost(), 4u);
  EXPECT_EQ(ledger.runs(), 2u);
  EXPECT_EQ(ledger.delivered(), 5u);
}

TEST(LossLedger, BeforeTheFirstRecordARunBeginsWithTheTracing) {
  LossLedger ledger(1, 5);
  EXPECT_EQ(text(ledger.note(0, 7, 10)), "cpu0 7 5..10");
}

TEST(LossLedger, WhatNoRecordFollowsIsTakenFromTheCounters) {
  LossLedger ledger(2, 5);
  (void)ledger.note(1, 2, 10);
  EXPECT_EQ(settled(ledger, std::array<uint64_t, 2>{4, 5}, 100), "cpu0 4 5..100\ncpu1 3 10..100\n");
  EXPECT_EQ(settled(ledger, std::array<uint64_t, 2>{4, 5}, 101), "");
  EXPECT_EQ(ledger.lost(), 9u);
}

// The counters may be ahead of a record that is in the ring by now.
TEST(LossLedger, WhatWasSettledIsNotToldAgainByTheNextRecord) {
  LossLedger ledger(1, 5);
  EXPECT_EQ(settled(ledger, std::array<uint64_t, 1>{6}, 100), "cpu0 6 5..100\n");
  EXPECT_EQ(text(ledger.note(0, 4, 90)), "none");
  EXPECT_EQ(text(ledger.note(0, 6, 110)), "none");
  EXPECT_EQ(text(ledger.note(0, 7, 120)), "cpu0 1 110..120");
}

// A softirq that interrupts a record takes its place in the ring behind it, but its stamp may be older.
TEST(LossLedger, AnOlderStampAfterANewerOneIsNoLoss) {
  LossLedger ledger(1, 5);
  EXPECT_EQ(text(ledger.note(0, 2, 10)), "cpu0 2 5..10");
  EXPECT_EQ(text(ledger.note(0, 1, 9)), "none");
  EXPECT_EQ(text(ledger.note(0, 2, 11)), "none");
  EXPECT_EQ(ledger.lost(), 2u);
}

TEST(LossLedger, TheStampGoesRoundAfterFourThousandMillion) {
  LossLedger ledger(1, 5);
  constexpr uint64_t kMany = 0xffff'fff0;
  EXPECT_EQ(settled(ledger, std::array<uint64_t, 1>{kMany}, 10), "cpu0 4294967280 5..10\n");
  EXPECT_EQ(text(ledger.note(0, 0x0000'0004, 20)), "cpu0 20 10..20")
      << "the last that is known of it was at 10";
  EXPECT_EQ(ledger.lost(), 0x1'0000'0004u);
}

TEST(LossLedger, ACpuBeyondTheKernelsSlotsSharesOne) {
  LossLedger ledger(4, 5);
  EXPECT_EQ(text(ledger.note(6, 3, 10)), "cpu2 3 5..10");
  EXPECT_EQ(text(ledger.note(2, 3, 11)), "none");
}

// Whatever is lost wherever, and whenever the counters are read: the runs add up to the kernel's counters.
TEST(LossLedger, TheRunsAddUpToTheCountersAndNeverOverlap) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    LossLedger ledger(3, 0);
    std::array<uint64_t, 3> kernel{};
    std::array<uint64_t, 3> ended{};
    uint64_t attempted = 0, told = 0, now_ns = 1;
    const auto tell = [&](const LossRun& run) {
      told += run.count;
      EXPECT_GE(run.from_ns, ended[run.cpu]) << "seed " << seed;
      EXPECT_GE(run.to_ns, run.from_ns) << "seed " << seed;
      ended[run.cpu] = run.to_ns;
    };
    for (int step = 0; step < 500; ++step, ++now_ns) {
      const auto cpu = static_cast<uint16_t>(random() % 3);
      switch (random() % 8) {
        case 0:
          ledger.settle(kernel, now_ns, tell);
          break;
        case 1:
        case 2:
        case 3:
          ++kernel[cpu];
          ++attempted;
          break;
        default:
          ++attempted;
          if (const auto run = ledger.note(cpu, static_cast<uint32_t>(kernel[cpu]), now_ns)) tell(*run);
      }
    }
    ledger.settle(kernel, now_ns, tell);
    EXPECT_EQ(told, kernel[0] + kernel[1] + kernel[2]) << "seed " << seed;
    EXPECT_EQ(attempted, ledger.delivered() + ledger.lost()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace socktrace
