#include "diagnose/conflict.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "support/conflict_builder.h"

namespace socktrace::test {
namespace {

constexpr uint64_t kSecond_ns = 1'000'000'000;

std::string holders(const diagnose::BindRequest& asked, int error, const std::vector<Socket>& sockets) {
  return text(diagnose::holders_of_failure(asked, error, pointers(sockets), loopback_facts()));
}

TEST(Conflict, NamesTheListenerWithItsUnit) {
  const Socket nginx = owned_by(listener("0.0.0.0:8080"), 991, "nginx", "nginx.service");
  EXPECT_EQ(explained(request("0.0.0.0:8080"), {nginx}),
            "EADDRINUSE\n"
            "  listener_overlap [LISTEN 0.0.0.0:8080]: same port, overlapping address, neither socket has "
            "SO_REUSEPORT | systemctl status nginx.service\n");
}

TEST(Conflict, SaysThatTheIpv6WildcardOwnsIpv4) {
  const Socket java = owned_by(listener("[::]:8080"), 17, "java");
  EXPECT_EQ(
      explained(request("0.0.0.0:8080"), {java}),
      "EADDRINUSE\n"
      "  dual_stack_overlap [LISTEN [::]:8080]: :: is dual-stack and owns IPv4 too, unless its socket sets "
      "IPV6_V6ONLY | ps -fp 17\n");
  EXPECT_EQ(
      explained(request("[::]:8080"), {owned_by(listener("127.0.0.1:8080"), 17, "java")}),
      "EADDRINUSE\n"
      "  dual_stack_overlap [LISTEN 127.0.0.1:8080]: the new socket on :: is dual-stack and wants IPv4 too, "
      "where the port is held; set IPV6_V6ONLY | ps -fp 17\n");
}

TEST(Conflict, TellsManyTimeWaitsAsOneWithTheLongestWait) {
  std::vector<Socket> sockets;
  for (int i = 0; i < 17; ++i) {
    sockets.push_back(time_wait("127.0.0.1:8080", "reuseaddr"));
    sockets.back().changed_ns = (100 + static_cast<uint64_t>(i)) * kSecond_ns;
  }
  diagnose::BindRequest asked = request("0.0.0.0:8080");
  asked.time_ns = 135 * kSecond_ns;
  EXPECT_EQ(
      explained(asked, sockets),
      "EADDRINUSE\n"
      "  time_wait [TIME-WAIT 127.0.0.1:8080]: 17 connections closed here are in TIME-WAIT, the last for up "
      "to 41 s more; set SO_REUSEADDR before bind | socktrace ss -tan state time-wait sport = :8080\n");
}

TEST(Conflict, SaysThatReuseAddressMustHaveBeenOnTheClosedSocketToo) {
  EXPECT_EQ(
      explained(request("0.0.0.0:8080", "reuseaddr"), {time_wait("127.0.0.1:8080")}),
      "EADDRINUSE\n"
      "  time_wait [TIME-WAIT 127.0.0.1:8080]: TIME-WAIT for up to 60 s more after a connection closed here; "
      "SO_REUSEADDR helps only if the holder has it too | socktrace ss -tan state time-wait sport = :8080\n");
}

TEST(Conflict, NamesTheClientThatTookThePortAsItsSourcePort) {
  const Socket curl = owned_by(outgoing("127.0.0.1:40000", "192.0.2.7:443"), 877, "curl");
  EXPECT_EQ(explained(request("0.0.0.0:40000", "reuseaddr"), {curl}),
            "EADDRINUSE\n"
            "  outgoing_connection [ESTAB 127.0.0.1:40000]: a connection to 192.0.2.7:443 has the port as "
            "its source "
            "port; net.ipv4.ip_local_reserved_ports keeps a port from that | sysctl "
            "net.ipv4.ip_local_reserved_ports net.ipv4.ip_local_port_range\n");
}

// Its options are known from its owner; whether it was accepted they do not say.
TEST(Conflict, AConnectionThatWasNotSeenToOpenIsAnOutgoingOneByItsPort) {
  const auto reason = [](const Socket& socket) {
    const std::string told = holders(request(to_string(socket.family, socket.local)), EADDRINUSE, {socket});
    return told.substr(2, told.find(' ', 2) - 2);
  };
  Socket connection = owned_by(outgoing("127.0.0.1:8080", "192.0.2.7:443"), 877, "old");
  connection.opened_ns = 0;
  EXPECT_EQ(reason(connection), "inbound_connection");
  connection.options.port_locked = true;
  EXPECT_EQ(reason(connection), "outgoing_connection");
  connection.options.port_locked = false;
  connection.opened_ns = 1;
  EXPECT_EQ(reason(connection), "outgoing_connection");
  connection.since_is_bound = true;
  EXPECT_EQ(reason(connection), "inbound_connection");
}

TEST(Conflict, RecognisesASocketConnectedToItself) {
  const Socket retry = owned_by(outgoing("127.0.0.1:40000", "127.0.0.1:40000", "unknown"), 877, "sh");
  EXPECT_EQ(
      holders(request("127.0.0.1:40000"), EADDRINUSE, {retry}),
      "  outgoing_connection [ESTAB 127.0.0.1:40000]: the socket is connected to itself: its connect() found "
      "no listener and met its own source port | sysctl net.ipv4.ip_local_reserved_ports "
      "net.ipv4.ip_local_port_range\n");
}

TEST(Conflict, NamesBothUidsWhenReusePortIsRefused) {
  EXPECT_EQ(
      explained(request("0.0.0.0:8080", "reuseport uid=1001"),
                {owned_by(listener("0.0.0.0:8080", "reuseport uid=33"), 5, "nginx")}),
      "EADDRINUSE\n"
      "  reuseport_uid_mismatch [LISTEN 0.0.0.0:8080]: both have SO_REUSEPORT, but uid 1001 may not join the "
      "group of uid 33 | ps -fp 5\n");
}

TEST(Conflict, ListenFailsWhenTheOtherReuseAddressSocketListensAlready) {
  EXPECT_EQ(
      explained(request("0.0.0.0:8080", "reuseaddr listen"),
                {owned_by(listener("0.0.0.0:8080", "reuseaddr"), 5, "node")}),
      "EADDRINUSE\n"
      "  listen_conflict [LISTEN 0.0.0.0:8080]: both could bind with SO_REUSEADDR, but only one may listen "
      "without SO_REUSEPORT | ps -fp 5\n");
}

TEST(Conflict, NamesHoldersButNotTheirClients) {
  const std::vector<Socket> sockets = {
      owned_by(listener("0.0.0.0:8080"), 5, "node"), accepted("127.0.0.1:8080", "127.0.0.1:50000"),
      accepted("127.0.0.1:8080", "127.0.0.1:50001"), outgoing("127.0.0.1:50000", "127.0.0.1:8080"),
      time_wait("127.0.0.1:8080", "unknown"),
  };
  const std::string listener_only =
      "  listener_overlap [LISTEN 0.0.0.0:8080]: same port, overlapping address, neither socket has "
      "SO_REUSEPORT | ps -fp 5\n";
  EXPECT_EQ(holders(request("0.0.0.0:8080", "reuseaddr"), EADDRINUSE, sockets), listener_only);
  // Without SO_REUSEADDR the TIME_WAIT will be in the way when the listener has gone.
  EXPECT_EQ(
      holders(request("0.0.0.0:8080"), EADDRINUSE, sockets),
      listener_only +
          "  time_wait [TIME-WAIT 127.0.0.1:8080]: TIME-WAIT for up to 60 s more after a connection closed "
          "here; set SO_REUSEADDR before bind; it helps if the holder had it too | socktrace ss -tan state "
          "time-wait sport = :8080\n");
}

TEST(Conflict, TellsTheAcceptedConnectionsOfAnotherProcessAsOneWhenTheListenerIsGone) {
  const Socket first = owned_by(accepted("127.0.0.1:8080", "127.0.0.1:50000"), 5, "worker");
  const Socket second = owned_by(accepted("127.0.0.1:8080", "127.0.0.1:50001"), 5, "worker");
  EXPECT_EQ(
      explained(request("0.0.0.0:8080"), {first, second}),
      "EADDRINUSE\n"
      "  inbound_connection [ESTAB 127.0.0.1:8080]: a connection accepted on the port outlives its listener; "
      "neither socket has SO_REUSEADDR, which helps only on both (2 such sockets) | ps -fp 5\n");
}

TEST(Conflict, ListsEveryListenerInTheWay) {
  const std::vector<Socket> sockets = {owned_by(listener("127.0.0.1:8080"), 5, "a"),
                                       owned_by(listener("127.0.0.2:8080"), 6, "b"),
                                       listener("127.0.0.3:8081")};
  EXPECT_EQ(explained(request("0.0.0.0:8080"), sockets),
            "EADDRINUSE\n"
            "  listener_overlap [LISTEN 127.0.0.1:8080]: same port, overlapping address, neither socket has "
            "SO_REUSEPORT | ps -fp 5\n"
            "  listener_overlap [LISTEN 127.0.0.2:8080]: same port, overlapping address, neither socket has "
            "SO_REUSEPORT | ps -fp 6\n");
}

TEST(Conflict, IsDoubtfulWhenItDependsOnOptionsNobodyKnows) {
  const std::string text =
      explained(request("0.0.0.0:8080", "reuseaddr"), {time_wait("127.0.0.1:8080", "unknown")});
  EXPECT_EQ(text.substr(0, text.find('\n')), "EADDRINUSE?");
  // Without SO_REUSEADDR on the new socket the other's options do not matter.
  const std::string sure = explained(request("0.0.0.0:8080"), {time_wait("127.0.0.1:8080", "unknown")});
  EXPECT_EQ(sure.substr(0, sure.find('\n')), "EADDRINUSE");
}

TEST(HoldersOfFailure, PrefersTheSocketThatIsInTheWayForSure) {
  const std::vector<Socket> sockets = {owned_by(bound("127.0.0.1:8080", "unknown"), 5, "maybe"),
                                       owned_by(listener("0.0.0.0:8080", "unknown"), 6, "surely")};
  EXPECT_EQ(holders(request("0.0.0.0:8080", "reuseaddr"), EADDRINUSE, sockets),
            "  listener_overlap [LISTEN 0.0.0.0:8080]: same port, overlapping address, the new socket lacks "
            "SO_REUSEPORT | ps -fp 6\n");
}

TEST(HoldersOfFailure, FallsBackToUnknownOptionsThenToWhoeverOverlaps) {
  const diagnose::BindRequest asked = request("0.0.0.0:8080", "reuseaddr");
  EXPECT_EQ(
      holders(asked, EADDRINUSE, {owned_by(bound("127.0.0.1:8080", "unknown"), 5, "maybe")}),
      "  bound_overlap [UNCONN 127.0.0.1:8080]: bound without listening, overlapping address; SO_REUSEADDR "
      "helps only if both have it | ps -fp 5\n");
  // By what is known these two may share; the kernel knew better.
  EXPECT_EQ(
      holders(asked, EADDRINUSE, {owned_by(bound("127.0.0.1:8080", "reuseaddr"), 5, "other")}),
      "  bound_overlap [UNCONN 127.0.0.1:8080]: bound without listening, overlapping address; SO_REUSEADDR "
      "helps only if both have it | ps -fp 5\n");
}

TEST(HoldersOfFailure, IsNeverEmpty) {
  EXPECT_EQ(
      holders(request("127.0.0.1:8080"), EADDRINUSE, {}),
      "  holder_unknown [nobody]: no known socket holds the port: the holder closed since, or is hidden from "
      "this host | socktrace why :8080\n");
  EXPECT_EQ(holders(request("127.0.0.1:8080"), EADDRINUSE, {owned_by(listener("127.0.0.2:8080"), 5, "a")}),
            "  same_port [LISTEN 127.0.0.2:8080]: it has the same port | ps -fp 5\n");
  EXPECT_EQ(holders(request("127.0.0.1:81"), EACCES, {}),
            "  privileged_port [nobody]: ports below 1024 need CAP_NET_BIND_SERVICE | sysctl "
            "net.ipv4.ip_unprivileged_port_start\n");
  EXPECT_EQ(holders(request("127.0.0.1:8080"), EACCES, {}),
            "  policy [nobody]: no other socket forbids it: a security module or a cgroup program refused | "
            "journalctl -k -g 'avc|apparmor'\n");
  EXPECT_EQ(
      holders(request("192.0.2.1:8080"), EADDRNOTAVAIL, {}),
      "  address_not_local [nobody]: no interface of this network namespace has the address 192.0.2.1 | ip "
      "-br address\n");
  EXPECT_EQ(holders(request("127.0.0.1:8080"), EINVAL, {}),
            "  already_bound [nobody]: the socket already has a port or a connection | \n");
  EXPECT_EQ(holders(request("127.0.0.1:8080"), ENODEV, {}), "  other_error [nobody]: No such device | \n");
}

TEST(HoldersOfFailure, AnMptcpListenerIsOneHolder) {
  Socket subflow = listener("0.0.0.0:8080");
  Socket parent = owned_by(listener("0.0.0.0:8080"), 5, "go");
  parent.protocol = 262;
  subflow.inode = parent.inode;
  EXPECT_EQ(diagnose::holders_of_failure(request("0.0.0.0:8080"), EADDRINUSE, pointers({subflow, parent}),
                                         loopback_facts())
                .size(),
            1u);
}

TEST(HoldersOfFailure, TheRequesterIsNotItsOwnHolder) {
  const Socket self = bound("127.0.0.1:8080");
  diagnose::BindRequest asked = request("127.0.0.1:8080", "listen");
  asked.key = self.key;
  const std::vector<Socket> sockets = {self};
  EXPECT_EQ(diagnose::explain(asked, pointers(sockets), loopback_facts()).error, 0);
  EXPECT_EQ(diagnose::holders_of_failure(asked, EADDRINUSE, pointers(sockets), loopback_facts())[0].reason,
            "holder_unknown");
}

}  // namespace
}  // namespace socktrace::test
