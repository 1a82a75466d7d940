#include "core/address.h"

#include <gtest/gtest.h>

#include "core/socket.h"

namespace socktrace {
namespace {

constexpr AddressBytes kLoopback4 = {127, 0, 0, 1};
constexpr AddressBytes kLoopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr AddressBytes kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};

TEST(Address, Ipv6IsBracketedOnlyBesideAPort) {
  EXPECT_EQ(to_string(Family::inet6, kLoopback6), "::1");
  EXPECT_EQ(to_string(Family::inet6, Endpoint{kLoopback6, 80}), "[::1]:80");
  EXPECT_EQ(to_string(Family::inet, Endpoint{kLoopback4, 0}), "127.0.0.1:*");
}

TEST(Address, V4MappedLoopbackIsLoopbackButNotAWildcard) {
  EXPECT_TRUE(is_v4_mapped(Family::inet6, kMapped));
  EXPECT_TRUE(is_loopback(Family::inet6, kMapped));
  EXPECT_FALSE(is_wildcard(Family::inet6, kMapped));
  EXPECT_TRUE(is_wildcard(Family::inet, AddressBytes{0, 0, 0, 0, 9}));
}

}  // namespace
}  // namespace socktrace
