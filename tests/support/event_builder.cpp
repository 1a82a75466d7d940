#include "support/event_builder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace socktrace::test {

Process process(uint32_t pid, std::string name, std::string user, std::string unit) {
  Process made;
  made.pid = pid;
  made.start_ns = pid * 1'000'000'007ull;
  made.name = std::move(name);
  made.executable = "/usr/bin/" + made.name;
  made.uid = user == "root" || user.empty() ? 0 : 1000;
  made.user = std::move(user);
  made.cgroup = unit.empty() ? "" : "/system.slice/" + unit;
  made.unit = std::move(unit);
  return made;
}

Family family_of(const std::string& text) {
  return text.front() == '[' ? Family::inet6 : Family::inet;
}

Endpoint endpoint(const std::string& text) {
  const size_t colon = text.rfind(':');
  const std::string host = text.front() == '[' ? text.substr(1, colon - 2) : text.substr(0, colon);
  const std::string port = text.substr(colon + 1);
  Endpoint made;
  if (inet_pton(static_cast<int>(family_of(text)), host.c_str(), made.address.data()) != 1)
    throw std::invalid_argument("not an address in a test: " + text);
  made.port = port == "*" ? 0 : static_cast<uint16_t>(std::stoi(port));
  return made;
}

EventBuilder::EventBuilder(EventKind kind, const std::string& local) {
  event.kind = kind;
  event.time_ns = 500'000'000'000;
  event.socket.key.cookie = 0x1c7b3a;
  event.socket.family = family_of(local);
  event.socket.local = endpoint(local);
  event.socket.protocol = IPPROTO_TCP;
  event.socket.type = SOCK_STREAM;
  event.socket.changed_ns = event.time_ns;
}

EventBuilder& EventBuilder::peer(const std::string& peer) {
  event.socket.peer = endpoint(peer);
  return *this;
}
EventBuilder& EventBuilder::cookie(uint64_t cookie) {
  event.socket.key.cookie = cookie;
  return *this;
}
EventBuilder& EventBuilder::udp() {
  event.socket.protocol = IPPROTO_UDP;
  event.socket.type = SOCK_DGRAM;
  return *this;
}
EventBuilder& EventBuilder::state(State state, State previous) {
  event.socket.state = state;
  event.previous = previous;
  return *this;
}
EventBuilder& EventBuilder::at(uint64_t time_ns) {
  event.time_ns = event.socket.changed_ns = time_ns;
  return *this;
}
EventBuilder& EventBuilder::opened(uint64_t opened_ns, bool is_bound) {
  event.socket.opened_ns = opened_ns;
  event.socket.since_is_bound = is_bound;
  return *this;
}
EventBuilder& EventBuilder::by(Process process, int32_t fd) {
  event.process = std::make_shared<const Process>(std::move(process));
  event.fd = fd;
  return *this;
}
EventBuilder& EventBuilder::owned_by(Process process, int32_t fd, OwnerSource source, bool exited) {
  event.socket.owners.push_back({std::make_shared<const Process>(std::move(process)), fd, source, exited, 0});
  return *this;
}
EventBuilder& EventBuilder::ownerless(NoOwner reason) {
  event.socket.no_owner = reason;
  return *this;
}
EventBuilder& EventBuilder::error(int32_t error, bool inferred) {
  event.error = error;
  event.error_inferred = inferred;
  return *this;
}
EventBuilder& EventBuilder::lived(uint64_t lifetime_ns, bool is_bound) {
  event.lifetime_ns = lifetime_ns;
  event.lifetime_is_bound = is_bound;
  return *this;
}
EventBuilder& EventBuilder::stats(TcpStats stats) {
  event.stats = stats;
  return *this;
}
EventBuilder& EventBuilder::conflict(Socket holder, std::string reason, std::string why, std::string next) {
  event.conflicts.push_back(
      {std::move(holder), std::move(reason), std::move(why), std::move(next), {}, {}, {}});
  return *this;
}

Socket holder(const std::string& local, State state, Process owner, int32_t fd, uint64_t opened_ns) {
  Socket socket = EventBuilder(EventKind::socket_seen, local)
                      .state(state)
                      .cookie(0xf21)
                      .opened(opened_ns)
                      .owned_by(std::move(owner), fd, OwnerSource::descriptor)
                      .event.socket;
  return socket;
}

}  // namespace socktrace::test
