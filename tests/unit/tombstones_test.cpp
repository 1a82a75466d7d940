#include "core/tracker/tombstones.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace socktrace {
namespace {

constexpr uint64_t kCookies = 50;

SocketKey key(uint64_t cookie) {
  SocketKey key;
  key.cookie = cookie;
  return key;
}

TEST(Tombstones, AddToWhatIsKnown) {
  Tombstones stones;
  stones.add(key(1), 20, false, true);
  stones.add(key(1), 10, true, false);
  ASSERT_NE(stones.find(key(1)), nullptr);
  EXPECT_EQ(stones.find(key(1))->time_ns, 20U);
  EXPECT_TRUE(stones.find(key(1))->closed);
  EXPECT_TRUE(stones.find(key(1))->released);
  EXPECT_EQ(stones.size(), 1U);
  EXPECT_EQ(stones.find(key(2)), nullptr);
}

TEST(Tombstones, AreForgottenInTheOrderInWhichTheyCame) {
  Tombstones stones;
  stones.add(key(1), 10, true, true);
  stones.add(key(2), 20, true, true);
  stones.add(key(3), 30, true, true);
  stones.forget_before(20);
  EXPECT_EQ(stones.find(key(1)), nullptr);
  EXPECT_NE(stones.find(key(2)), nullptr);
  stones.add(key(2), 40, true, true);
  stones.forget_before(35);
  EXPECT_NE(stones.find(key(3)), nullptr);
  stones.forget_before(41);
  EXPECT_EQ(stones.size(), 0U);
}

// Against the obvious way to do it: a map that is searched from one end to the other.
TEST(Tombstones, AreThoseOfAMapWhateverHappens) {
  std::mt19937_64 random(1);
  const auto any = [&](uint64_t most) { return random() % most; };
  Tombstones stones;
  std::map<uint64_t, Tombstones::Stone> expected;
  for (uint64_t now_ns = 1; now_ns <= 20'000; ++now_ns) {
    const uint64_t cookie = any(kCookies);
    if (any(3) > 0) {
      const bool closed = any(2) == 0;
      stones.add(key(cookie), now_ns, closed, !closed);
      Tombstones::Stone& stone = expected[cookie];
      stone = {now_ns, stone.closed || closed, stone.released || !closed};
    } else {
      stones.erase(key(cookie));
      expected.erase(cookie);
    }
    const uint64_t oldest_ns = now_ns - std::min(now_ns, uint64_t{30});
    if (any(4) == 0) stones.forget_before(oldest_ns);
    for (uint64_t asked = 0; asked < kCookies; ++asked) {
      const Tombstones::Stone* found = stones.find(key(asked));
      const auto known = expected.find(asked);
      if (found == nullptr && known != expected.end() && known->second.time_ns < oldest_ns) {
        expected.erase(known);
        continue;
      }
      ASSERT_EQ(found != nullptr, known != expected.end()) << now_ns << ", cookie " << asked;
      if (!found) continue;
      EXPECT_EQ(found->time_ns, known->second.time_ns);
      EXPECT_EQ(found->closed, known->second.closed);
      EXPECT_EQ(found->released, known->second.released);
    }
    ASSERT_EQ(stones.size(), expected.size()) << now_ns;
  }
}

}  // namespace
}  // namespace socktrace
