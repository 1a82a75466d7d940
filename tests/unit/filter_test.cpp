#include "core/filter/filter.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "support/record_builder.h"

namespace socktrace {
namespace {

using filter::HostCondition;
using test::DumpRow;

HostCondition ipv4_host(const AddressBytes& address) {
  HostCondition host;
  host.family = Family::inet;
  host.address = address;
  host.prefix_length = 32;
  return host;
}

FilterNames names() {
  return {
      .service = [](std::string_view name) -> std::optional<uint16_t> {
        if (name == "ssh") return 22;
        if (name == "http-alt") return 8080;
        return std::nullopt;
      },
      .host = [](std::string_view name, Family family) -> std::vector<HostCondition> {
        std::vector<HostCondition> found;
        if (name != "twins.example") return found;
        if (family != Family::inet6)
          for (const uint8_t last : {1, 2}) found.push_back(ipv4_host({192, 0, 2, last}));
        return found;
      },
      .device = [](std::string_view name) -> std::optional<uint32_t> {
        if (name == "eth0") return 2;
        return std::nullopt;
      },
      .cgroup = [](std::string_view path) -> std::optional<uint64_t> {
        if (path == "/system.slice") return 77;
        return std::nullopt;
      },
      .user = [](std::string_view name) -> std::optional<uint32_t> {
        if (name == "www-data") return 33;
        return std::nullopt;
      },
      .netns = [](std::string_view name) -> std::optional<uint32_t> {
        if (name == "blue") return 4026532000;
        return std::nullopt;
      },
  };
}

Result<Filter> parse(std::vector<std::string> words, Family family = Family::unspecified) {
  return Filter::parse(words, {names(), family});
}

// A filter that is right.
Filter parsed(const std::string& text, Family family = Family::unspecified) {
  Result<Filter> filter = parse({text}, family);
  EXPECT_TRUE(filter) << text << ": " << (filter ? "" : filter.error().message);
  return filter ? *filter : Filter();
}

bool accepts(const std::string& text, const Socket& socket) {
  return parsed(text).matches(socket, {});
}

// What is said of a filter that is wrong.
std::string error(const std::string& text) {
  Result<Filter> filter = parse({text});
  if (filter) return "accepted";
  EXPECT_EQ(filter.error().kind, ErrorKind::usage) << text;
  return filter.error().message;
}

Socket tcp(const std::string& local, const std::string& peer = "0.0.0.0:*",
           State state = State::established) {
  return DumpRow(1, state, local, peer).socket;
}

// A socket of a family without Endpoints.
Socket other(Family family, uint32_t port = 0, uint32_t node = 0) {
  Socket socket;
  socket.family = family;
  socket.state = State::close;
  socket.details.make().port = port;
  socket.details->node = node;
  return socket;
}

Socket unix_named(const std::string& name) {
  Socket socket = other(Family::unix);
  socket.details->name = name;
  return socket;
}

Process process(uint32_t pid, const std::string& name) {
  Process made;
  made.pid = pid;
  made.name = name;
  return made;
}

Socket owned_by(const Process& process) {
  Socket socket = tcp("127.0.0.1:80");
  socket.owners.push_back({.process = std::make_shared<const Process>(process), .fd = 3});
  return socket;
}

// Three conditions whose truth a test chooses.
Socket facts(bool port, bool peer_port, bool device) {
  Socket socket = tcp(port ? "127.0.0.1:22" : "127.0.0.1:23", peer_port ? "127.0.0.2:80" : "127.0.0.2:81");
  socket.ifindex = device ? 2 : 3;
  return socket;
}

// The truth table of a filter over sport 22 (A), dport 80 (B), dev eth0 (C): ABC = 000, 001 … 111.
std::string truth(std::string text) {
  const std::pair<char, const char*> letters[] = {{'A', "sport 22"}, {'B', "dport 80"}, {'C', "dev eth0"}};
  std::string expression;
  for (const char letter : text) {
    const char* condition = nullptr;
    for (const auto& [name, meaning] : letters)
      if (name == letter) condition = meaning;
    expression += condition ? condition : std::string(1, letter);
  }
  const Filter filter = parsed(expression);
  std::string bits;
  for (int i = 0; i < 8; ++i) bits += filter.matches(facts(i & 4, i & 2, i & 1), {}) ? '1' : '0';
  return bits;
}

TEST(FilterWords, NothingAcceptsEverySocket) {
  for (const auto& words : {std::vector<std::string>{}, {""}, {" ", "\t"}}) {
    const Result<Filter> filter = parse(words);
    ASSERT_TRUE(filter);
    EXPECT_TRUE(filter->empty());
    EXPECT_TRUE(filter->matches(tcp("127.0.0.1:22"), {}));
    EXPECT_FALSE(filter->bytecode({}));
  }
}

TEST(FilterWords, ArgumentsAreSplitAtBlanks) {
  for (const auto& words : {std::vector<std::string>{"sport", "=", "22"},
                            {"sport = 22"},
                            {"sport =", "22"},
                            {" sport\t=\n22 "}}) {
    const Result<Filter> filter = parse(words);
    ASSERT_TRUE(filter);
    EXPECT_TRUE(filter->matches(tcp("127.0.0.1:22"), {}));
    EXPECT_FALSE(filter->matches(tcp("127.0.0.1:23"), {}));
  }
}

TEST(FilterWords, AWordDoesNotReachFromOneArgumentIntoTheNext) {
  const Result<Filter> filter = parse({"spo", "rt", "22"});
  ASSERT_FALSE(filter);
  EXPECT_NE(filter.error().message.find("`spo`"), std::string::npos);
}

TEST(FilterWords, ABackslashKeepsTheNextCharacter) {
  EXPECT_TRUE(accepts("s\\port 2\\2", tcp("127.0.0.1:22")));
  EXPECT_TRUE(accepts("src unix:/run/a\\ b", unix_named("/run/a b")));
  EXPECT_FALSE(accepts("src unix:/run/a\\ b", unix_named("/run/a")));
}

TEST(FilterWords, ABackslashAtTheEndIsDropped) {
  EXPECT_TRUE(accepts("sport 22\\", tcp("127.0.0.1:22")));
  EXPECT_NE(error("\\").find("``"), std::string::npos);
}

TEST(FilterWords, OperatorsAndConditionsAreCaseSensitive) {
  EXPECT_NE(error("SPORT 22").find("`SPORT`"), std::string::npos);
  EXPECT_NE(error("sport 22 AND dport 80").find("`AND`"), std::string::npos);
}

TEST(FilterList, AndOrGroupFromLeftToRight) {
  EXPECT_EQ(truth("A and B"), "00000011");
  EXPECT_EQ(truth("A or B"), "00111111");
  EXPECT_EQ(truth("A or B and C"), "00010101") << "( A or B ) and C";
  EXPECT_EQ(truth("A and B or C"), "01010111") << "( A and B ) or C";
  EXPECT_EQ(truth("C or A and B"), "00010011");
}

TEST(FilterList, EverySpellingOfAndAndOr) {
  for (const char* both : {"A and B", "A & B", "A && B", "A B"}) EXPECT_EQ(truth(both), "00000011") << both;
  for (const char* either : {"A or B", "A | B", "A || B"}) EXPECT_EQ(truth(either), "00111111") << either;
}

TEST(FilterList, NothingBetweenConditionsIsAnd) {
  EXPECT_EQ(truth("A B C"), "00000001");
  EXPECT_EQ(truth("A or B C"), "00010101") << "( A or B ) and C";
  EXPECT_EQ(truth("A ( B or C )"), "00000111");
  EXPECT_EQ(truth("( A ) ( B )"), "00000011");
  EXPECT_EQ(truth("A not B"), "00001100");
}

TEST(FilterList, NotBindsToTheNextConditionOnly) {
  EXPECT_EQ(truth("not A"), "11110000");
  EXPECT_EQ(truth("! A"), "11110000");
  EXPECT_EQ(truth("not A or B"), "11110011");
  EXPECT_EQ(truth("not A B"), "00110000");
  EXPECT_EQ(truth("not not A"), "00001111");
  EXPECT_EQ(truth("! not ! A"), "11110000");
  EXPECT_EQ(truth("not ( A or B )"), "11000000");
}

TEST(FilterList, ParenthesesGroup) {
  EXPECT_EQ(truth("A or ( B and C )"), "00011111");
  EXPECT_EQ(truth("( ( A ) )"), "00001111");
  EXPECT_EQ(truth("not ( A and not ( B or C ) )"), "11110111");
}

TEST(FilterList, ErrorsNameTheWordThatIsWrong) {
  EXPECT_NE(error("sport 22 and").find("got the end"), std::string::npos);
  EXPECT_NE(error("and sport 22").find("got `and`"), std::string::npos);
  EXPECT_NE(error("sport 22 or || dport 1").find("got `||`"), std::string::npos);
  EXPECT_NE(error("not").find("got the end"), std::string::npos);
  EXPECT_NE(error("( )").find("got `)`"), std::string::npos);
  EXPECT_NE(error("( sport 22").find("a `(` without its `)`"), std::string::npos);
  EXPECT_NE(error("sport 22 )").find("a `)` without its `(`"), std::string::npos);
  EXPECT_NE(error("sport 22 nonsense").find("`nonsense`"), std::string::npos);
}

TEST(FilterList, AnOperatorWithoutBlanksIsExplained) {
  for (const char* text : {"sport=22", "(sport 22", "!sport 22", "sport>22"})
    EXPECT_NE(error(text).find("between blanks"), std::string::npos) << text << ": " << error(text);
}

TEST(FilterList, HostileNestingIsAnErrorAndNotACrash) {
  std::string open;
  std::string negations;
  for (int i = 0; i < 100'000; ++i) {
    open += "( ";
    negations += "! ";
  }
  EXPECT_NE(error(open).find("1000 deep"), std::string::npos);
  EXPECT_NE(error(negations + "sport 22").find("1000 deep"), std::string::npos);
}

TEST(FilterList, AMegabyteOfConditionsIsRefusedAndThousandsAreNot) {
  std::string megabyte;
  while (megabyte.size() < (1 << 20)) megabyte += "sport 1 or ";
  EXPECT_NE(error(megabyte + "sport 2").find("more than 10000 conditions"), std::string::npos);

  std::string thousands;
  for (int i = 1; i < 10'000; ++i) thousands += "sport 1 or ";
  const Filter filter = parsed(thousands + "sport 2");
  Socket socket;
  socket.family = Family::inet;
  socket.local.port = 2;
  EXPECT_TRUE(filter.matches(socket, {}));
  socket.local.port = 3;
  EXPECT_FALSE(filter.matches(socket, {}));
  (void)filter.bytecode({});
}

TEST(FilterStates, StateWordsAddUpAndExcludeTakesAway) {
  EXPECT_EQ(parsed("state established").states(), mask(State::established));
  EXPECT_EQ(parsed("state established state listening").states(),
            mask(State::established) | mask(State::listen));
  EXPECT_EQ(parsed("exclude listening").states(), 0xfffU & ~mask(State::listen));
  EXPECT_EQ(parsed("excl listening excl closed").states(),
            0xfffU & ~mask(State::listen) & ~mask(State::close));
  EXPECT_EQ(parsed("state all exclude listening").states(), 0xfffU & ~mask(State::listen));
  EXPECT_EQ(parsed("sport 22").states(), std::nullopt);
}

TEST(FilterStates, StatesAndTheExpressionBothHaveToHold) {
  const std::string text = "state listening sport 22 or sport 23";
  EXPECT_TRUE(accepts(text, tcp("127.0.0.1:22", "0.0.0.0:*", State::listen)));
  EXPECT_TRUE(accepts(text, tcp("127.0.0.1:23", "0.0.0.0:*", State::listen)));
  EXPECT_FALSE(accepts(text, tcp("127.0.0.1:22", "127.0.0.1:1", State::established)));
  EXPECT_FALSE(accepts(text, tcp("127.0.0.1:24", "0.0.0.0:*", State::listen)));
}

TEST(FilterStates, ErrorsNameTheState) {
  EXPECT_NE(error("state listen").find("`listen`"), std::string::npos) << "it is `listening`";
  EXPECT_NE(error("state").find("the end"), std::string::npos);
  EXPECT_NE(error("sport 22 state listening").find("states come before"), std::string::npos);
  EXPECT_NE(error("state established and sport 22").find("got `and`"), std::string::npos);
}

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
  EXPECT_FALSE(accepts("dst unix:*", client));
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
  EXPECT_FALSE(accepts("dst unix:*", socket)) << "the peer's name is not known";
  EXPECT_TRUE(accepts("src @abc*", unix_named("@abcdef")));
  EXPECT_FALSE(accepts("src unix:*", tcp("127.0.0.1:1")));
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

TEST(FilterDevice, ByNameOrIndex) {
  Socket socket = tcp("127.0.0.1:22");
  socket.ifindex = 2;
  EXPECT_TRUE(accepts("dev eth0", socket));
  EXPECT_TRUE(accepts("dev = 2", socket));
  EXPECT_FALSE(accepts("dev 3", socket));
  EXPECT_FALSE(accepts("dev != eth0", socket));
  EXPECT_TRUE(accepts("dev ne 3", socket));
  EXPECT_FALSE(accepts("dev eth0", tcp("127.0.0.1:22"))) << "bound to no device";
  EXPECT_TRUE(accepts("dev if2", socket)) << "a device without a name";
  EXPECT_NE(error("dev eth9").find("`eth9`"), std::string::npos);
  EXPECT_NE(error("dev > 1").find("`>`"), std::string::npos);
}

TEST(FilterMark, IsComparedUnderItsMask) {
  Socket socket = tcp("127.0.0.1:22");
  socket.mark = 0x1234;
  EXPECT_TRUE(accepts("fwmark 0x1234", socket));
  EXPECT_TRUE(accepts("fwmark = 4660", socket));
  EXPECT_FALSE(accepts("fwmark 0x34", socket));
  EXPECT_TRUE(accepts("fwmark 0x34/0xff", socket));
  EXPECT_TRUE(accepts("fwmark 0x30/0xf0", socket));
  EXPECT_TRUE(accepts("fwmark 0/0", socket));
  EXPECT_TRUE(accepts("fwmark != 0", socket));
  EXPECT_FALSE(accepts("fwmark != 0x34/0xff", socket));
  EXPECT_NE(error("fwmark 1/").find("`1/`"), std::string::npos);
  EXPECT_NE(error("fwmark /1").find("`/1`"), std::string::npos);
  for (const char* mark : {"0x100000000", "1/0x100000000", "1x", "1/1/1", "08"})
    EXPECT_NE(error(std::string("fwmark ") + mark).find(mark), std::string::npos) << mark;
  EXPECT_NE(error("fwmark one").find("`one`"), std::string::npos);
}

TEST(FilterCgroup, IsOnePathAndNotWhatIsBelowIt) {
  Socket socket = tcp("127.0.0.1:22");
  socket.cgroup_id = 77;
  EXPECT_TRUE(accepts("cgroup /system.slice", socket));
  EXPECT_FALSE(accepts("cgroup != /system.slice", socket));
  socket.cgroup_id = 78;
  EXPECT_FALSE(accepts("cgroup /system.slice", socket));
  EXPECT_NE(error("cgroup /nowhere").find("`/nowhere`"), std::string::npos);
}

TEST(FilterAutobound, IsAPortOfTheLocalRangeThatBindDidNotLock) {
  const MatchContext context = {.first_local_port = 40000, .last_local_port = 50000};
  const Filter filter = parsed("autobound");
  EXPECT_TRUE(filter.matches(tcp("127.0.0.1:40000"), context));
  EXPECT_TRUE(filter.matches(tcp("[::1]:50000"), context));
  EXPECT_FALSE(filter.matches(tcp("127.0.0.1:39999"), context));
  EXPECT_FALSE(filter.matches(tcp("127.0.0.1:50001"), context));
  Socket locked = tcp("127.0.0.1:45000");
  locked.options.known = locked.options.port_locked = true;
  EXPECT_FALSE(filter.matches(locked, context));
}

TEST(FilterAutobound, OfOtherFamilies) {
  EXPECT_TRUE(accepts("autobound", unix_named("")));
  EXPECT_TRUE(accepts("autobound", unix_named("@0a1b2")));
  EXPECT_FALSE(accepts("autobound", unix_named("@named")));
  EXPECT_FALSE(accepts("autobound", unix_named("/run/x")));
  EXPECT_TRUE(accepts("autobound", other(Family::netlink, 0x8000'0000)));
  EXPECT_FALSE(accepts("autobound", other(Family::netlink, 100)));
  EXPECT_TRUE(accepts("autobound", other(Family::packet)));
  EXPECT_TRUE(accepts("autobound", other(Family::vsock, 1024)));
  EXPECT_FALSE(accepts("autobound", other(Family::vsock, 1023)));
}

TEST(FilterOwners, PidCommUserUnitAndContainer) {
  Process nginx = process(42, "nginx");
  nginx.uid = 33;
  nginx.unit = "nginx.service";
  nginx.container = "0123456789ab";
  const Socket socket = owned_by(nginx);
  for (const char* text :
       {"pid 42", "pid = 42", "pid != 43", "comm nginx", "comm ngin*", "comm != apache", "user 33",
        "user www-data", "user != 0", "unit nginx", "unit nginx.service", "unit *.service", "unit != ssh",
        "container 0123456789ab", "container 0123", "container 0123456789abcdef", "container != ffff"})
    EXPECT_TRUE(accepts(text, socket)) << text;
  for (const char* text : {"pid 43", "pid != 42", "comm ngin", "comm != nginx", "user 0", "user != www-data",
                           "unit ssh", "unit != nginx", "container 1234", "container != 0123"})
    EXPECT_FALSE(accepts(text, socket)) << text;
}

TEST(FilterOwners, OneOfSeveralOwnersIsEnough) {
  Socket socket = owned_by(process(1, "systemd"));
  socket.owners.push_back({.process = std::make_shared<const Process>(process(2, "sshd")), .fd = 3});
  EXPECT_TRUE(accepts("pid 1", socket));
  EXPECT_TRUE(accepts("pid 2", socket));
  EXPECT_TRUE(accepts("comm sshd", socket));
  EXPECT_FALSE(accepts("pid != 1", socket));
}

TEST(FilterOwners, WithoutAnOwnerOnlyTheUserIsKnown) {
  Socket socket = tcp("127.0.0.1:22");
  socket.uid = 33;
  EXPECT_TRUE(accepts("user www-data", socket));
  EXPECT_FALSE(accepts("pid 0", socket));
  EXPECT_FALSE(accepts("comm *", socket));
  EXPECT_FALSE(accepts("container 0", socket));
  EXPECT_TRUE(accepts("pid != 1", socket));
}

TEST(FilterOwners, AreAskedForOnlyWhenTheyDecide) {
  for (const char* text : {"pid 1", "comm a", "user 0", "unit a", "container a", "not pid 1",
                           "sport 22 or ( dport 80 and comm a )"})
    EXPECT_TRUE(parsed(text).needs_owners()) << text;
  for (const char* text : {"", "sport 22", "state listening", "netns blue", "dev 1 fwmark 1 autobound"})
    EXPECT_FALSE(parsed(text).needs_owners()) << text;
}

TEST(FilterOwners, AUserIsKnownWithoutItsProcess) {
  EXPECT_FALSE(parsed("user 0 and sport 22").needs_processes());
  for (const char* text : {"pid 1", "comm a", "unit a", "user 0 or container a"})
    EXPECT_TRUE(parsed(text).needs_processes()) << text;
}

TEST(FilterOwners, ErrorsNameTheValue) {
  EXPECT_NE(error("pid nginx").find("`nginx` is no process id"), std::string::npos);
  EXPECT_NE(error("user nobody-here").find("`nobody-here` is no user"), std::string::npos);
  EXPECT_NE(error("netns red").find("`red` is no network namespace"), std::string::npos);
  EXPECT_NE(error("comm").find("a command name after `comm`"), std::string::npos);
  EXPECT_NE(error("pid > 1").find("`>`"), std::string::npos);
  EXPECT_NE(error("unit pid").find("got `pid`"), std::string::npos);
}

TEST(FilterNetns, ByNameOrInode) {
  Socket socket = tcp("127.0.0.1:22");
  socket.netns = 4026532000;
  EXPECT_TRUE(accepts("netns blue", socket));
  EXPECT_TRUE(accepts("netns 4026532000", socket));
  EXPECT_FALSE(accepts("netns != blue", socket));
  EXPECT_FALSE(accepts("netns 1", socket));
}

TEST(FilterNames, ThatCannotBeLookedUpAreErrors) {
  for (const std::string text : {"sport ssh", "dev eth0", "cgroup /", "user root", "netns blue", "dst host"})
    EXPECT_FALSE(Filter::parse(std::vector<std::string>{text}, {})) << text;
}

}  // namespace
}  // namespace socktrace
