#include "core/pace.h"

#include <gtest/gtest.h>

namespace socktrace {
namespace {

TEST(Pace, TheFirstTimeIsFree) {
  EXPECT_TRUE(Pace(100, 10).allows(0));
}

TEST(Pace, WhatCostsLittleWaitsForItsInterval) {
  Pace pace(100, 10);
  pace.took(1000, 3);
  EXPECT_FALSE(pace.allows(1099));
  EXPECT_TRUE(pace.allows(1100));
}

TEST(Pace, WhatCostsMuchWaitsUntilItIsAShareOfTheTime) {
  Pace pace(100, 10);
  pace.took(1000, 50);
  EXPECT_FALSE(pace.allows(1499));
  EXPECT_TRUE(pace.allows(1500));
}

TEST(Pace, OnCreditItWaitsForItsIntervalAlone) {
  Pace pace(100, 10);
  pace.took(1000, 50);
  EXPECT_FALSE(pace.allows_on_credit(1099));
  EXPECT_TRUE(pace.allows_on_credit(1100));
}

TEST(Pace, CreditIsPaidBackBeforeThereIsMore) {
  Pace pace(100, 10);
  pace.took(1000, 50);
  pace.took(1100, 50);
  EXPECT_FALSE(pace.allows_on_credit(1999));
  EXPECT_FALSE(pace.allows(1999));
  EXPECT_TRUE(pace.allows(2000));
  pace.took(2000, 50);
  EXPECT_TRUE(pace.allows_on_credit(2100));
}

TEST(Pace, DebtDoesNotPileUp) {
  Pace pace(100, 10);
  for (uint64_t began = 1000; began <= 1900; began += 100) pace.took(began, 50);
  EXPECT_TRUE(pace.allows(2900));
}

}  // namespace
}  // namespace socktrace
