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

}  // namespace
}  // namespace socktrace
