#include "sys/datagram_ring.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <random>

namespace socktrace::sys {
namespace {

bool put(DatagramRing& ring, uint32_t number, size_t length) {
  const std::span<std::byte> room = ring.room();
  if (room.empty()) return false;
  EXPECT_EQ(room.size(), kReceiveBuffer);
  std::memset(room.data(), static_cast<int>(number % 251), room.size());  // a receiver may write all of it
  std::memcpy(room.data(), &number, sizeof number);
  ring.put(NetlinkDatagram{.length = length});
  return true;
}

// The number of the oldest, which is taken; all of its bytes are as they were received.
uint32_t take(DatagramRing& ring) {
  const NetlinkDatagram& datagram = *ring.front();
  uint32_t number = 0;
  std::memcpy(&number, datagram.bytes, sizeof number);
  for (size_t i = sizeof number; i < datagram.length; ++i) {
    EXPECT_EQ(datagram.bytes[i], static_cast<std::byte>(number % 251)) << i;
    if (testing::Test::HasFailure()) break;
  }
  ring.take();
  return number;
}

TEST(DatagramRing, IsFullWhenNoDatagramIsSureToFit) {
  DatagramRing ring;
  uint32_t count = 0;
  while (put(ring, count, kReceiveBuffer)) ++count;
  EXPECT_EQ(count, (8U << 20) / kReceiveBuffer);
  EXPECT_EQ(take(ring), 0U);
  EXPECT_TRUE(put(ring, count, 100));
  EXPECT_FALSE(put(ring, count, 100));  // what is left of the place is too small
}

TEST(DatagramRing, KeepsOrderAndBytesOfAnyLengths) {
  DatagramRing ring;
  std::mt19937 random(1);
  uint32_t received = 0;
  uint32_t taken = 0;
  while (taken < 5000 && !testing::Test::HasFailure()) {
    for (uint32_t more = random() % 200; more > 0 && put(ring, received, 4 + random() % 40'000); --more)
      ++received;
    for (uint32_t more = random() % 200; more > 0 && !ring.empty(); --more) EXPECT_EQ(take(ring), taken++);
  }
}

TEST(DatagramRing, ALengthThatIsNotTrueTakesNoMoreThanTheRoom) {
  DatagramRing ring;
  ASSERT_TRUE(put(ring, 1, 100));
  const std::byte* const room = ring.room().data();
  ring.put(NetlinkDatagram{.length = SIZE_MAX});
  EXPECT_EQ(ring.room().data(), room + kReceiveBuffer);
  EXPECT_EQ(take(ring), 1U);
  EXPECT_EQ(ring.front()->length, SIZE_MAX);
}

TEST(DatagramRing, AnErrorIsTheLast) {
  DatagramRing ring;
  ASSERT_TRUE(put(ring, 1, 100));
  ring.put(Error::system("receive", ENOBUFS));
  EXPECT_EQ(take(ring), 1U);
  EXPECT_EQ(ring.front().error().code, ENOBUFS);
  EXPECT_TRUE(ring.room().empty());
}

}  // namespace
}  // namespace socktrace::sys
