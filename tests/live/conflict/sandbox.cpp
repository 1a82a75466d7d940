#include "sandbox.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>

namespace socktrace::test {
namespace {

// A setup step that cannot fail without making the whole test meaningless.
void require(bool done, const char* what) {
  if (done) return;
  std::perror(what);
  std::abort();
}

sys::UniqueFd open_sysctl(const char* path) {
  sys::UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
  require(static_cast<bool>(fd), path);
  return fd;
}

void write_sysctl(const sys::UniqueFd& fd, const std::string& text) {
  require(::pwrite(fd.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()), text.c_str());
}

constexpr const char* kSetup =
    "ip link set lo up && ip link add st0 type veth peer name st1 && "
    "ip link set st0 addrgenmode none && ip link set st1 addrgenmode none && "
    "ip addr add 10.99.0.1/24 dev st0 && ip link set st1 up && ip link set st0 up && "
    "ip addr add fd99::1/64 dev st0 nodad && ip addr add fe80::1/64 dev st0 nodad";

}  // namespace

Sandbox::Sandbox() {
  require(::unshare(CLONE_NEWNET) == 0, "unshare");
  require(std::system(kSetup) == 0, "ip");
  write_sysctl(open_sysctl("/proc/sys/net/ipv4/tcp_max_tw_buckets"), "262144");
  local_ports_ = open_sysctl("/proc/sys/net/ipv4/ip_local_port_range");
  unprivileged_ = open_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start");
  loopback_ = ::if_nametoindex("lo");
  device_ = ::if_nametoindex("st0");

  Result<diagnose::HostFacts> facts = diagnose::read_host_facts();
  require(facts.has_value(), "read_host_facts");
  facts_ = *std::move(facts);
  set_local_ports(kClientPorts);

  for (uint16_t i = 0; i < servers_.size(); ++i) {
    servers_[i] = sys::UniqueFd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(kFirstServerPort + i);
    require(::bind(servers_[i].get(), reinterpret_cast<sockaddr*>(&any), sizeof any) == 0, "bind server");
    require(::listen(servers_[i].get(), 64) == 0, "listen");
  }
}

void Sandbox::set_local_ports(diagnose::PortRange range) {
  write_sysctl(local_ports_, std::to_string(range.first) + " " + std::to_string(range.last));
  facts_.local_ports = range;
}

void Sandbox::set_unprivileged_start(uint16_t port) {
  write_sysctl(unprivileged_, std::to_string(port));
  facts_.unprivileged_port_start = port;
}

diagnose::HostFacts Sandbox::facts() const {
  return facts_;
}

uint16_t Sandbox::next_server() {
  server_ = (server_ + 1) % servers_.size();
  return static_cast<uint16_t>(kFirstServerPort + server_);
}

sys::UniqueFd Sandbox::accept() const {
  return sys::UniqueFd(::accept4(servers_[server_].get(), nullptr, nullptr, SOCK_CLOEXEC));
}

}  // namespace socktrace::test
