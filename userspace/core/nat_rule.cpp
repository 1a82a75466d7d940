#include "core/nat_rule.h"

#include <netinet/in.h>  // before the kernel's, which then leave out what it has

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>

#include "core/diag/attributes.h"

namespace socktrace {
namespace {

using Bytes = std::span<const std::byte>;
using diag::Attributes;

// What a register of the rule's program holds.
struct Register {
  enum class Of : uint8_t { nothing, constant, protocol, port, address } of = Of::nothing;
  Bytes constant;
};

uint32_t number(const Attributes& attributes, size_t type) {
  return ntohl(attributes.value<uint32_t>(type).value_or(0));
}

std::string_view text(const Attributes& attributes, size_t type) {
  const Bytes bytes = attributes.bytes(type);
  const auto* begin = reinterpret_cast<const char*>(bytes.data());
  return bytes.empty() ? std::string_view() : std::string_view(begin, strnlen(begin, bytes.size()));
}

template <typename T>
T at(Bytes bytes, size_t offset) {
  T value{};
  if (bytes.size() >= offset + sizeof value) std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

AddressBytes address_of(Bytes bytes) {
  AddressBytes address{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), address.size()),
              reinterpret_cast<std::byte*>(address.data()));
  return address;
}

// One rule is a program: values are loaded into registers, compared, and handed to what acts.
class Reader {
 public:
  explicit Reader(uint8_t family) {
    if (family == NFPROTO_IPV4) rule_.family = Family::inet;
    if (family == NFPROTO_IPV6) rule_.family = Family::inet6;
  }

  void expression(std::string_view name, const Attributes& data) {
    if (name == "payload")
      load(number(data, NFTA_PAYLOAD_DREG), payload(data));
    else if (name == "meta")
      load(number(data, NFTA_META_DREG),
           number(data, NFTA_META_KEY) == NFT_META_L4PROTO ? Register::Of::protocol : Register::Of::nothing);
    else if (name == "bitwise")
      load(number(data, NFTA_BITWISE_DREG), Register::Of::nothing);
    else if (name == "lookup")
      load(number(data, NFTA_LOOKUP_DREG), Register::Of::nothing);
    else if (name == "immediate")
      registers_[number(data, NFTA_IMMEDIATE_DREG)] = {
          Register::Of::constant, data.nested(NFTA_IMMEDIATE_DATA).bytes(NFTA_DATA_VALUE)};
    else if (name == "cmp")
      compare(data);
    else if (name == "nat")
      translate(data);
    else if (name == "match")
      match(text(data, NFTA_MATCH_NAME), data.bytes(NFTA_MATCH_INFO));
    else if (name == "target" && text(data, NFTA_TARGET_NAME) == "DNAT")
      target(number(data, NFTA_TARGET_REV), data.bytes(NFTA_TARGET_INFO));
  }

  [[nodiscard]] bool has_dnat() const { return has_dnat_; }
  NatRule take() { return std::move(rule_); }

 private:
  void load(uint32_t into, Register::Of of) { registers_[into] = {of, {}}; }

  [[nodiscard]] Register::Of payload(const Attributes& data) const {
    const uint32_t base = number(data, NFTA_PAYLOAD_BASE);
    const uint32_t offset = number(data, NFTA_PAYLOAD_OFFSET);
    const uint32_t length = number(data, NFTA_PAYLOAD_LEN);
    constexpr uint32_t kPort = 2;  // both of TCP and UDP: the destination
    if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset == kPort && length == sizeof(uint16_t))
      return Register::Of::port;
    if (base != NFT_PAYLOAD_NETWORK_HEADER) return Register::Of::nothing;
    const bool is_v4 = rule_.family == Family::inet;
    if (is_v4 && offset == 9 && length == 1) return Register::Of::protocol;
    if (is_v4 ? offset == 16 && length == 4 : offset == 24 && length == 16) return Register::Of::address;
    return Register::Of::nothing;
  }

  void compare(const Attributes& data) {
    if (number(data, NFTA_CMP_OP) != NFT_CMP_EQ) return;
    const Bytes value = data.nested(NFTA_CMP_DATA).bytes(NFTA_DATA_VALUE);
    const Register& loaded = registers_[number(data, NFTA_CMP_SREG)];
    if (loaded.of == Register::Of::protocol) rule_.protocol = at<uint8_t>(value, 0);
    if (loaded.of == Register::Of::port) rule_.port = ntohs(at<uint16_t>(value, 0));
    if (loaded.of == Register::Of::address) rule_.address = address_of(value);
  }

  void translate(const Attributes& data) {
    if (number(data, NFTA_NAT_TYPE) != NFT_NAT_DNAT) return;
    has_dnat_ = true;
    const Register& address = registers_[number(data, NFTA_NAT_REG_ADDR_MIN)];
    if (address.of == Register::Of::constant) to(number(data, NFTA_NAT_FAMILY), address.constant);
    const Register& port = registers_[number(data, NFTA_NAT_REG_PROTO_MIN)];
    if (port.of == Register::Of::constant) rule_.to.port = ntohs(at<uint16_t>(port.constant, 0));
  }

  void to(uint32_t family, Bytes address) {
    rule_.to_family = family == NFPROTO_IPV6 ? Family::inet6 : Family::inet;
    rule_.to.address =
        address_of(address.first(std::min<size_t>(address.size(), family == NFPROTO_IPV6 ? 16 : 4)));
  }

  // struct xt_tcp and struct xt_udp: source ports, then destination ports, each first and last.
  void match(std::string_view name, Bytes info) {
    if (name != "tcp" && name != "udp") return;
    rule_.protocol = name == "tcp" ? IPPROTO_TCP : IPPROTO_UDP;
    if (at<uint16_t>(info, 4) == at<uint16_t>(info, 6)) rule_.port = at<uint16_t>(info, 4);
  }

  // Revision 0 has struct nf_nat_ipv4_multi_range_compat, later ones struct nf_nat_range and nf_nat_range2, which begin alike.
  void target(uint32_t revision, Bytes info) {
    has_dnat_ = true;
    const size_t address = revision == 0 ? 8 : 4;
    const size_t port = revision == 0 ? 16 : 36;
    if (info.size() < port + sizeof(uint16_t)) return;
    to(rule_.family == Family::inet6 ? NFPROTO_IPV6 : NFPROTO_IPV4, info.subspan(address));
    rule_.to.port = ntohs(at<uint16_t>(info, port));
  }

  NatRule rule_;
  std::map<uint32_t, Register> registers_;
  bool has_dnat_ = false;
};

// Calls `visit` for each attribute in `list`, whatever its type.
template <typename Visit>
void for_each_element(Bytes list, Visit visit) {
  while (list.size() >= sizeof(nlattr)) {
    const auto header = at<nlattr>(list, 0);
    if (header.nla_len < sizeof header || header.nla_len > list.size()) return;
    visit(list.subspan(sizeof header, header.nla_len - sizeof header));
    list = list.subspan(std::min<size_t>(NLA_ALIGN(header.nla_len), list.size()));
  }
}

}  // namespace

std::optional<NatRule> nat_rule(std::span<const std::byte> message) {
  if (message.size() < sizeof(nfgenmsg)) return std::nullopt;
  const Result<Attributes> rule = Attributes::parse(message, sizeof(nfgenmsg));
  if (!rule) return std::nullopt;
  Reader reader(at<nfgenmsg>(message, 0).nfgen_family);
  for_each_element(rule->bytes(NFTA_RULE_EXPRESSIONS), [&](Bytes element) {
    const Result<Attributes> expression = Attributes::parse(element, 0);
    if (expression) reader.expression(text(*expression, NFTA_EXPR_NAME), expression->nested(NFTA_EXPR_DATA));
  });
  if (!reader.has_dnat()) return std::nullopt;
  NatRule found = reader.take();
  found.table = text(*rule, NFTA_RULE_TABLE);
  found.chain = text(*rule, NFTA_RULE_CHAIN);
  return found;
}

std::string where(const NatRule& rule) {
  std::string text = rule.port == 0 ? "some ports" : std::to_string(rule.port);
  if (rule.address && rule.port != 0)
    text = to_string(rule.family == Family::inet ? Family::inet : Family::inet6,
                     Endpoint{*rule.address, rule.port});
  if (rule.protocol == IPPROTO_TCP) text += "/tcp";
  if (rule.protocol == IPPROTO_UDP) text += "/udp";
  return text;
}

}  // namespace socktrace
