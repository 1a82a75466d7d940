#include "diagnose/explain.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "support/conflict_builder.h"

namespace socktrace::test {
namespace {

Event failed(EventKind kind, const Socket& socket, int error) {
  Event event;
  event.kind = kind;
  event.socket = socket;
  event.error = error;
  event.time_ns = 1'000'000'000'000;
  return event;
}

Socket asking(const std::string& local, const std::string& options = "") {
  Socket socket = bound(local, options);
  socket.inode = 0;
  return socket;
}

TEST(ExplainFailure, NamesWhoHoldsThePortOfAFailedBind) {
  const std::vector<Socket> sockets = {
      owned_by(listener("0.0.0.0:8080", "unknown"), 991, "nginx", "nginx.service")};
  const Event event = failed(EventKind::bind_failed, asking("127.0.0.1:8080"), EADDRINUSE);
  EXPECT_EQ(text(diagnose::explain_failure(event, pointers(sockets))),
            "  listener_overlap [LISTEN 0.0.0.0:8080]: same port, overlapping address, the new socket lacks "
            "SO_REUSEPORT | systemctl status nginx.service\n");
}

TEST(ExplainFailure, TellsAFailedListenFromAFailedBind) {
  const Socket self = bound("0.0.0.0:8080", "reuseaddr");
  const std::vector<Socket> sockets = {owned_by(listener("0.0.0.0:8080", "reuseaddr"), 5, "node"), self};
  const Event event = failed(EventKind::listen_failed, self, EADDRINUSE);
  EXPECT_EQ(
      text(diagnose::explain_failure(event, pointers(sockets))),
      "  listen_conflict [LISTEN 0.0.0.0:8080]: both could bind with SO_REUSEADDR, but only one may listen "
      "without SO_REUSEPORT | ps -fp 5\n");
}

TEST(ExplainFailure, HasNothingToSayOfASuccess) {
  EXPECT_TRUE(diagnose::explain_failure(failed(EventKind::bind_ok, asking("127.0.0.1:8080"), 0), {}).empty());
}

TEST(InferError, FollowsTheOrderOfTheKernel) {
  const Socket self = asking("127.0.0.1:8080", "uid=1000");
  const std::vector<Socket> taken = {listener("0.0.0.0:8080")};
  const Event event = failed(EventKind::bind_failed, self, 0);
  EXPECT_EQ(diagnose::infer_error(event, pointers(taken), loopback_facts()), EADDRINUSE);
  EXPECT_EQ(diagnose::infer_error(event, {}, loopback_facts()), 0);
  const std::vector<Socket> bound_already = {self};
  EXPECT_EQ(diagnose::infer_error(event, pointers(bound_already), loopback_facts()), EINVAL);
  const Event privileged = failed(EventKind::bind_failed, asking("127.0.0.1:80", "uid=1000"), 0);
  EXPECT_EQ(diagnose::infer_error(privileged, {}, loopback_facts()), EACCES);
  const Event root = failed(EventKind::bind_failed, asking("127.0.0.1:80", "uid=0"), 0);
  EXPECT_EQ(diagnose::infer_error(root, {}, loopback_facts()), 0);
  const Event foreign = failed(EventKind::bind_failed, asking("192.0.2.1:80", "uid=1000"), 0);
  EXPECT_EQ(diagnose::infer_error(foreign, {}, loopback_facts()), EADDRNOTAVAIL);
}

// connect() to 127.0.0.1:80 that got as far as SYN_SENT.
std::vector<Conflict> explain_connect(const std::string& local, const std::vector<Socket>& sockets,
                                      const diagnose::HostFacts& facts) {
  Event event = failed(EventKind::tcp_connect_failed, outgoing(local, "127.0.0.1:80"), EADDRNOTAVAIL);
  event.socket.key.cookie = 99;
  event.previous = State::syn_sent;
  return diagnose::explain_failure(event, pointers(sockets), facts);
}

diagnose::HostFacts ports(uint16_t first, uint16_t last) {
  diagnose::HostFacts facts = loopback_facts();
  facts.local_ports = {first, last};
  return facts;
}

TEST(ExplainFailure, WhatBindHasTakenOfThePortRangeNoConnectGets) {
  diagnose::HostFacts facts = ports(40000, 40005);
  facts.reserved_ports = {{40005, 40010}};
  std::vector<Socket> sockets = {
      owned_by(outgoing("127.0.0.1:40000", "127.0.0.1:80"), 8, "curl"), time_wait("127.0.0.1:40001"),
      owned_by(listener("192.0.2.1:40002"), 7, "named"), owned_by(bound("127.0.0.1:40003"), 7, "named"),
      outgoing("127.0.0.1:40004", "127.0.0.1:81")};
  sockets[1].peer = sockets[0].peer;
  EXPECT_EQ(
      text(explain_connect("127.0.0.1:0", sockets, facts)),
      "  range_exhausted [nobody]: the kernel found no port for a connection to 127.0.0.1:80, although 1 of "
      "net.ipv4.ip_local_port_range (40000-40005) is free now: the socket has a smaller range of its own "
      "(IP_LOCAL_PORT_RANGE), or ports have become free since | sysctl net.ipv4.ip_local_port_range\n");
  sockets.push_back(outgoing("127.0.0.1:40004", "127.0.0.1:82"));
  sockets.back().inbound = true;
  EXPECT_EQ(
      text(explain_connect("127.0.0.1:0", sockets, facts)),
      "  range_exhausted [UNCONN 127.0.0.1:40003]: no port of net.ipv4.ip_local_port_range (40000-40005) "
      "is left for a connection to 127.0.0.1:80: 2 exist, 1 of them in TIME-WAIT; 3 ports are held by "
      "listeners or bound sockets; 1 is reserved; the holder has 2 | sysctl "
      "net.ipv4.ip_local_port_range net.ipv4.tcp_tw_reuse\n");
}

TEST(ExplainFailure, ConnectOfABoundSocketMeetsAConnectionBetweenTheSameEnds) {
  std::vector<Socket> sockets = {owned_by(outgoing("127.0.0.1:9000", "127.0.0.1:80"), 8, "curl")};
  EXPECT_EQ(
      text(explain_connect("127.0.0.1:9000", sockets, loopback_facts())),
      "  connection_exists [ESTAB 127.0.0.1:9000]: a connection between the same two addresses and ports "
      "exists; connect() from another port, or leave out bind() | ps -fp 8\n");
  sockets[0].state = State::time_wait;
  sockets[0].changed_ns = 980'000'000'000;
  EXPECT_NE(text(explain_connect("127.0.0.1:9000", sockets, loopback_facts())).find("for up to 40 s more"),
            std::string::npos);
  sockets[0].peer.port = 81;
  EXPECT_EQ(text(explain_connect("127.0.0.1:9000", sockets, loopback_facts())),
            "  connection_exists [nobody]: a connection between the same two addresses and ports existed: it "
            "has ended "
            "since, or is hidden from this host | \n");
}

TEST(ExplainFailure, ConnectionsFromElsewhereDoNotExhaustThePortRange) {
  const diagnose::HostFacts facts = ports(40000, 40000);
  const std::vector<Socket> sockets = {owned_by(outgoing("127.0.0.1:8001", "127.0.0.1:80"), 7, "named"),
                                       owned_by(outgoing("127.0.0.1:8002", "127.0.0.1:80"), 7, "named"),
                                       owned_by(outgoing("127.0.0.1:40000", "127.0.0.1:80"), 8, "curl")};
  const std::vector<Conflict> conflicts = explain_connect("127.0.0.1:0", sockets, facts);
  ASSERT_EQ(conflicts.size(), 1u);
  EXPECT_EQ(conflicts[0].holder.local.port, 40000);
  EXPECT_TRUE(conflicts[0].why.ends_with("127.0.0.1:80: 1 exists; the holder has 1")) << conflicts[0].why;
}

TEST(ExplainFailure, ConnectWithoutAnAddressToSendFromIsNoExhaustedPortRange) {
  Event event = failed(EventKind::tcp_connect_failed, asking("127.0.0.1:0", "uid=1000"), EADDRNOTAVAIL);
  event.previous = State::syn_sent;
  EXPECT_EQ(diagnose::explain_failure(event, {}, loopback_facts()).size(), 1u);
  event.previous = State::close;
  EXPECT_TRUE(diagnose::explain_failure(event, {}, loopback_facts()).empty());
}

}  // namespace
}  // namespace socktrace::test
