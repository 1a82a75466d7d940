#include "diagnose/port_answer.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>

#include "support/conflict_builder.h"

namespace socktrace::diagnose {
namespace {

using test::bound;
using test::listener;
using test::time_wait;

// "0.0.0.0:80 EADDRINUSE(SO_REUSEPORT); [::]:80 ok | bystanders: 1"
std::string asked(const std::string& where, const std::vector<Socket>& sockets, Asker asker = {0, true}) {
  const Result<Where> parsed = parse_where(where, nullptr);
  std::string out;
  for (const PortAnswer& one : answer(*parsed, asker, test::pointers(sockets), test::loopback_facts())) {
    if (!out.empty()) out += " || ";
    out += one.protocol == IPPROTO_TCP ? "tcp" : "udp";
    for (const Trial& trial : one.trials) {
      out += " " + to_string(trial.request.family, trial.request.local);
      out += trial.verdict.error == 0 ? " ok" : " error " + std::to_string(trial.verdict.error);
      for (const std::string& option : trial.works_with) out += " " + option;
    }
    if (!one.bystanders.empty()) out += " bystanders " + std::to_string(one.bystanders.size());
  }
  return out;
}

TEST(PortAnswer, AFreePortIsFreeForBothProtocolsAndFamilies) {
  EXPECT_EQ(asked("8080", {}), "tcp 0.0.0.0:8080 ok [::]:8080 ok || udp 0.0.0.0:8080 ok [::]:8080 ok");
}

TEST(PortAnswer, AListenerBlocksAndNoOptionOfTheNewSocketAloneHelps) {
  EXPECT_EQ(asked("8080/tcp", {listener("0.0.0.0:8080")}),
            "tcp 0.0.0.0:8080 error 98 [::]:8080 error 98 IPV6_V6ONLY");
}

TEST(PortAnswer, AListenerOfAReuseportGroupLetsOthersIn) {
  EXPECT_EQ(asked("0.0.0.0:8080/tcp", {listener("0.0.0.0:8080", "reuseport uid=0")}),
            "tcp 0.0.0.0:8080 error 98 SO_REUSEPORT");
}

TEST(PortAnswer, TimeWaitYieldsToReuseaddr) {
  EXPECT_EQ(asked("0.0.0.0:8080/tcp", {time_wait("127.0.0.1:8080", "reuseaddr")}),
            "tcp 0.0.0.0:8080 error 98 SO_REUSEADDR");
}

TEST(PortAnswer, SharedByReuseaddrAtBindIsNotEnoughWhenListenFails) {
  EXPECT_EQ(asked("127.0.0.1:8080/tcp", {listener("127.0.0.1:8080", "reuseaddr")}),
            "tcp 127.0.0.1:8080 error 98");
}

TEST(PortAnswer, ASocketOnAnotherAddressIsABystander) {
  EXPECT_EQ(asked("127.0.0.2:8080/tcp", {listener("127.0.0.1:8080")}), "tcp 127.0.0.2:8080 ok bystanders 1");
}

TEST(PortAnswer, MeetsWhatHasThePortTheProtocolAndTheAddress) {
  const auto meets = [](const std::string& where, const Socket& socket) {
    const Result<Where> parsed = parse_where(where, nullptr);
    const std::vector<PortAnswer> answers = answer(*parsed, {0, true}, {}, test::loopback_facts());
    return std::ranges::any_of(answers, [&](const PortAnswer& one) { return diagnose::meets(one, socket); });
  };
  const Socket socket = listener("127.0.0.1:8080");
  for (const char* where : {"8080", "8080/tcp", "127.0.0.1:8080", "0.0.0.0:8080/tcp"})
    EXPECT_TRUE(meets(where, socket)) << where;
  for (const char* where : {"8081", "8080/udp", "127.0.0.2:8080", "[::1]:8080"})
    EXPECT_FALSE(meets(where, socket)) << where;
  EXPECT_TRUE(meets("127.0.0.2:8080", listener("0.0.0.0:8080")));
}

TEST(PortAnswer, APrivilegedPortIsRefusedToOthers) {
  EXPECT_EQ(asked("127.0.0.1:80/tcp", {}, {1000, false}), "tcp 127.0.0.1:80 error 13");
  EXPECT_EQ(asked("127.0.0.1:80/tcp", {}, {1000, true}), "tcp 127.0.0.1:80 ok");
}

}  // namespace
}  // namespace socktrace::diagnose
