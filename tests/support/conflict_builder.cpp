#include "support/conflict_builder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <sstream>

namespace socktrace::test {
namespace {

constexpr uint32_t kNetns = 4026531840;

uint64_t next_cookie() {
  static uint64_t cookie = 0;
  return ++cookie;
}

std::vector<std::string> words(const std::string& options) {
  std::istringstream stream(options);
  std::vector<std::string> result;
  for (std::string word; stream >> word;) result.push_back(word);
  return result;
}

bool has(const std::string& options, const std::string& wanted) {
  for (const std::string& word : words(options))
    if (word == wanted) return true;
  return false;
}

uint32_t number(const std::string& options, const std::string& name, uint32_t otherwise) {
  for (const std::string& word : words(options))
    if (word.starts_with(name + "=")) return static_cast<uint32_t>(std::stoul(word.substr(name.size() + 1)));
  return otherwise;
}

BindOptions bind_options(const std::string& options) {
  BindOptions result;
  result.known = !has(options, "unknown");
  result.v6_only_known = result.known;
  result.reuse_address = has(options, "reuseaddr");
  result.reuse_port = has(options, "reuseport");
  result.v6_only = has(options, "v6only");
  result.port_locked = result.known;
  return result;
}

Socket socket(uint16_t protocol, uint8_t type, State state, const std::string& local,
              const std::string& options) {
  const TextEndpoint parsed = parse_endpoint(local);
  Socket result;
  result.key.cookie = next_cookie();
  result.opened_ns = result.key.cookie * 1000;
  result.changed_ns = result.opened_ns;
  result.family = parsed.family;
  result.local = parsed.endpoint;
  result.protocol = protocol;
  result.type = type;
  result.state = state;
  result.netns = kNetns;
  result.inode = state == State::time_wait ? 0 : static_cast<uint32_t>(10000 + result.key.cookie);
  result.options = bind_options(options);
  result.uid = number(options, "uid", 0);
  result.ifindex = number(options, "dev", 0);
  return result;
}

std::string line(const Conflict& conflict) {
  std::string holder = "nobody";
  if (diagnose::has_holder(conflict))
    holder = std::string(ss_name(conflict.holder.state)) + " " +
             to_string(conflict.holder.family, conflict.holder.local);
  return "  " + conflict.reason + " [" + holder + "]: " + conflict.why + " | " + conflict.next + "\n";
}

}  // namespace

TextEndpoint parse_endpoint(const std::string& text) {
  const size_t colon = text.rfind(':');
  TextEndpoint result{};
  std::string address = text.substr(0, colon);
  result.family = Family::inet;
  if (address.front() == '[') {
    address = address.substr(1, address.size() - 2);
    result.family = Family::inet6;
  }
  inet_pton(static_cast<int>(result.family), address.c_str(), result.endpoint.address.data());
  result.endpoint.port = static_cast<uint16_t>(std::stoul(text.substr(colon + 1)));
  return result;
}

Socket tcp(State state, const std::string& local, const std::string& options) {
  return socket(IPPROTO_TCP, SOCK_STREAM, state, local, options);
}

Socket listener(const std::string& local, const std::string& options) {
  return tcp(State::listen, local, options);
}

Socket bound(const std::string& local, const std::string& options) {
  return tcp(State::close, local, options);
}

Socket time_wait(const std::string& local, const std::string& options) {
  return tcp(State::time_wait, local, options);
}

Socket outgoing(const std::string& local, const std::string& peer, const std::string& options) {
  Socket result = tcp(State::established, local, options);
  result.peer = parse_endpoint(peer).endpoint;
  result.options.port_locked = false;
  return result;
}

Socket accepted(const std::string& local, const std::string& peer, const std::string& options) {
  Socket result = outgoing(local, peer, options);
  result.inbound = true;
  return result;
}

Socket udp(const std::string& local, const std::string& options) {
  return socket(IPPROTO_UDP, SOCK_DGRAM, State::close, local, options);
}

Socket owned_by(Socket socket, uint32_t pid, const std::string& name, const std::string& unit,
                const std::string& container) {
  Process process;
  process.pid = pid;
  process.name = name;
  process.unit = unit;
  process.container = container;
  socket.owners.push_back({std::make_shared<const Process>(process), 3, OwnerSource::descriptor, false});
  return socket;
}

diagnose::BindRequest request(const std::string& local, const std::string& options) {
  const TextEndpoint parsed = parse_endpoint(local);
  diagnose::BindRequest result;
  result.netns = kNetns;
  result.protocol = has(options, "udp") ? IPPROTO_UDP : IPPROTO_TCP;
  result.family = parsed.family;
  result.local = parsed.endpoint;
  result.ifindex = number(options, "dev", 0);
  result.options = bind_options(options);
  result.uid = number(options, "uid", 0);
  result.key.cookie = next_cookie();
  result.is_listen = has(options, "listen");
  result.already_bound = has(options, "rebind");
  result.capable_net_bind = has(options, "root");
  result.nonlocal = has(options, "freebind");
  return result;
}

diagnose::HostFacts loopback_facts() {
  diagnose::HostFacts facts;
  facts.addresses_known = true;
  facts.addresses = {
      {Family::inet, {127}, 8, 1, false},
      {Family::inet6, parse_endpoint("[::1]:0").endpoint.address, 128, 1, true},
      {Family::inet6, parse_endpoint("[fe80::1]:0").endpoint.address, 128, 2, true},
  };
  return facts;
}

std::vector<const Socket*> pointers(const std::vector<Socket>& sockets) {
  std::vector<const Socket*> result;
  for (const Socket& socket : sockets) result.push_back(&socket);
  return result;
}

std::string text(const std::vector<Conflict>& conflicts) {
  std::string result;
  for (const Conflict& conflict : conflicts) result += line(conflict);
  return result;
}

std::string text(const diagnose::Verdict& verdict) {
  if (verdict.error == 0) return "0\n";
  return std::string(strerrorname_np(verdict.error)) + (verdict.certain ? "" : "?") + "\n" +
         text(verdict.conflicts);
}

std::string explained(const diagnose::BindRequest& request, const std::vector<Socket>& sockets) {
  return text(diagnose::explain(request, pointers(sockets), loopback_facts()));
}

}  // namespace socktrace::test
