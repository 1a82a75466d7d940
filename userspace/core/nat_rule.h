#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/address.h"

namespace socktrace {

// A rule that leads what comes to a port of this host to another address (DNAT), as container engines make them to publish
// ports: no socket of the host need have the port.
struct NatRule {
  Family family = Family::unspecified;     // of the rule; unspecified: any
  uint8_t protocol = 0;                    // IPPROTO_*; 0: any, or not told
  uint16_t port = 0;                       // 0: several, or told in a way that is not understood
  std::optional<AddressBytes> address;     // only what comes to this one
  Family to_family = Family::unspecified;  // unspecified: the address is not told, it comes from a map
  Endpoint to;                             // port 0: as it came
  std::string table;
  std::string chain;

  bool operator==(const NatRule&) const = default;
};

// Of the payload of an NFT_MSG_NEWRULE message, by nft or by iptables-nft. Nothing when it has no DNAT, or is damaged.
std::optional<NatRule> nat_rule(std::span<const std::byte> message);

// "8080/tcp", "192.0.2.1:8080/tcp"; port 0 is "some ports".
std::string where(const NatRule& rule);

}  // namespace socktrace
