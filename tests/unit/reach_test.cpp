#include "core/reach.h"

#include <gtest/gtest.h>

#include "support/conflict_builder.h"

namespace socktrace::test {
namespace {

struct Case {
  const char* address;
  const char* reach;
};

TEST(Reach, FollowsTheAddress) {
  const Case cases[] = {
      {"127.0.0.1", "loopback"},
      {"127.255.0.9", "loopback"},
      {"0.0.0.0", "any iface"},
      {"10.1.2.3", "private"},
      {"172.15.0.1", "public"},
      {"172.16.0.1", "private"},
      {"172.31.255.255", "private"},
      {"172.32.0.1", "public"},
      {"192.168.0.1", "private"},
      {"192.169.0.1", "public"},
      {"100.63.255.255", "public"},
      {"100.64.0.1", "private"},
      {"100.127.255.255", "private"},
      {"100.128.0.1", "public"},
      {"169.254.169.254", "link local"},
      {"224.0.0.251", "link local"},
      {"224.0.1.1", "public"},
      {"239.255.255.250", "private"},
      {"255.255.255.255", "link local"},
      {"203.0.113.9", "public"},
      {"[::]", "any iface"},
      {"[::1]", "loopback"},
      {"[::2]", "public"},
      {"[::ffff:127.0.0.1]", "loopback"},
      {"[::ffff:10.0.0.1]", "private"},
      {"[::ffff:0.0.0.0]", "any iface"},
      {"[fe80::1]", "link local"},
      {"[febf::1]", "link local"},
      {"[fec0::1]", "private"},
      {"[fc00::1]", "private"},
      {"[fdff::1]", "private"},
      {"[fe00::1]", "public"},
      {"[ff01::1]", "loopback"},
      {"[ff02::fb]", "link local"},
      {"[ff05::2]", "private"},
      {"[ff0e::1]", "public"},
      {"[2001:db8::1]", "public"},
  };
  for (const Case& c : cases) {
    const TextEndpoint parsed = parse_endpoint(std::string(c.address) + ":80");
    EXPECT_EQ(name(reach_of(parsed.family, parsed.endpoint.address)), c.reach) << c.address;
  }
}

TEST(Reach, TheLoopbackDeviceKeepsTheWildcardIn) {
  EXPECT_EQ(reach_of(listener("0.0.0.0:80", "dev=1")), Reach::loopback);
  EXPECT_EQ(reach_of(listener("0.0.0.0:80", "dev=2")), Reach::any_interface);
  EXPECT_FALSE(is_exposed(Reach::loopback));
  EXPECT_TRUE(is_exposed(Reach::link_local));
}

}  // namespace
}  // namespace socktrace::test
