// Ports and addresses.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "core/filter/filter.h"
#include "support/filter_world.h"

namespace socktrace {
namespace {

using namespace test::filters;

TEST(FilterPorts, EveryOperatorInEverySpelling) {
  struct Operator {
    const char* spelling;
    bool below, equal, above;
  };
  const Operator operators[] = {
      {"=", false, true, false},  {"==", false, true, false}, {"eq", false, true, false},
      {"", false, true, false},   {"!=", true, false, true},  {"ne", true, false, true},
      {"neq", true, false, true}, {">=", false, true, true},  {"ge", false, true, true},
      {"geq", false, true, true}, {"<=", true, true, false},  {"le", true, true, false},
      {"leq", true, true, false}, {">", false, false, true},  {"gt", false, false, true},
      {"<", true, false, false},  {"lt", true, false, false},
  };
  for (const Operator& op : operators) {
    const std::string value = std::string(" ") + op.spelling + " 443";
    EXPECT_EQ(accepts("sport" + value, tcp("127.0.0.1:442")), op.below) << op.spelling;
    EXPECT_EQ(accepts("sport" + value, tcp("127.0.0.1:443")), op.equal) << op.spelling;
    EXPECT_EQ(accepts("sport" + value, tcp("127.0.0.1:444")), op.above) << op.spelling;
    EXPECT_EQ(accepts("dport" + value, tcp("127.0.0.1:443", "127.0.0.1:442")), op.below) << op.spelling;
    EXPECT_EQ(accepts("dport" + value, tcp("127.0.0.1:1", "127.0.0.1:443")), op.equal) << op.spelling;
    EXPECT_EQ(accepts("dport" + value, tcp("127.0.0.1:443", "127.0.0.1:444")), op.above) << op.spelling;
  }
}

TEST(FilterPorts, AColonInFrontAndServiceNames) {
  for (const char* value : {"22", ":22", "ssh", ":ssh", "0x16", "026"})
    EXPECT_TRUE(accepts(std::string("sport = ") + value, tcp("[::1]:22"))) << value;
  EXPECT_TRUE(accepts("sport http-alt", tcp("127.0.0.1:8080")));
  EXPECT_TRUE(accepts("sport = 0", tcp("127.0.0.1:*")));
}

TEST(FilterPorts, AStarIsAnyPort) {
  for (const char* value : {"*", ":*", ":", "= *"}) {
    EXPECT_TRUE(accepts(std::string("sport ") + value, tcp("127.0.0.1:22"))) << value;
    EXPECT_TRUE(accepts(std::string("dport ") + value, tcp("127.0.0.1:22"))) << value;
  }
  EXPECT_FALSE(accepts("sport != *", tcp("127.0.0.1:22")));
  EXPECT_NE(error("sport > *").find("`*` can be compared with = and != only"), std::string::npos);
}

TEST(FilterPorts, AFamilyInFrontSelectsTheFamilyOfTheQuery) {
  for (const char* value : {"inet6:22", "inet6::22", "inet6:ssh", "inet6:[22]"}) {
    const Filter filter = parsed(std::string("sport ") + value);
    EXPECT_EQ(filter.family(), Family::inet6) << value;
    EXPECT_TRUE(filter.matches(tcp("[::1]:22"), {})) << value;
    EXPECT_FALSE(filter.matches(tcp("[::1]:23"), {})) << value;
  }
  EXPECT_TRUE(accepts("sport unix:*bus", unix_named("/run/bus"))) << "no ports: an address, as in ss";
  EXPECT_FALSE(accepts("sport != unix:*bus", unix_named("/run/bus")));
  EXPECT_TRUE(accepts("sport != unix:*bus", unix_named("/run/train")));
  Socket client = unix_named("");
  EXPECT_TRUE(accepts("dst unix:*", client)) << "a name that is not known is empty, as in ss";
  EXPECT_FALSE(accepts("dst unix:?*", client));
  const Socket padded = unix_named(std::string("@a\0b", 4));  // as it is shown
  EXPECT_TRUE(accepts("src unix:@a@b", padded));
  EXPECT_FALSE(accepts("src unix:@a", padded));
  client.details->peer_name = "/run/bus";
  EXPECT_TRUE(accepts("dst /run/*", client));
  EXPECT_FALSE(accepts("src /run/*", client));
}

TEST(FilterPorts, OfSocketsThatAreNotInet) {
  EXPECT_TRUE(accepts("sport 1234", other(Family::netlink, 1234)));
  EXPECT_TRUE(accepts("sport > 65535", other(Family::netlink, 70000)));
  EXPECT_TRUE(accepts("sport < 1025", other(Family::vsock, 1024, 3)));
}

TEST(FilterPorts, OfNetlinkAndVsockHave32BitsAndASign) {
  const Socket low = other(Family::netlink, 1234);
  const Socket chosen = other(Family::netlink, 4'000'000'000);
  EXPECT_TRUE(parsed("sport = 1234", Family::netlink).matches(low, {}));
  EXPECT_FALSE(parsed("sport = 1", Family::netlink).matches(low, {}));
  EXPECT_TRUE(parsed("sport = 4000000000", Family::netlink).matches(chosen, {}));
  EXPECT_TRUE(accepts("sport = netlink:-294967296", chosen));
  EXPECT_TRUE(accepts("sport < netlink:0", chosen));
  EXPECT_FALSE(accepts("sport > netlink:2000000000", chosen));
  EXPECT_TRUE(accepts("sport = netlink:kernel", other(Family::netlink, 0)));
  EXPECT_FALSE(accepts("dport = netlink:0", low));
  EXPECT_TRUE(accepts("sport = vsock:1024", other(Family::vsock, 1024, 3)));
  EXPECT_NE(error("sport = netlink:rtnl").find("`rtnl` is no port"), std::string::npos);
  EXPECT_FALSE(parsed("sport > vsock:70000").bytecode({}));
  for (const Socket& portless : {unix_named("/run/x"), other(Family::packet)}) {
    for (const char* text : {"sport = 0", "sport >= 0", "sport <= 65535", "dport 0"})
      EXPECT_FALSE(accepts(text, portless)) << text;
    EXPECT_TRUE(accepts("sport != 22", portless));
    EXPECT_TRUE(accepts("not sport = 22", portless));
  }
}

TEST(FilterPorts, ErrorsNameThePort) {
  EXPECT_NE(error("sport = 65536").find("65536"), std::string::npos);
  EXPECT_NE(error("sport = gopher").find("`gopher`"), std::string::npos);
  EXPECT_NE(error("sport = 22x").find("`22x`"), std::string::npos);
  EXPECT_NE(error("sport = SSH").find("`SSH`"), std::string::npos);
  EXPECT_NE(error("sport").find("a port after `sport`, got the end"), std::string::npos);
  EXPECT_NE(error("sport =").find("got the end"), std::string::npos);
  EXPECT_NE(error("sport = dport").find("got `dport`"), std::string::npos);
  EXPECT_NE(error("sport = and 22").find("got `and`"), std::string::npos);
  EXPECT_NE(error("sport = = 22").find("got `=`"), std::string::npos);
  EXPECT_NE(error("sport 22 33").find("`33`"), std::string::npos);
}

TEST(FilterHosts, SrcIsTheLocalEndAndDstThePeer) {
  const Socket socket = tcp("10.0.0.1:22", "10.0.0.2:50000");
  EXPECT_TRUE(accepts("src 10.0.0.1", socket));
  EXPECT_FALSE(accepts("src 10.0.0.2", socket));
  EXPECT_TRUE(accepts("dst 10.0.0.2", socket));
  EXPECT_FALSE(accepts("dst 10.0.0.1", socket));
}

TEST(FilterHosts, AnAddressMayHaveAPort) {
  const Socket socket = tcp("10.0.0.1:22", "10.0.0.2:50000");
  for (const char* host : {"10.0.0.1:22", "10.0.0.1:*", "10.0.0.1:", "10.0.0.1:ssh", ":22", "*:22", "any:22",
                           "10.0.0.0/8:22", "*", "*:*", ":", "any", "all", "default"})
    EXPECT_TRUE(accepts(std::string("src ") + host, socket)) << host;
  for (const char* host : {"10.0.0.1:23", "10.0.0.3:22", ":23", "*:23", "11.0.0.0/8:22"})
    EXPECT_FALSE(accepts(std::string("src ") + host, socket)) << host;
}

TEST(FilterHosts, PrefixesCoverTheirAddresses) {
  const Socket socket = tcp("10.20.30.40:22");
  for (const char* host : {"10.20.30.40", "10.20.30.40/32", "10.20.30.0/24", "10.20.28.0/22", "10.20/16",
                           "10/8", "10.0.0.0/255.0.0.0", "0/0", "10.20.30.40/31", "10.20.30.41/31"})
    EXPECT_TRUE(accepts(std::string("src ") + host, socket)) << host;
  for (const char* host : {"10.20.30.41", "10.20.30.48/29", "10.21/16", "10", "11/8"})
    EXPECT_FALSE(accepts(std::string("src ") + host, socket)) << host;
  const Socket six = tcp("[2001:db8::1]:22");
  for (const char* host : {"[2001:db8::1]", "[2001:db8::1]:22", "2001:db8::1/128", "2001:db8::/32", "::/0",
                           "[2001:db8::/32]:22", "2001:db8::3/126"})
    EXPECT_TRUE(accepts(std::string("src ") + host, six)) << host;
  for (const char* host : {"[2001:db8::2]", "[2001:db8::1]:23", "2001:db9::/32", "2001:db8::4/126"})
    EXPECT_FALSE(accepts(std::string("src ") + host, six)) << host;
}

TEST(FilterHosts, BytesOfAnIpv4AddressAreNumbersAsInC) {
  EXPECT_TRUE(accepts("src 0x7f.0.0.1", tcp("127.0.0.1:22")));
  EXPECT_TRUE(accepts("src 0177.0.0.01", tcp("127.0.0.1:22")));
  EXPECT_TRUE(accepts("src 010.0.0.1", tcp("8.0.0.1:22")));
  EXPECT_NE(error("src 09.0.0.1").find("`09.0.0.1`"), std::string::npos);
}

TEST(FilterHosts, BracketsHoldAnyAddress) {
  for (const char* host : {"[127.0.0.1]", "[127.0.0.1]:22", "[127/8]:22", "[any]", "[*]:22", "[]", "[]:22"})
    EXPECT_TRUE(accepts(std::string("src ") + host, tcp("127.0.0.1:22"))) << host;
  EXPECT_FALSE(accepts("src [127.0.0.1]:23", tcp("127.0.0.1:22")));
}

TEST(FilterHosts, APortMayFollowABracketOrStarAtOnce) {
  EXPECT_TRUE(accepts("src [::1]22", tcp("[::1]:22")));
  EXPECT_FALSE(accepts("src [::1]23", tcp("[::1]:22")));
  EXPECT_TRUE(accepts("src *ssh", tcp("[::1]:22")));
  EXPECT_FALSE(accepts("src *23", tcp("[::1]:22")));
}

TEST(FilterHosts, WhatEndsInANumberIsNotLookedUpAsAName) {
  FilterNames every_name = names();
  every_name.host = [](std::string_view, Family) { return std::vector{ipv4_host({127, 0, 0, 1})}; };
  for (const char* host :
       {"0x7f000001", "256", "1.2.3.4.5", "1.2.3.256", "127.0.0.1.", "a.1", "::1", "[::1::1]"})
    EXPECT_FALSE(Filter::parse(std::vector<std::string>{"src", host}, {every_name})) << host;
  for (const char* host : {"1e100.net", "4.example", "host", "host."})
    EXPECT_TRUE(Filter::parse(std::vector<std::string>{"src", host}, {every_name})) << host;
}

TEST(FilterHosts, AnIpv4AddressMatchesItsMappedForm) {
  EXPECT_TRUE(accepts("src 10.0.0.1", tcp("[::ffff:10.0.0.1]:22")));
  EXPECT_TRUE(accepts("src 10/8", tcp("[::ffff:10.0.0.1]:22")));
  EXPECT_FALSE(accepts("src 10.0.0.2", tcp("[::ffff:10.0.0.1]:22")));
  EXPECT_FALSE(accepts("src [::ffff:10.0.0.1]", tcp("10.0.0.1:22"))) << "but not the other way round";
  EXPECT_TRUE(accepts("src [::ffff:10.0.0.1]", tcp("[::ffff:10.0.0.1]:22")));
  EXPECT_FALSE(accepts("src 0.0.0.0", tcp("[::]:22")));
}

TEST(FilterHosts, FamiliesOfAddressesDoNotMix) {
  EXPECT_FALSE(accepts("src ::/0", tcp("10.0.0.1:22")));
  EXPECT_FALSE(accepts("src 0/0", tcp("[2001:db8::1]:22")));
  EXPECT_TRUE(accepts("src any", tcp("[2001:db8::1]:22")));
}

TEST(FilterHosts, ANameStandsForEachOfItsAddresses) {
  EXPECT_TRUE(accepts("dst twins.example", tcp("127.0.0.1:1", "192.0.2.1:80")));
  EXPECT_TRUE(accepts("dst twins.example:80", tcp("127.0.0.1:1", "192.0.2.2:80")));
  EXPECT_FALSE(accepts("dst twins.example:80", tcp("127.0.0.1:1", "192.0.2.2:81")));
  EXPECT_FALSE(accepts("dst twins.example", tcp("127.0.0.1:1", "192.0.2.3:80")));
}

TEST(FilterHosts, APrefixSelectsTheFamilyOfTheQuery) {
  EXPECT_EQ(parsed("src 10.0.0.1").family(), std::nullopt);
  EXPECT_EQ(parsed("src inet:10.0.0.1").family(), Family::inet);
  EXPECT_EQ(parsed("src inet6:[::1]").family(), Family::inet6);
  EXPECT_EQ(parsed("src unix:*").family(), Family::unix);
  EXPECT_EQ(parsed("src link:*").family(), Family::packet);
  EXPECT_EQ(parsed("src netlink:*").family(), Family::netlink);
  EXPECT_EQ(parsed("src vsock:*").family(), Family::vsock);
  EXPECT_EQ(parsed("src unix:* or src inet6:any").family(), Family::inet6) << "the last one counts";
}

TEST(FilterHosts, UnixNamesAreGlobsInAnyCase) {
  const Socket socket = unix_named("/run/dbus/system_bus_socket");
  EXPECT_TRUE(accepts("src unix:/run/dbus/*", socket));
  EXPECT_TRUE(accepts("src unix:*BUS*", socket));
  EXPECT_TRUE(accepts("src /run/dbus/*", socket)) << "a path needs no prefix";
  EXPECT_FALSE(accepts("src unix:/run", socket));
  EXPECT_FALSE(accepts("dst unix:?*", socket)) << "the peer's name is not known";
  EXPECT_TRUE(accepts("src @abc*", unix_named("@abcdef")));
  EXPECT_FALSE(accepts("src unix:*", tcp("127.0.0.1:1")));
}

TEST(FilterHosts, AnyAddressIsThatOfEveryFamily) {
  for (const Socket& socket : {unix_named("/run/x"), other(Family::netlink, 7), other(Family::packet),
                               other(Family::vsock, 7, 3), tcp("10.0.0.1:7")}) {
    for (const char* text : {"src any", "dst *", "src *:*", "src 0.0.0.0/0", "not src any:8"})
      EXPECT_TRUE(accepts(text, socket)) << text;
    EXPECT_FALSE(accepts("src any:8", socket));
    EXPECT_FALSE(accepts("not dst default", socket));
    EXPECT_FALSE(accepts("src 192.0.2.0/24", socket));
  }
}

TEST(FilterHosts, NetlinkPacketAndVsockAddresses) {
  Socket netlink = other(Family::netlink, 1234);
  netlink.protocol = 0;  // NETLINK_ROUTE
  EXPECT_TRUE(accepts("src netlink:rtnl", netlink));
  EXPECT_TRUE(accepts("src netlink:rtnl:1234", netlink));
  EXPECT_TRUE(accepts("src netlink:0", netlink));
  EXPECT_FALSE(accepts("src netlink:rtnl:kernel", netlink));
  EXPECT_FALSE(accepts("src netlink:audit", netlink));
  Socket packet = other(Family::packet);
  packet.protocol = 0x806;
  packet.ifindex = 2;
  EXPECT_TRUE(accepts("src link:arp", packet));
  EXPECT_TRUE(accepts("src link:*:eth0", packet));
  EXPECT_TRUE(accepts("src link:arp:2", packet));
  EXPECT_FALSE(accepts("src link:ip", packet));
  EXPECT_FALSE(accepts("src link:arp:3", packet));
  const Socket vsock = other(Family::vsock, 1024, 3);
  EXPECT_TRUE(accepts("src vsock:3:1024", vsock));
  EXPECT_TRUE(accepts("src vsock:*:1024", vsock));
  EXPECT_FALSE(accepts("src vsock:2", vsock));
}

TEST(FilterHosts, TheFamilyOptionDecidesHowAnAddressIsRead) {
  EXPECT_TRUE(parsed("src *bus*", Family::unix).matches(unix_named("/run/bus"), {}));
  EXPECT_FALSE(parse({"src [::1]"}, Family::inet));
  EXPECT_FALSE(parse({"src 10.0.0.1"}, Family::inet6));
}

TEST(FilterHosts, OnlyEqualityIsKnown) {
  for (const char* text : {"src = 10.0.0.1", "src == 10.0.0.1", "src eq 10.0.0.1"})
    EXPECT_TRUE(accepts(text, tcp("10.0.0.1:1"))) << text;
  EXPECT_NE(error("src != 10.0.0.1").find("write  not src"), std::string::npos);
  EXPECT_NE(error("dst > 10.0.0.1").find("`>`"), std::string::npos);
}

TEST(FilterHosts, ErrorsNameTheAddress) {
  for (const char* host :
       {"1.2.3.256", "1.2.3.4.5", "1.2.3.", "1..2", "10/33", "10/x", "10/255.0.255.0", "::1", "::1/129",
        "[::1", "[::1]/64", "10.0.0.1:65536", "nowhere.example", "inet6:1.2.3.4"})
    EXPECT_NE(error(std::string("src ") + host).find('`'), std::string::npos) << host;
  EXPECT_NE(error("src nowhere.example").find("`nowhere.example`"), std::string::npos);
  EXPECT_NE(error("src").find("an address after `src`"), std::string::npos);
  EXPECT_NE(error("src sport").find("got `sport`"), std::string::npos);
  EXPECT_NE(error("src link:nonsense").find("`nonsense`"), std::string::npos);
  EXPECT_NE(error("src link:arp:nonsense").find("`nonsense`"), std::string::npos);
}

}  // namespace
}  // namespace socktrace
