#include <gtest/gtest.h>

#include <cstring>

#include "diagnose/conflict.h"
#include "support/conflict_builder.h"

// The kernel's rules as tables, one row a case: what holds the port, what is asked, what the kernel answers.
namespace socktrace::test {
namespace {

struct Rule {
  Socket holder;
  diagnose::BindRequest asked;
  const char* outcome;  // "0" or the name of the errno
};

void expect(const std::vector<Rule>& rules) {
  for (size_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = rules[i];
    const diagnose::Verdict verdict =
        diagnose::explain(rule.asked, pointers({rule.holder}), loopback_facts());
    EXPECT_STREQ(verdict.error == 0 ? "0" : strerrorname_np(verdict.error), rule.outcome)
        << "row " << i << ": " << to_string(rule.holder.family, rule.holder.local) << " "
        << ss_name(rule.holder.state);
    EXPECT_EQ(verdict.conflicts.empty(), verdict.error == 0) << "row " << i;
  }
}

TEST(BindRules, AddressesOverlapWhenEqualOrOneIsAWildcard) {
  expect({
      {listener("127.0.0.1:8080"), request("127.0.0.1:8080"), "EADDRINUSE"},
      {listener("127.0.0.1:8080"), request("127.0.0.1:8081"), "0"},
      {listener("127.0.0.1:8080"), request("127.0.0.2:8080"), "0"},
      {listener("127.0.0.1:8080"), request("0.0.0.0:8080"), "EADDRINUSE"},
      {listener("0.0.0.0:8080"), request("127.0.0.1:8080"), "EADDRINUSE"},
      {listener("[::1]:8080"), request("[::]:8080"), "EADDRINUSE"},
      {listener("[::]:8080"), request("[::1]:8080"), "EADDRINUSE"},
      {listener("[::]:8080", "v6only"), request("[::1]:8080"), "EADDRINUSE"},
  });
}

TEST(BindRules, TheIpv6WildcardOwnsIpv4UnlessV6Only) {
  expect({
      {listener("[::]:8080"), request("0.0.0.0:8080"), "EADDRINUSE"},
      {listener("[::]:8080"), request("127.0.0.1:8080"), "EADDRINUSE"},
      {listener("[::]:8080"), request("[::ffff:127.0.0.1]:8080"), "EADDRINUSE"},
      {listener("[::]:8080", "v6only"), request("0.0.0.0:8080"), "0"},
      {listener("[::]:8080", "v6only"), request("127.0.0.1:8080"), "0"},
      {listener("[::]:8080", "v6only"), request("[::ffff:127.0.0.1]:8080"), "0"},
      {listener("0.0.0.0:8080"), request("[::]:8080"), "EADDRINUSE"},
      {listener("127.0.0.1:8080"), request("[::]:8080"), "EADDRINUSE"},
      {listener("127.0.0.1:8080"), request("[::]:8080", "v6only"), "0"},
      {listener("127.0.0.1:8080"), request("[::1]:8080"), "0"},
      {listener("[::1]:8080"), request("0.0.0.0:8080"), "0"},
      {listener("[::ffff:127.0.0.1]:8080"), request("127.0.0.1:8080"), "EADDRINUSE"},
  });
}

TEST(BindRules, ReuseAddressSharesWithEverythingButAListener) {
  expect({
      {listener("0.0.0.0:8080", "reuseaddr"), request("0.0.0.0:8080", "reuseaddr"), "EADDRINUSE"},
      {bound("0.0.0.0:8080", "reuseaddr"), request("0.0.0.0:8080", "reuseaddr"), "0"},
      {bound("0.0.0.0:8080"), request("0.0.0.0:8080", "reuseaddr"), "EADDRINUSE"},
      {bound("0.0.0.0:8080", "reuseaddr"), request("0.0.0.0:8080"), "EADDRINUSE"},
      {bound("0.0.0.0:8080", "reuseaddr"), request("0.0.0.0:8080", "reuseaddr listen"), "0"},
      {listener("0.0.0.0:8080", "reuseaddr"), request("0.0.0.0:8080", "reuseaddr listen"), "EADDRINUSE"},
  });
}

TEST(BindRules, TimeWaitBlocksUnlessBothHadReuseAddress) {
  expect({
      {time_wait("127.0.0.1:8080"), request("0.0.0.0:8080"), "EADDRINUSE"},
      {time_wait("127.0.0.1:8080"), request("0.0.0.0:8080", "reuseaddr"), "EADDRINUSE"},
      {time_wait("127.0.0.1:8080", "reuseaddr"), request("0.0.0.0:8080"), "EADDRINUSE"},
      {time_wait("127.0.0.1:8080", "reuseaddr"), request("0.0.0.0:8080", "reuseaddr"), "0"},
      {time_wait("127.0.0.1:8080"), request("127.0.0.2:8080"), "0"},
      {time_wait("127.0.0.1:8080", "reuseport uid=7"), request("0.0.0.0:8080", "reuseport uid=8"), "0"},
  });
}

TEST(BindRules, ReusePortSharesWithTheSameUidOnly) {
  expect({
      {listener("0.0.0.0:8080", "reuseport"), request("0.0.0.0:8080", "reuseport"), "0"},
      {listener("0.0.0.0:8080", "reuseport uid=7"), request("0.0.0.0:8080", "reuseport uid=8"), "EADDRINUSE"},
      {listener("0.0.0.0:8080"), request("0.0.0.0:8080", "reuseport"), "EADDRINUSE"},
      {listener("0.0.0.0:8080", "reuseport"), request("0.0.0.0:8080"), "EADDRINUSE"},
      {udp("0.0.0.0:53", "reuseport uid=7"), request("127.0.0.1:53", "udp root reuseport uid=7"), "0"},
      {udp("0.0.0.0:53", "reuseport uid=7"), request("127.0.0.1:53", "udp root reuseport uid=8"),
       "EADDRINUSE"},
  });
}

TEST(BindRules, UdpSharesWithReuseAddressWhateverTheOtherDoes) {
  expect({
      {udp("0.0.0.0:5353", "reuseaddr"), request("0.0.0.0:5353", "udp reuseaddr"), "0"},
      {udp("0.0.0.0:5353", "reuseaddr"), request("0.0.0.0:5353", "udp"), "EADDRINUSE"},
      {udp("0.0.0.0:5353"), request("224.0.0.251:5353", "udp"), "EADDRINUSE"},
      {udp("224.0.0.1:5353"), request("224.0.0.251:5353", "udp"), "0"},
      {udp("0.0.0.0:5353"), request("0.0.0.0:5353"), "0"},
  });
}

TEST(BindRules, SocketsOnDifferentDevicesNeverMeet) {
  expect({
      {listener("0.0.0.0:8080", "dev=1"), request("0.0.0.0:8080", "dev=2"), "0"},
      {listener("0.0.0.0:8080", "dev=1"), request("0.0.0.0:8080", "dev=1"), "EADDRINUSE"},
      {listener("0.0.0.0:8080", "dev=1"), request("0.0.0.0:8080"), "EADDRINUSE"},
      {listener("0.0.0.0:8080"), request("0.0.0.0:8080", "dev=1"), "EADDRINUSE"},
  });
}

TEST(BindRules, AConnectionKeepsItsSourcePortFromServers) {
  expect({
      {outgoing("127.0.0.1:40000", "127.0.0.1:80"), request("0.0.0.0:40000", "reuseaddr"), "EADDRINUSE"},
      {outgoing("127.0.0.1:40000", "127.0.0.1:80"), request("127.0.0.2:40000"), "0"},
      {accepted("127.0.0.1:8080", "127.0.0.1:40000"), request("0.0.0.0:8080"), "EADDRINUSE"},
      {accepted("127.0.0.1:8080", "127.0.0.1:40000", "reuseaddr"), request("0.0.0.0:8080", "reuseaddr"), "0"},
      // inet_rcv_saddr of a native IPv6 connection is 127.0.0.6, which the IPv4 wildcard covers.
      {outgoing("[::1]:40000", "[::1]:80"), request("0.0.0.0:40000"), "EADDRINUSE"},
      {outgoing("[::1]:40000", "[::1]:80", "v6only"), request("0.0.0.0:40000"), "0"},
      {outgoing("[::1]:40000", "[::1]:80"), request("127.0.0.1:40000"), "0"},
  });
}

TEST(BindRules, AConnectionThatEndedGivesItsPortBack) {
  Socket reset = outgoing("127.0.0.1:40000", "127.0.0.1:80");
  reset.state = State::close;
  Socket locked = reset;
  locked.options.port_locked = true;
  expect({
      {reset, request("127.0.0.1:40000"), "0"},
      {locked, request("127.0.0.1:40000"), "EADDRINUSE"},
      {tcp(State::syn_recv, "127.0.0.1:8080"), request("127.0.0.1:8080"), "0"},
  });
}

TEST(BindRules, OtherNamespacesProtocolsAndRawSocketsDoNotMatter) {
  Socket elsewhere = listener("0.0.0.0:8080");
  elsewhere.netns = 1;
  Socket raw = listener("0.0.0.0:8080");
  raw.type = 3;
  Socket mptcp = listener("0.0.0.0:8080");
  mptcp.protocol = 262;
  expect({
      {elsewhere, request("0.0.0.0:8080"), "0"},
      {raw, request("0.0.0.0:8080"), "0"},
      {udp("0.0.0.0:8080"), request("0.0.0.0:8080"), "0"},
      {mptcp, request("0.0.0.0:8080"), "EADDRINUSE"},
  });
}

TEST(BindRules, TheAddressIsJudgedBeforeOtherSockets) {
  const Socket other = listener("0.0.0.0:80");
  expect({
      {other, request("192.0.2.1:8080"), "EADDRNOTAVAIL"},
      {other, request("192.0.2.1:8080", "freebind"), "0"},
      {other, request("127.9.9.9:8080"), "0"},
      {other, request("224.0.0.1:8080"), "0"},
      {other, request("255.255.255.255:8080"), "0"},
      {other, request("[2001:db8::1]:8080"), "EADDRNOTAVAIL"},
      {other, request("[::1]:8080", "dev=2"), "EADDRNOTAVAIL"},
      {other, request("127.0.0.1:8080", "dev=2"), "0"},
      {other, request("[::ffff:127.0.0.1]:8080", "dev=2"), "0"},
      {other, request("[fe80::1]:8080", "dev=2"), "0"},
      {other, request("[fe80::1]:8080", "dev=1"), "EADDRNOTAVAIL"},
      {other, request("[fe80::1]:8080"), "EINVAL"},
      {other, request("[ff02::1]:8080"), "EINVAL"},
      {other, request("[::ffff:127.0.0.1]:8080", "v6only"), "EINVAL"},
      {other, request("127.0.0.1:81"), "EACCES"},
      {other, request("127.0.0.1:81", "root"), "0"},
      {other, request("127.0.0.1:80", "root"), "EADDRINUSE"},
      {other, request("127.0.0.1:8080", "rebind"), "EINVAL"},
  });
}

TEST(BindRules, Ipv4NamesTheForeignAddressBeforeThePrivilegedPortAndIpv6AfterIt) {
  const Socket other = listener("0.0.0.0:8080");
  expect({
      {other, request("192.0.2.1:81"), "EADDRNOTAVAIL"},
      {other, request("[2001:db8::1]:81"), "EACCES"},
      {other, request("[2001:db8::1]:8081", "rebind"), "EINVAL"},
      {other, request("192.0.2.1:8081", "rebind"), "EADDRNOTAVAIL"},
  });
}

TEST(BindRules, TheNewestUdpSiblingLetsASocketInWhateverOlderOnesSay) {
  const Socket plain = udp("127.0.0.1:9000");
  const Socket sibling = udp("127.0.0.2:9000", "reuseport");
  Socket late_plain = udp("127.0.0.1:9000");
  const diagnose::BindRequest wildcard = request("0.0.0.0:9000", "udp reuseport");
  EXPECT_EQ(explained(wildcard, {plain, sibling}), "0\n");
  EXPECT_NE(explained(wildcard, {sibling, late_plain}), "0\n");
}

TEST(BindRules, UdpMeetsIpv6SiblingsLast) {
  const Socket mapped = udp("[::ffff:127.0.0.1]:9000", "reuseport");
  const Socket stranger = udp("[::1]:9000", "reuseport uid=7");
  const diagnose::BindRequest wildcard = request("[::]:9000", "udp reuseport");
  // Both go to the end of the hash slot, so the older one is met first; IPv4 ones go to its front.
  EXPECT_EQ(explained(wildcard, {mapped, stranger}), "0\n");
  EXPECT_NE(explained(wildcard, {udp("[::1]:9000", "reuseport uid=7"), udp("[::1]:9000", "reuseport")}),
            "0\n");
  EXPECT_EQ(explained(wildcard, {stranger, udp("127.0.0.1:9000", "reuseport")}), "0\n");
}

TEST(BindRules, ASiblingThatListensLaterMarksThePortLast) {
  Socket first = listener("0.0.0.0:9000", "reuseaddr reuseport uid=7");
  const Socket second = bound("0.0.0.0:9000", "reuseaddr reuseport uid=8");
  first.changed_ns = second.opened_ns + 1;
  diagnose::BindRequest listen = request("0.0.0.0:9000", "reuseaddr reuseport uid=8 listen");
  listen.key = second.key;
  EXPECT_NE(explained(listen, {first, second}), "0\n");
}

TEST(BindRules, AConnectionMayHideTheMarkOfItsListener) {
  // The children of a wildcard SO_REUSEPORT listener that has closed, accepted by another user.
  const Socket child = accepted("127.0.0.1:9000", "127.0.0.1:50000", "reuseport uid=7");
  const diagnose::BindRequest sibling = request("127.0.0.1:9000", "reuseport uid=8");
  EXPECT_FALSE(diagnose::explain(sibling, pointers({child}), loopback_facts()).certain);
  const diagnose::BindRequest plain = request("127.0.0.1:9000", "uid=8");
  EXPECT_TRUE(diagnose::explain(plain, pointers({child}), loopback_facts()).certain);
}

TEST(BindRules, AConnectionWhosePortTheKernelChoseMayHideAMarkToo) {
  // bind() to port 0 leaves a mark, connect() without bind() does not; afterwards they look the same.
  const std::vector<Socket> sockets = {bound("0.0.0.0:9000", "reuseport uid=8 dev=3"),
                                       outgoing("[::1]:9000", "[::1]:80", "reuseport uid=7")};
  const diagnose::BindRequest wildcard = request("[::]:9000", "reuseport uid=8");
  EXPECT_FALSE(diagnose::explain(wildcard, pointers(sockets), loopback_facts()).certain);
}

TEST(BindRules, ThePlaceholderOfIpv6ConnectionsMeetsTheIpv4WildcardOnly) {
  expect({
      {outgoing("[::1]:9000", "[::1]:80"), request("127.0.0.6:9000"), "0"},
      {outgoing("[::1]:9000", "[::1]:80"), request("[::ffff:0.0.0.0]:9000"), "0"},
      {outgoing("[::1]:9000", "[::1]:80"), request("0.0.0.0:9000"), "EADDRINUSE"},
      {time_wait("[::1]:9000"), request("0.0.0.0:9000"), "EADDRINUSE"},
  });
}

TEST(BindRules, TcpLetsASiblingInWithoutLookingAtOtherDevices) {
  const Socket other_uid = bound("127.0.0.1:9000", "reuseport uid=7 dev=1");
  const Socket sibling = bound("127.0.0.1:9000", "reuseport uid=8 dev=2");
  const diagnose::BindRequest everywhere = request("127.0.0.1:9000", "reuseport uid=8");
  EXPECT_EQ(explained(everywhere, {other_uid, sibling}), "0\n");
  EXPECT_NE(explained(everywhere, {other_uid}), "0\n");
}

TEST(BindRules, ATentativeAddressIsThereButCannotBeBound) {
  diagnose::HostFacts facts = loopback_facts();
  facts.addresses.push_back({.family = Family::inet6,
                             .address = parse_endpoint("[fd77::5]:0").endpoint.address,
                             .prefix_length = 128,
                             .ifindex = 3,
                             .tentative = true});
  const diagnose::BindRequest tentative = request("[fd77::5]:9000");
  EXPECT_EQ(
      text(diagnose::explain(tentative, {}, facts)),
      "EADDRNOTAVAIL\n  address_tentative [nobody]: the address fd77::5 is tentative: duplicate address "
      "detection has not finished, or another host has it; bind later, or set IPV6_FREEBIND | ip -6 "
      "address show tentative\n");
  facts.addresses.push_back(facts.addresses.back());
  facts.addresses.back().tentative = false;
  EXPECT_EQ(diagnose::explain(tentative, {}, facts).error, 0);
}

TEST(BindRules, PortZeroFailsOnlyWhenEveryUnreservedPortIsTaken) {
  diagnose::HostFacts facts = loopback_facts();
  facts.local_ports = {40000, 40003};
  facts.reserved_ports = {{40001, 40001}};
  std::vector<Socket> sockets = {bound("0.0.0.0:40000"), bound("127.0.0.1:40002")};
  const diagnose::BindRequest any = request("127.0.0.1:0", "reuseaddr");
  EXPECT_EQ(diagnose::explain(any, pointers(sockets), facts).error, 0);
  sockets.push_back(owned_by(outgoing("127.0.0.1:40003", "127.0.0.1:80"), 7, "curl"));
  EXPECT_EQ(
      text(diagnose::explain(any, pointers(sockets), facts)),
      "EADDRINUSE\n"
      "  range_exhausted [ESTAB 127.0.0.1:40003]: no port of net.ipv4.ip_local_port_range (40000-40003) is "
      "free for this address; the holder has 1 of them | sysctl net.ipv4.ip_local_port_range\n");
  EXPECT_EQ(diagnose::explain(request("127.0.0.2:0"), pointers(sockets), facts).error, 0);
}

TEST(BindRules, PortZeroThatFailsWhileThereAreFreePortsIsOfARangeOfItsOwn) {
  diagnose::HostFacts facts = loopback_facts();
  facts.local_ports = {40000, 40003};
  const std::vector<Socket> sockets = {owned_by(bound("0.0.0.0:40000"), 7, "named")};
  const std::vector<Conflict> conflicts =
      diagnose::holders_of_failure(request("127.0.0.1:0"), EADDRINUSE, pointers(sockets), facts);
  EXPECT_EQ(
      text(conflicts),
      "  range_exhausted [nobody]: the kernel found no port for this address, although 3 of "
      "net.ipv4.ip_local_port_range (40000-40003) are free now: the socket has a smaller range of its own "
      "(IP_LOCAL_PORT_RANGE), or ports have become free since | sysctl net.ipv4.ip_local_port_range\n");
}

}  // namespace
}  // namespace socktrace::test
