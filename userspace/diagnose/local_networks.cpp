#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "diagnose/host_facts.h"

namespace socktrace::diagnose {
namespace {

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using NetlinkSocket = std::unique_ptr<mnl_socket, CloseSocket>;

// mnl_attr_for_each for C++, which does not convert from void*.
template <typename Visit>
void each_attribute(const nlmsghdr* message, size_t header_size, Visit visit) {
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, header_size));
  while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
    visit(attribute);
    attribute = mnl_attr_next(attribute);
  }
}

void copy_address(const nlattr* attribute, LocalNetwork& network) {
  const size_t size = network.family == Family::inet ? 4 : 16;
  if (mnl_attr_get_payload_len(attribute) == size)
    std::memcpy(network.address.data(), mnl_attr_get_payload(attribute), size);
}

// A route of the table `local`: what inet_addr_type_table() looks up.
int take_route(const nlmsghdr* message, void* data) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(rtmsg)) return MNL_CB_OK;
  const auto* route = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  const bool local = route->rtm_type == RTN_LOCAL || route->rtm_type == RTN_BROADCAST;
  if (route->rtm_family != AF_INET || route->rtm_table != RT_TABLE_LOCAL || !local) return MNL_CB_OK;
  LocalNetwork network;
  network.family = Family::inet;
  network.prefix_length = route->rtm_dst_len;
  each_attribute(message, sizeof(rtmsg), [&](const nlattr* attribute) {
    const uint16_t type = mnl_attr_get_type(attribute);
    if (type == RTA_DST) copy_address(attribute, network);
    if (type == RTA_OIF) network.ifindex = mnl_attr_get_u32(attribute);
  });
  static_cast<std::vector<LocalNetwork>*>(data)->push_back(network);
  return MNL_CB_OK;
}

// An address of an interface: what ipv6_chk_addr() looks up.
int take_address(const nlmsghdr* message, void* data) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(ifaddrmsg)) return MNL_CB_OK;
  const auto* address = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
  if (address->ifa_family != AF_INET6) return MNL_CB_OK;
  LocalNetwork network;
  network.family = Family::inet6;
  network.prefix_length = 128;
  network.ifindex = address->ifa_index;
  network.interface_only = address->ifa_scope == RT_SCOPE_LINK || address->ifa_scope == RT_SCOPE_HOST;
  uint32_t flags = address->ifa_flags;
  each_attribute(message, sizeof(ifaddrmsg), [&](const nlattr* attribute) {
    const uint16_t type = mnl_attr_get_type(attribute);
    // On a point-to-point link IFA_ADDRESS is the peer and IFA_LOCAL, which follows it or is absent, ours.
    if (type == IFA_LOCAL || (type == IFA_ADDRESS && is_wildcard(network.family, network.address)))
      copy_address(attribute, network);
    if (type == IFA_FLAGS) flags = mnl_attr_get_u32(attribute);
  });
  network.tentative = (flags & IFA_F_TENTATIVE) && !(flags & IFA_F_OPTIMISTIC);
  static_cast<std::vector<LocalNetwork>*>(data)->push_back(network);
  return MNL_CB_OK;
}

void put_route_request(nlmsghdr* request, uint8_t family) {
  auto* route = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtmsg)));
  route->rtm_family = family;
  route->rtm_table = RT_TABLE_LOCAL;
}

Result<void> dump(mnl_socket* socket, uint16_t type, uint8_t family, mnl_cb_t take,
                  std::vector<LocalNetwork>& networks) {
  alignas(nlmsghdr) std::array<char, 32768> buffer{};  // NLMSG_GOODSIZE is at most this for dumps
  nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = type;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = type;
  if (type == RTM_GETROUTE)
    put_route_request(request, family);
  else
    static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(ifaddrmsg)))->ifa_family = family;
  if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
    return Error::system("send rtnetlink request", errno);
  for (;;) {
    const ssize_t size = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (size < 0) return Error::system("receive from rtnetlink", errno);
    const int more = mnl_cb_run(buffer.data(), static_cast<size_t>(size), type, 0, take, &networks);
    if (more < 0 && errno == ENOENT) return {};  // a namespace that never had an address has no table `local`
    if (more < 0) return Error::system("rtnetlink dump", errno);
    if (more == MNL_CB_STOP) return {};
  }
}

}  // namespace

Result<std::vector<LocalNetwork>> read_local_networks() {
  const NetlinkSocket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
  if (!socket) return Error::system("open rtnetlink socket", errno);
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
    return Error::system("bind rtnetlink socket", errno);
  // Makes the kernel (4.20) send the table `local` alone: a router's full table has a million routes.
  int strict = 1;
  (void)mnl_socket_setsockopt(socket.get(), NETLINK_GET_STRICT_CHK, &strict, sizeof strict);
  std::vector<LocalNetwork> networks;
  if (auto done = dump(socket.get(), RTM_GETROUTE, AF_INET, take_route, networks); !done)
    return std::move(done.error());
  if (auto done = dump(socket.get(), RTM_GETADDR, AF_INET6, take_address, networks); !done)
    return std::move(done.error());
  return networks;
}

}  // namespace socktrace::diagnose
