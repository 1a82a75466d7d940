#include "diagnose/tcp_rules.h"

#include <netinet/in.h>

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

// Children of a listener and connections join a bucket without touching its marks.
bool chose_its_port(const Socket& socket) {
  if (socket.inbound) return false;
  return socket.options.port_locked || socket.state == State::listen || socket.state == State::close ||
         socket.state == State::bound_inactive;
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

bool tcp_blocks_autobind(const Claim& request, const Claim& holder) {
  return devices_overlap(request, holder) && addresses_overlap(request, holder);
}

std::vector<const Socket*> tcp_blockers(const BindRequest& request, SocketSpan bucket, Unknown unknown) {
  const Claim claim = claim_of(request);
  FastPath fast;
  std::vector<const Socket*> blockers;
  for (const Socket* socket : bucket) {
    const Claim holder = claim_of(*socket, unknown);
    const bool itself = is_requester(request, *socket);
    if (chose_its_port(*socket) && (!itself || request.is_listen)) fast.add(holder);
    if (!itself && options_conflict(claim, holder) && devices_overlap(claim, holder) &&
        addresses_overlap(claim, holder))
      blockers.push_back(socket);
  }
  if (fast.admits(claim)) blockers.clear();
  return blockers;
}

}  // namespace socktrace::diagnose
