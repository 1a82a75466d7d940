#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/address.h"

namespace socktrace::filter {

// What a predicate looks at; words.h has the word for each.
enum class Subject : uint8_t {
  source,
  destination,
  source_port,
  destination_port,
  device,
  mark,
  cgroup,
  autobound,
  pid,
  command,
  user,
  unit,
  container,
  netns,
  event,
  error,
};

enum class Compare : uint8_t { equal, not_equal, at_least, at_most, greater, less };

// One address that `src` and `dst` accept. An IPv4 prefix also matches IPv4-mapped IPv6 addresses.
struct HostCondition {
  Family family = Family::unspecified;  // unspecified: any
  AddressBytes address{};
  uint8_t prefix_length = 0;   // 0: any address of the family
  int32_t port = -1;           // -1: any. netlink: port id, vsock: port
  uint32_t node = UINT32_MAX;  // vsock context id, netlink and packet protocol; UINT32_MAX: any
  uint32_t ifindex = 0;        // packet: device; 0: any
  std::string pattern;         // unix: glob
};

struct Predicate {
  Subject subject{};
  Compare compare = Compare::equal;
  std::vector<HostCondition> hosts;  // source, destination: equal to one of them
  uint64_t number = 0;               // port (in two's complement), ifindex, mark, cgroup id, pid, uid, errno
  uint32_t mask = UINT32_MAX;        // mark
  std::vector<uint32_t> namespaces;  // netns: any of these; device: in these alone, empty: anywhere
  std::string text;  // command, unit, event: glob; container: beginning of the id, or the name
};

enum class Joint : uint8_t { both, either };

// As deep as the parentheses and negations of a filter, however long its lists.
struct Node {
  enum class Kind : uint8_t { predicate, negation, list };
  Kind kind = Kind::predicate;
  Joint joint = Joint::both;  // to all that stands before it in its list
  Predicate predicate;
  std::vector<Node> operands;  // one of a negation; of a list two or more, joined from left to right
};

}  // namespace socktrace::filter
