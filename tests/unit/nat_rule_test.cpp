#include "core/nat_rule.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include "support/netlink_builder.h"

namespace socktrace {
namespace {

using test::Bytes;
using test::bytes_of;
using test::MessageBuilder;

Bytes number(uint32_t value) {
  return bytes_of(htonl(value));
}

Bytes raw(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

// A rule as the kernel dumps it.
class Rule {
 public:
  explicit Rule(uint8_t family = NFPROTO_IPV4) : family_(family) {}

  Rule& expression(std::string_view name, const MessageBuilder& data) {
    list_.attribute(NFTA_LIST_ELEM, MessageBuilder()
                                        .attribute(NFTA_EXPR_NAME, text(name))
                                        .attribute(NFTA_EXPR_DATA, data.bytes())
                                        .bytes());
    return *this;
  }
  Rule& payload(uint32_t into, uint32_t base, uint32_t offset, uint32_t length) {
    return expression("payload", MessageBuilder()
                                     .attribute(NFTA_PAYLOAD_DREG, number(into))
                                     .attribute(NFTA_PAYLOAD_BASE, number(base))
                                     .attribute(NFTA_PAYLOAD_OFFSET, number(offset))
                                     .attribute(NFTA_PAYLOAD_LEN, number(length)));
  }
  Rule& l4proto() {
    return expression("meta", MessageBuilder()
                                  .attribute(NFTA_META_DREG, number(NFT_REG_1))
                                  .attribute(NFTA_META_KEY, number(NFT_META_L4PROTO)));
  }
  Rule& is(uint32_t reg, const Bytes& value, uint32_t op = NFT_CMP_EQ) {
    return expression("cmp", MessageBuilder()
                                 .attribute(NFTA_CMP_SREG, number(reg))
                                 .attribute(NFTA_CMP_OP, number(op))
                                 .attribute(NFTA_CMP_DATA, data(value)));
  }
  Rule& constant(uint32_t into, const Bytes& value) {
    return expression("immediate", MessageBuilder()
                                       .attribute(NFTA_IMMEDIATE_DREG, number(into))
                                       .attribute(NFTA_IMMEDIATE_DATA, data(value)));
  }
  Rule& nat(uint32_t type, uint32_t family, uint32_t address, uint32_t port) {
    return expression("nat", MessageBuilder()
                                 .attribute(NFTA_NAT_TYPE, number(type))
                                 .attribute(NFTA_NAT_FAMILY, number(family))
                                 .attribute(NFTA_NAT_REG_ADDR_MIN, number(address))
                                 .attribute(NFTA_NAT_REG_PROTO_MIN, number(port)));
  }
  Rule& compat(std::string_view kind, std::string_view name, uint32_t revision, const Bytes& info) {
    return expression(kind, MessageBuilder()
                                .attribute(NFTA_TARGET_NAME, text(name))
                                .attribute(NFTA_TARGET_REV, number(revision))
                                .attribute(NFTA_TARGET_INFO, info));
  }
  [[nodiscard]] Bytes bytes() const {
    return MessageBuilder(nfgenmsg{family_, 0, 0})
        .attribute(NFTA_RULE_TABLE, text("nat"))
        .attribute(NFTA_RULE_CHAIN, text("DOCKER"))
        .attribute(NFTA_RULE_EXPRESSIONS, list_.bytes())
        .bytes();
  }

 private:
  static Bytes text(std::string_view value) {
    Bytes bytes = bytes_of(value);
    bytes.push_back(std::byte{0});
    return bytes;
  }
  static Bytes data(const Bytes& value) { return MessageBuilder().attribute(NFTA_DATA_VALUE, value).bytes(); }

  uint8_t family_;
  MessageBuilder list_;
};

Rule web() {
  return Rule()
      .l4proto()
      .is(NFT_REG_1, raw({6}))
      .payload(NFT_REG_1, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2)
      .is(NFT_REG_1, raw({0x1f, 0x90}))
      .constant(NFT_REG_1, raw({172, 17, 0, 2}))
      .constant(NFT_REG_2, raw({0, 80}))
      .nat(NFT_NAT_DNAT, NFPROTO_IPV4, NFT_REG_1, NFT_REG_2);
}

// "8080/tcp > 172.17.0.2:80"
std::string told(const Rule& rule) {
  const std::optional<NatRule> found = nat_rule(rule.bytes());
  if (!found) return "";
  return where(*found) + " > " + to_string(found->to_family, found->to);
}

TEST(NatRule, TheRuleOfNftNamesPortAndTarget) {
  EXPECT_EQ(told(web()), "8080/tcp > 172.17.0.2:80");
  EXPECT_EQ(nat_rule(web().bytes())->table, "nat");
  EXPECT_EQ(nat_rule(web().bytes())->chain, "DOCKER");
}

TEST(NatRule, TheRuleOfIptablesIsRead) {
  const Bytes ports = raw({0, 0, 0xff, 0xff, 0x91, 0x1f, 0x91, 0x1f, 0, 0, 0, 0});
  Bytes range(44);  // struct nf_nat_range2
  range[4] = std::byte{172}, range[5] = std::byte{17}, range[7] = std::byte{3};
  range[37] = range[39] = std::byte{80};
  EXPECT_EQ(told(Rule().compat("match", "tcp", 0, ports).compat("target", "DNAT", 2, range)),
            "8081/tcp > 172.17.0.3:80");
  const Bytes first = raw({1, 0, 0, 0, 3, 0, 0, 0, 172, 17, 0, 4, 172, 17, 0, 4, 0, 53, 0, 53});
  EXPECT_EQ(told(Rule().compat("match", "udp", 0, ports).compat("target", "DNAT", 0, first)),
            "8081/udp > 172.17.0.4:53");
}

TEST(NatRule, AnAddressBeforeThePortIsTold) {
  Rule rule = Rule().payload(NFT_REG_1, NFT_PAYLOAD_NETWORK_HEADER, 16, 4).is(NFT_REG_1, raw({127, 0, 0, 1}));
  rule.payload(NFT_REG_1, NFT_PAYLOAD_NETWORK_HEADER, 9, 1).is(NFT_REG_1, raw({17}));
  rule.payload(NFT_REG_1, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2).is(NFT_REG_1, raw({0, 53}));
  rule.constant(NFT_REG_1, raw({10, 0, 0, 1})).nat(NFT_NAT_DNAT, NFPROTO_IPV4, NFT_REG_1, 0);
  EXPECT_EQ(told(rule), "127.0.0.1:53/udp > 10.0.0.1:*");
}

TEST(NatRule, WhatIsNotUnderstoodIsNoPort) {
  Rule rule = Rule(NFPROTO_IPV6).payload(NFT_REG_1, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
  rule.is(NFT_REG_1, raw({0, 80}), NFT_CMP_NEQ).nat(NFT_NAT_DNAT, NFPROTO_IPV6, NFT_REG_2, NFT_REG_3);
  const std::optional<NatRule> found = nat_rule(rule.bytes());
  ASSERT_TRUE(found);
  EXPECT_EQ(where(*found), "some ports");
  EXPECT_EQ(found->to_family, Family::unspecified);
}

TEST(NatRule, OthersAreNone) {
  EXPECT_FALSE(nat_rule(Rule().bytes()));
  EXPECT_FALSE(nat_rule(
      Rule().constant(NFT_REG_1, raw({1, 2, 3, 4})).nat(NFT_NAT_SNAT, NFPROTO_IPV4, NFT_REG_1, 0).bytes()));
  EXPECT_FALSE(nat_rule(Rule().compat("target", "MASQUERADE", 0, raw({0, 0, 0, 0})).bytes()));
}

TEST(NatRule, DamagedMessagesAreReadOrPassedOver) {
  const Bytes whole = web().bytes();
  for (size_t cut = 0; cut < whole.size(); ++cut) (void)nat_rule(std::span(whole).first(cut));
  for (size_t at = 0; at < whole.size(); ++at)
    for (const int value : {0, 1, 4, 0x7f, 0xff}) {
      Bytes damaged = whole;
      damaged[at] = static_cast<std::byte>(value);
      (void)nat_rule(damaged);
    }
}

}  // namespace
}  // namespace socktrace
