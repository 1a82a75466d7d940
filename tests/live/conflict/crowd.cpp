#include "crowd.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>

namespace socktrace::test {
namespace {

struct Choice {
  const char* address;
  Family family;
  int weight;
};

// Every kind of address that the kernel treats differently; the everyday ones more often.
constexpr std::array<Choice, 20> kAddresses = {{
    {"0.0.0.0", Family::inet, 10},
    {"127.0.0.1", Family::inet, 10},
    {"127.0.0.2", Family::inet, 4},
    {"127.0.0.6", Family::inet, 1},
    {"10.99.0.1", Family::inet, 3},
    {"10.99.0.255", Family::inet, 1},
    {"255.255.255.255", Family::inet, 1},
    {"224.0.0.1", Family::inet, 1},
    {"192.0.2.1", Family::inet, 1},
    {"::", Family::inet6, 12},
    {"::1", Family::inet6, 8},
    {"::ffff:127.0.0.1", Family::inet6, 4},
    {"::ffff:127.0.0.2", Family::inet6, 1},
    {"::ffff:0.0.0.0", Family::inet6, 2},
    {"::ffff:192.0.2.1", Family::inet6, 1},
    {"fd99::1", Family::inet6, 2},
    {"fe80::1", Family::inet6, 2},
    {"2001:db8::1", Family::inet6, 1},
    {"ff02::1", Family::inet6, 1},
    {"ff0e::1", Family::inet6, 1},
}};

constexpr std::array<int, kRoles> kRoleWeights = {12, 14, 5, 6, 5, 2, 2, 2, 6, 4};

constexpr std::array<const char*, kRoles> kRoleNames = {
    "bound",          "listening",  "connected", "autobound", "accepted",
    "self-connected", "close-wait", "fin-wait",  "time-wait", "server-time-wait"};

class Dice {
 public:
  explicit Dice(std::mt19937_64& random) : random_(random) {}

  int below(int limit) { return static_cast<int>(random_() % static_cast<uint64_t>(limit)); }
  bool one_in(int n) { return below(n) == 0; }

  template <typename Range, typename Weight>
  size_t weighted(const Range& range, Weight weight) {
    int total = 0;
    for (const auto& item : range) total += weight(item);
    int left = below(total);
    size_t index = 0;
    while ((left -= weight(range[index])) >= 0) ++index;
    return index;
  }

 private:
  std::mt19937_64& random_;
};

}  // namespace

std::string to_string(const MemberSpec& spec) {
  std::string text = fmt::format("{} {} {}", spec.udp ? "udp" : "tcp",
                                 to_string(spec.family, Endpoint{spec.address, spec.port}),
                                 kRoleNames[static_cast<size_t>(spec.role)]);
  if (spec.reuse_address) text += " reuseaddr";
  if (spec.reuse_port) text += " reuseport";
  if (spec.v6_only) text += " v6only";
  if (spec.freebind) text += " freebind";
  if (spec.device) text += fmt::format(" dev={}", spec.device);
  if (spec.scope) text += fmt::format(" scope={}", spec.scope);
  if (spec.uid) text += fmt::format(" uid={}", spec.uid);
  if (!spec.capable) text += " incapable";
  if (spec.rebind) text += " rebind";
  return text;
}

Crowd random_crowd(std::mt19937_64& random, uint16_t port, uint32_t loopback, uint32_t device) {
  Dice dice(random);
  Crowd crowd;
  crowd.port = port;
  const bool udp = dice.one_in(4);
  const bool with_devices = dice.one_in(4);
  const int reuse_address_odds = 1 + dice.below(3);  // a crowd tends to agree, as one program's sockets do
  const int reuse_port_odds = 1 + dice.below(4);
  if (dice.one_in(30)) crowd.privileged_below = static_cast<uint16_t>(port + 1);
  crowd.listen_late = dice.one_in(2);
  const int size = 2 + dice.below(3);
  for (int i = 0; i < size; ++i) {
    MemberSpec member;
    member.udp = udp;
    const Choice& choice = kAddresses[dice.weighted(kAddresses, [](const Choice& c) { return c.weight; })];
    member.family = choice.family;
    inet_pton(static_cast<int>(choice.family), choice.address, member.address.data());
    member.port = static_cast<uint16_t>(port + (dice.one_in(15) ? 1 : 0));
    // The kernel keeps its local port range out of the privileged ports.
    const bool may_autobind = crowd.privileged_below == 0;
    if (may_autobind && dice.one_in(40)) member.port = 0;
    if (with_devices && dice.one_in(2)) member.device = dice.one_in(2) ? loopback : device;
    const bool wants_scope =
        member.family == Family::inet6 && member.address[0] >= 0xfe && member.address[1] != 0x0e;
    if (wants_scope && !dice.one_in(4)) member.scope = device;
    member.reuse_address = dice.one_in(reuse_address_odds);
    member.reuse_port = dice.one_in(reuse_port_odds);
    member.v6_only = member.family == Family::inet6 && dice.one_in(4);
    member.freebind = dice.one_in(25);
    member.uid = dice.one_in(4) ? 1001u : dice.one_in(6) ? 1002u : 0u;
    member.capable = !(crowd.privileged_below && dice.one_in(2));
    member.rebind = dice.one_in(30);
    member.role = static_cast<Role>(dice.weighted(kRoleWeights, [](int weight) { return weight; }));
    if (!may_autobind && member.role == Role::autobound) member.role = Role::bound;
    crowd.members.push_back(member);
  }
  return crowd;
}

}  // namespace socktrace::test
