#include "source/nat_rules.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>

#include "sys/netlink.h"

namespace socktrace::source {
namespace {

// The names of the tables in use, a line each; readable for root.
bool has_legacy_table() {
  for (const char* path :
       {"/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"}) {
    std::ifstream names(path);
    for (std::string name; std::getline(names, name);)
      if (name == "nat") return true;
  }
  return false;
}

}  // namespace

Result<NatRules> nat_rules() {
  Result<std::unique_ptr<sys::NetlinkTransport>> transport = sys::open_netfilter();
  if (!transport && transport.error().code == EPROTONOSUPPORT) return NatRules{};
  if (!transport) return std::move(transport.error());
  NatRules found;
  found.has_legacy_table = has_legacy_table();
  const nfgenmsg every_family = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = 0};
  const auto add = [&](uint16_t, std::span<const std::byte> payload) {
    std::optional<NatRule> rule = nat_rule(payload);
    if (rule && std::ranges::find(found.rules, *rule) == found.rules.end())
      found.rules.push_back(std::move(*rule));
    return true;
  };
  sys::Netlink netlink(std::move(*transport));
  Result<sys::DumpEnd> dumped = netlink.dump((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETRULE,
                                             std::as_bytes(std::span(&every_family, 1)), add);
  constexpr int kUnknownSubsystem = EINVAL;
  if (!dumped && dumped.error().code != kUnknownSubsystem) return std::move(dumped.error());
  return found;
}

}  // namespace socktrace::source
