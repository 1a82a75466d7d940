#include "diagnose/tcp_rules.h"

#include <netinet/in.h>

#include <algorithm>
#include <optional>

namespace socktrace::diagnose {
namespace {

// inet_bind_bucket's fastreuse and fastreuseport: what let a socket in without looking at the others. They
// only ever add successes that the full check would refuse, so the order of the binds can matter.
class FastPath {
 public:
  void add(const Claim& claim) {
    if (!claim.reuse_port)
      port_.reset();
    else if (!admits(claim))
      port_ = claim;
  }

  // sk_reuseport_match(): same uid, and the address of the last socket that set the mark covers this one. The
  // bound device is not looked at.
  bool admits(const Claim& claim) const {
    return port_ && claim.reuse_port && port_->uid == claim.uid && addresses_overlap(*port_, claim, false);
  }

 private:
  std::optional<Claim> port_;
};

// Children of a listener and connections whose port the kernel chose join a bucket without touching its
// marks.
bool chose_its_port(const Socket& socket) {
  if (socket.inbound) return false;
  return socket.options.port_locked || socket.state == State::listen || socket.state == State::close ||
         socket.state == State::bound_inactive;
}

// The marks keep the address a socket was bound to, which connect() has since replaced, and those of a
// listener outlive it in its children, whoever accepted them. A port that connect() chose has left none, but
// looks like one that bind() chose, which has.
bool may_hide_a_mark(const Socket& socket, const Claim& holder) {
  return socket.peer.port != 0 || holder.time_wait;
}

// listen() sets the marks again.
uint64_t marked_ns(const Socket& socket) {
  return socket.state == State::listen ? std::max(socket.opened_ns, socket.changed_ns) : socket.opened_ns;
}

// Whether the marks let the new socket in. A hidden one decides by the doubt.
bool is_let_in(const BindRequest& request, SocketSpan bucket, Unknown unknown) {
  const Claim claim = claim_of(request);
  std::vector<const Socket*> markers;
  for (const Socket* socket : bucket) {
    if (may_hide_a_mark(*socket, claim_of(*socket, unknown))) {
      if (unknown == Unknown::blocks) return false;
      if (claim.reuse_port && claim_of(*socket, unknown).reuse_port) return true;
    } else if (chose_its_port(*socket) && (!is_requester(request, *socket) || request.is_listen)) {
      markers.push_back(socket);
    }
  }
  std::ranges::stable_sort(markers, {}, [](const Socket* socket) { return marked_ns(*socket); });
  FastPath fast;
  for (const Socket* socket : markers) fast.add(claim_of(*socket, unknown));
  return fast.admits(claim);
}

// inet_bind_conflict() without the address, as bind and listen ask it.
bool options_conflict(const Claim& request, const Claim& holder) {
  if (request.reuse_address && holder.reuse_address && !holder.listening) return false;
  return !(request.reuse_port && holder.reuse_port && (holder.time_wait || request.uid == holder.uid));
}

}  // namespace

bool holds_tcp_port(const Socket& socket) {
  if (socket.local.port == 0) return false;
  switch (socket.state) {
    case State::none:
    case State::syn_recv:  // as a dump shows request sockets; they are in no bind bucket
    case State::new_syn_recv:
      return false;
    case State::close:
      // A connection that ends gives its port back unless bind() chose it (SOCK_BINDPORT_LOCK); bind() to
      // port 0 does not lock, but such a socket has no peer yet.
      return !socket.options.known || socket.options.port_locked || socket.peer.port == 0;
    default:
      return true;
  }
}

bool tcp_overlap(const Claim& request, const Claim& holder) {
  if (!devices_overlap(request, holder) || !addresses_overlap(request, holder)) return false;
  // Since 6.1 (28044fc1d495) a specific address is looked up in a table of its own, where the IPv4
  // placeholder of a native IPv6 socket is not found; before, only 127.0.0.6 itself could meet it.
  return is_v4_wildcard(request) || !is_v4(request) || !is_native_v6(holder);
}

std::vector<const Socket*> tcp_blockers(const BindRequest& request, SocketSpan bucket, Unknown unknown) {
  const Claim claim = claim_of(request);
  std::vector<const Socket*> blockers;
  for (const Socket* socket : bucket) {
    const Claim holder = claim_of(*socket, unknown);
    if (!is_requester(request, *socket) && options_conflict(claim, holder) && tcp_overlap(claim, holder))
      blockers.push_back(socket);
  }
  if (!blockers.empty() && is_let_in(request, bucket, unknown)) blockers.clear();
  return blockers;
}

}  // namespace socktrace::diagnose
