// Random events for round trips, from a seed, so that a failure can be repeated.
#include <sys/socket.h>

#include "support/event_builder.h"

namespace socktrace::test {
namespace {

constexpr Family kFamilies[] = {Family::inet,   Family::inet6, Family::unix,       Family::netlink,
                                Family::packet, Family::vsock, Family::xdp,        Family::tipc,
                                Family::inet,   Family::inet6, Family::unspecified};
constexpr uint16_t kProtocols[] = {6, 6, 17, 136, 132, 33, 1, 58, 262, 255};

}  // namespace

// splitmix64
uint64_t RandomEvents::number(uint64_t below) {
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  return below ? z % below : z;
}

std::string RandomEvents::bytes(size_t max_length) {
  std::string text(number(max_length + 1), '\0');
  for (char& c : text) c = static_cast<char>(number(8) ? 'a' + number(26) : number(256));
  return text;
}

ProcessRef RandomEvents::process() {
  Process made;
  made.pid = static_cast<uint32_t>(1 + number(4'194'304));
  made.start_ns = number(4) ? number(0) : 0;
  made.uid = static_cast<uint32_t>(number(0));
  made.name = bytes(15);
  made.executable = bytes(30);
  made.user = bytes(8);
  made.cgroup = bytes(40);
  made.unit = bytes(12);
  made.container = bytes(12);
  return std::make_shared<const Process>(std::move(made));
}

Owner RandomEvents::owner() {
  return {process(), static_cast<int32_t>(number(100)) - 1, static_cast<OwnerSource>(number(4)),
          number(2) == 1, static_cast<uint32_t>(number(2) * number(1'000'000))};
}

Socket RandomEvents::socket() {
  Socket made;
  made.key = {number(0), number(4) ? 0 : number(0)};
  made.family = kFamilies[number(std::size(kFamilies))];
  made.protocol = kProtocols[number(std::size(kProtocols))];
  made.type = static_cast<uint8_t>(number(12));
  if (made.family == Family::inet || made.family == Family::inet6) {
    const size_t length = made.family == Family::inet ? 4 : 16;
    for (size_t i = 0; i < length; ++i) {
      made.local.address[i] = static_cast<uint8_t>(number(3) ? 0 : number(256));
      made.peer.address[i] = static_cast<uint8_t>(number(3) ? 0 : number(256));
    }
    made.local.port = static_cast<uint16_t>(number(65'536));
    made.peer.port = static_cast<uint16_t>(number(2) ? number(65'536) : 0);
  } else if (number(2)) {
    SocketDetails& details = made.details.make();
    details.name = bytes(107);
    details.name += 'x';
    details.peer_name = bytes(5);
    details.peer_inode = static_cast<uint32_t>(number(0));
    details.node = static_cast<uint32_t>(number(2) * number(0));
    details.port = static_cast<uint32_t>(number(2) * number(0));
    details.peer_node = static_cast<uint32_t>(number(2) * number(0));
    details.peer_port = static_cast<uint32_t>(number(2) * number(0));
  }
  made.state = static_cast<State>(number(kStateCount));
  made.options.known = number(2);
  made.options.reuse_address = number(2);
  made.options.reuse_port = number(2);
  made.options.v6_only = number(2);
  made.options.v6_only_known = number(2);
  made.options.port_locked = number(2);
  made.shutdown = static_cast<uint8_t>(number(4));
  made.inbound = number(2);
  made.since_is_bound = number(2);
  made.no_owner = static_cast<NoOwner>(number(6));
  made.netns = static_cast<uint32_t>(number(0));
  made.inode = static_cast<uint32_t>(number(0));
  made.uid = number(2) ? static_cast<uint32_t>(number(0)) : UINT32_MAX;
  made.ifindex = static_cast<uint32_t>(number(4));
  made.mark = static_cast<uint32_t>(number(2) * number(0));
  made.recv_q = static_cast<uint32_t>(number(2) * number(0));
  made.send_q = static_cast<uint32_t>(number(2) * number(0));
  made.cgroup_id = number(2) ? number(0) : 0;
  made.opened_ns = number(2) * number(1'000'000'000'000'000);
  made.changed_ns = 1 + number(1'000'000'000'000'000);
  for (uint64_t i = number(3); i > 0; --i) made.owners.push_back(owner());
  return made;
}

Event RandomEvents::next() {
  Event made;
  made.kind = static_cast<EventKind>(number(static_cast<uint64_t>(EventKind::snapshot_done) + 1));
  made.time_ns = 1 + number(1'000'000'000'000'000);
  made.socket = socket();
  if (number(2)) made.socket.changed_ns = made.time_ns;
  made.previous = static_cast<State>(number(kStateCount));
  if (number(2)) {
    made.process = process();
    made.tid = static_cast<uint32_t>(number(0));
    if (number(2)) made.socket.owners.push_back({made.process, 3, OwnerSource::call, false, 0});
  }
  made.fd = static_cast<int32_t>(number(50)) - 1;
  made.error = static_cast<int32_t>(number(134));
  made.error_inferred = made.error && number(2);
  made.resync = number(2);
  made.gone = number(2);
  made.lifetime_ns = number(2) ? number(0) : 0;
  made.lifetime_is_bound = made.lifetime_ns && number(2);
  if (number(2))
    made.stats =
        TcpStats{number(0), number(0), static_cast<uint32_t>(number(0)), static_cast<uint32_t>(number(0))};
  for (uint64_t i = number(3); i > 0; --i)
    made.conflicts.push_back(
        {socket(), bytes(9), bytes(40), bytes(30), bytes(20), bytes(50),
         std::vector<Ancestor>(number(3), Ancestor{static_cast<uint32_t>(number(0)), bytes(15)})});
  if (number(2)) made.failures = {1 + static_cast<uint32_t>(number(9)), number(0)};
  return made;
}

}  // namespace socktrace::test
