#include "member.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace socktrace::test {
namespace {

constexpr uint32_t kNetns = 1;
constexpr int kDeadline_ms = 2000;

struct Sockaddr {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Sockaddr to_sockaddr(Family family, const Endpoint& endpoint, uint32_t scope) {
  Sockaddr result;
  if (family == Family::inet) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    std::memcpy(&in.sin_addr, endpoint.address.data(), 4);
    std::memcpy(&result.storage, &in, sizeof in);
    result.size = sizeof in;
  } else {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(endpoint.port);
    in6.sin6_scope_id = scope;
    std::memcpy(&in6.sin6_addr, endpoint.address.data(), 16);
    std::memcpy(&result.storage, &in6, sizeof in6);
    result.size = sizeof in6;
  }
  return result;
}

Endpoint to_endpoint(const Sockaddr& address) {
  Endpoint endpoint;
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address.storage, sizeof in);
    endpoint.port = ntohs(in.sin_port);
    std::memcpy(endpoint.address.data(), &in.sin_addr, 4);
  } else {
    sockaddr_in6 in6{};
    std::memcpy(&in6, &address.storage, sizeof in6);
    endpoint.port = ntohs(in6.sin6_port);
    std::memcpy(endpoint.address.data(), &in6.sin6_addr, 16);
  }
  return endpoint;
}

int option(const sys::UniqueFd& fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  ::getsockopt(fd.get(), level, name, &value, &size);
  return value;
}

bool set_option(const sys::UniqueFd& fd, int level, int name, int value) {
  return ::setsockopt(fd.get(), level, name, &value, sizeof value) == 0;
}

// A connection to accept, or the end of one.
bool is_readable(const sys::UniqueFd& fd, int timeout_ms) {
  pollfd wanted{fd.get(), POLLIN, 0};
  return ::poll(&wanted, 1, timeout_ms) == 1;
}

// No connect() waits longer.
void limit_connect(const sys::UniqueFd& fd) {
  const timeval limit{kDeadline_ms / 1000, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// Where a socket with this local address can connect to: loopback of its family.
AddressBytes loopback_for(Family family, const AddressBytes& local) {
  if (family == Family::inet) return {127, 0, 0, 1};
  if (is_v4_mapped(family, local)) return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
}

// The address a listener on `local` is reached at.
AddressBytes reachable(Family family, const AddressBytes& local) {
  const bool mapped_any = is_v4_mapped(family, local) && local[12] == 0;
  return is_wildcard(family, local) || mapped_any ? loopback_for(family, local) : local;
}

// Local, not multicast, broadcast or foreign, and reached without a device.
bool is_connectable(const MemberSpec& spec) {
  if (spec.device != 0 || spec.scope != 0) return false;
  const AddressBytes& a = spec.address;
  if (spec.family == Family::inet) return (a[0] == 127 || a[0] == 0 || (a[0] == 10 && a[3] == 1));
  if (is_v4_mapped(spec.family, a)) return a[12] == 127 || a[12] == 0;
  return is_wildcard(spec.family, a) || is_loopback(spec.family, a) || a[0] == 0xfd;
}

// Cookies, and times in the order in which things happen.
uint64_t next_number() {
  static uint64_t number = 0;
  return ++number;
}

}  // namespace

Member::Member(const MemberSpec& spec, sys::UniqueFd fd) : spec_(spec), fd_(std::move(fd)) {
  model_.key.cookie = next_number();
  model_.netns = kNetns;
  model_.family = spec.family;
  model_.protocol = spec.udp ? IPPROTO_UDP : IPPROTO_TCP;
  model_.type = spec.udp ? SOCK_DGRAM : SOCK_STREAM;
  model_.state = State::close;
  model_.inode = static_cast<uint32_t>(model_.key.cookie);
  model_.options.known = model_.options.v6_only_known = true;
  refresh();
}

std::optional<Member> Member::open(const MemberSpec& spec) {
  // The socket belongs to the file system uid of its creator.
  ::setfsuid(spec.uid);
  sys::UniqueFd fd(
      ::socket(static_cast<int>(spec.family), (spec.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
  ::setfsuid(0);
  if (!fd) return std::nullopt;
  limit_connect(fd);
  bool done = set_option(fd, SOL_SOCKET, SO_REUSEADDR, spec.reuse_address) &&
              set_option(fd, SOL_SOCKET, SO_REUSEPORT, spec.reuse_port);
  if (spec.family == Family::inet6) done = done && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, spec.v6_only);
  if (spec.device) done = done && set_option(fd, SOL_SOCKET, SO_BINDTOIFINDEX, static_cast<int>(spec.device));
  if (spec.freebind) done = done && set_option(fd, IPPROTO_IP, IP_FREEBIND, 1);
  if (!done) return std::nullopt;
  return Member(spec, std::move(fd));
}

// What the kernel says of the socket now.
void Member::refresh() {
  Sockaddr local;
  if (::getsockname(fd_.get(), local.get(), &local.size) == 0) model_.local = to_endpoint(local);
  Sockaddr peer;
  model_.peer = ::getpeername(fd_.get(), peer.get(), &peer.size) == 0 ? to_endpoint(peer) : Endpoint{};
  // An accepted socket belongs to whoever accepted it, not to its listener's user.
  struct stat status {};
  if (::fstat(fd_.get(), &status) == 0) model_.uid = status.st_uid;
  model_.ifindex = static_cast<uint32_t>(option(fd_, SOL_SOCKET, SO_BINDTOIFINDEX));
  model_.options.reuse_address = option(fd_, SOL_SOCKET, SO_REUSEADDR) != 0;
  model_.options.reuse_port = option(fd_, SOL_SOCKET, SO_REUSEPORT) != 0;
  if (spec_.family == Family::inet6) model_.options.v6_only = option(fd_, IPPROTO_IPV6, IPV6_V6ONLY) != 0;
}

diagnose::BindRequest Member::bind_request() const {
  diagnose::BindRequest request;
  request.netns = kNetns;
  request.protocol = model_.protocol;
  request.family = spec_.family;
  request.local = {spec_.address, spec_.port};
  request.ifindex = spec_.scope ? spec_.scope : model_.ifindex;
  request.options = model_.options;
  request.uid = spec_.uid;
  request.key = model_.key;
  request.already_bound = model_.local.port != 0;
  request.capable_net_bind = spec_.capable;
  request.nonlocal = spec_.freebind;
  return request;
}

diagnose::BindRequest Member::listen_request() const {
  diagnose::BindRequest request = bind_request();
  request.local = model_.local;
  request.is_listen = true;
  request.already_bound = false;
  return request;
}

int Member::bind() {
  Sockaddr address = to_sockaddr(spec_.family, {spec_.address, spec_.port}, spec_.scope);
  if (!spec_.capable && ::seteuid(1001) != 0) return -1;
  const int error = ::bind(fd_.get(), address.get(), address.size) == 0 ? 0 : errno;
  if (!spec_.capable && ::seteuid(0) != 0) return -1;
  if (error == 0) {
    refresh();
    model_.options.port_locked = spec_.port != 0;
    model_.opened_ns = model_.changed_ns = next_number();
  }
  return error;
}

int Member::listen() {
  if (::listen(fd_.get(), 8) != 0) return errno;
  model_.state = State::listen;
  model_.changed_ns = next_number();
  return 0;
}

void Member::close_at_once() {
  const linger abort{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  fd_ = {};
}

bool Member::connect(const Endpoint& peer) {
  Sockaddr address = to_sockaddr(spec_.family, peer, 0);
  if (::connect(fd_.get(), address.get(), address.size) != 0) return false;
  refresh();
  model_.state = State::established;
  if (model_.opened_ns == 0) model_.opened_ns = next_number();
  return true;
}

bool Member::connect_to_server(Sandbox& sandbox) {
  if (!connect({loopback_for(spec_.family, model_.local.address), sandbox.next_server()})) return false;
  if (spec_.udp) return true;
  peer_ = sandbox.accept();
  return static_cast<bool>(peer_);
}

// The child takes the member's place; the listener closes.
bool Member::become_accepted(Sandbox& sandbox) {
  if (model_.local.port == 0 || listen() != 0) return false;
  sys::UniqueFd client(::socket(static_cast<int>(spec_.family), SOCK_STREAM | SOCK_CLOEXEC, 0));
  limit_connect(client);
  sandbox.set_local_ports(Sandbox::kClientPorts);
  Sockaddr target =
      to_sockaddr(spec_.family, {reachable(spec_.family, model_.local.address), model_.local.port}, 0);
  if (::connect(client.get(), target.get(), target.size) != 0) return false;
  // Another member of the crowd may have taken the connection: the handshake over, it is here now or never.
  if (!is_readable(fd_, 0)) return false;
  sys::UniqueFd child(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!child) return false;
  fd_ = std::move(child);
  peer_ = std::move(client);
  refresh();
  model_.state = State::established;
  model_.inbound = true;
  model_.options.port_locked = false;
  return true;
}

bool Member::take_role(Sandbox& sandbox) {
  if (spec_.role == Role::bound || spec_.role == Role::listening) return true;
  if (!is_connectable(spec_)) return false;
  if (spec_.udp)
    return (spec_.role == Role::connected || spec_.role == Role::autobound) && connect_to_server(sandbox);
  switch (spec_.role) {
    case Role::connected:
    case Role::autobound:
      return connect_to_server(sandbox);
    case Role::accepted:
      return become_accepted(sandbox);
    case Role::self_connected:
      return connect({reachable(spec_.family, model_.local.address), model_.local.port});
    case Role::close_wait: {
      if (!connect_to_server(sandbox)) return false;
      peer_ = {};
      if (!is_readable(fd_, kDeadline_ms)) return false;
      model_.state = State::close_wait;
      return true;
    }
    case Role::fin_wait:
      if (!connect_to_server(sandbox)) return false;
      ::shutdown(fd_.get(), SHUT_WR);
      model_.state = State::fin_wait_2;
      return true;
    default: {
      const bool server = spec_.role == Role::server_time_wait;
      if (!(server ? become_accepted(sandbox) : connect_to_server(sandbox))) return false;
      fd_ = {};
      if (!is_readable(peer_, kDeadline_ms)) return false;
      peer_ = {};
      model_.state = State::time_wait;
      model_.inode = 0;
      return true;
    }
  }
}

}  // namespace socktrace::test
