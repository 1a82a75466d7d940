#include "diagnose/host_facts.h"

#include <gtest/gtest.h>

#include "support/temp_tree.h"

namespace socktrace::diagnose {
namespace {

TEST(HostFacts, ReadsTheSettingsOfANamespace) {
  test::TempTree tree;
  tree.file("proc/sys/net/ipv4/ip_unprivileged_port_start", "80\n")
      .file("proc/sys/net/ipv4/ip_local_port_range", "40000\t40010\n")
      .file("proc/sys/net/ipv4/ip_local_reserved_ports", "40001,40003-40005\n")
      .file("proc/sys/net/ipv4/ip_nonlocal_bind", "1\n")
      .file("proc/sys/net/ipv6/ip_nonlocal_bind", "0\n");
  const Result<HostFacts> facts = read_port_sysctls(tree.root());
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->unprivileged_port_start, 80);
  EXPECT_EQ(facts->local_ports, (PortRange{40000, 40010}));
  EXPECT_EQ(facts->reserved_ports, (std::vector<PortRange>{{40001, 40001}, {40003, 40005}}));
  EXPECT_TRUE(facts->nonlocal_bind_v4);
  EXPECT_FALSE(facts->nonlocal_bind_v6);
  EXPECT_TRUE(is_ephemeral(*facts, 40002));
  EXPECT_FALSE(is_ephemeral(*facts, 40004));
  EXPECT_FALSE(is_ephemeral(*facts, 39999));
}

TEST(HostFacts, AKernelWithoutASettingHasItsDefault) {
  test::TempTree tree;
  const Result<HostFacts> facts = read_port_sysctls(tree.root());
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->unprivileged_port_start, 1024);
  EXPECT_EQ(facts->local_ports, (PortRange{32768, 60999}));
  EXPECT_TRUE(facts->reserved_ports.empty());
}

TEST(HostFacts, NamesTheSettingItCannotRead) {
  test::TempTree tree;
  tree.file("proc/sys/net/ipv4/ip_local_port_range", "60999 32768\n");
  const Result<HostFacts> facts = read_port_sysctls(tree.root());
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().message, "ipv4/ip_local_port_range: not a port range: 60999 32768");
}

TEST(HostFacts, ReservedPortsMayBeEmptyButNotOutOfRange) {
  EXPECT_TRUE(parse_reserved_ports("\n")->empty());
  EXPECT_FALSE(parse_reserved_ports("80,70000"));
  EXPECT_FALSE(parse_reserved_ports("90-80"));
  EXPECT_FALSE(parse_reserved_ports("80,,90"));
  EXPECT_FALSE(parse_port_range("1024"));
  EXPECT_FALSE(parse_port_range("1024 x"));
}

}  // namespace
}  // namespace socktrace::diagnose
