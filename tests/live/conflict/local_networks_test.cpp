#include <gtest/gtest.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <set>

#include "core/socket.h"
#include "sandbox.h"

namespace socktrace::test {
namespace {

std::multiset<std::string> as_text(const std::vector<diagnose::LocalNetwork>& networks) {
  std::multiset<std::string> lines;
  for (const diagnose::LocalNetwork& network : networks)
    lines.insert(to_string(network.family, network.address) + "/" + std::to_string(network.prefix_length) +
                 (network.interface_only ? " of its interface only" : ""));
  return lines;
}

// "ip: Treat IPv4 segment's lowest address as unicast" (5.14) took its route out of the table local.
bool lowest_address_is_a_broadcast() {
  utsname kernel{};
  int major = 0;
  int minor = 0;
  if (uname(&kernel) != 0 || std::sscanf(kernel.release, "%d.%d", &major, &minor) != 2) return false;
  return major < 5 || (major == 5 && minor < 14);
}

TEST(LocalNetworksLive, ANamespaceWithoutAddressesHasNone) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root for a network namespace";
  ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
  const auto networks = diagnose::read_local_networks();
  ASSERT_TRUE(networks) << networks.error().message;
  EXPECT_EQ(as_text(*networks), (std::multiset<std::string>{}));
}

TEST(LocalNetworksLive, AreWhatBindAccepts) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root for a network namespace";
  const Sandbox sandbox;
  std::multiset<std::string> expected = {
      "10.99.0.1/32",       "10.99.0.255/32",
      "127.0.0.0/8",        "127.0.0.1/32",
      "127.255.255.255/32", "::1/128 of its interface only",
      "fd99::1/128",        "fe80::1/128 of its interface only",
  };
  if (lowest_address_is_a_broadcast()) expected.insert({"10.99.0.0/32", "127.0.0.0/32"});
  EXPECT_EQ(as_text(sandbox.facts().addresses), expected);
}

}  // namespace
}  // namespace socktrace::test
