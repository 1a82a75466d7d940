// connect() of TCP sockets, and how it fails.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>

#include "support/record_builder.h"

namespace socktrace {
namespace {

using test::kSecond;
using test::RecordBuilder;
using test::Tracked;
using test::transition;

constexpr char kClient[] = "127.0.0.1:40000";
constexpr char kServer[] = "127.0.0.1:80";

RecordBuilder client(State from, State to, uint64_t cookie = 1) {
  return transition(from, to, cookie).local(kClient).peer(kServer);
}

RecordBuilder release(uint64_t cookie, uint32_t pid = 7) {
  return RecordBuilder(RecordKind::release, cookie).by(pid);
}

TEST(Tracker, CloseToSynSentIsAConnectWhosePortMayBeUnknown) {
  Tracked tracked;
  tracked << transition(State::close, State::syn_sent, 1).local("0.0.0.0:*").peer(kServer).by(7);
  EXPECT_EQ(tracked.told(), "tcp.connect #1 0.0.0.0:*>127.0.0.1:80 syn_sent<closed by 7 owners 7/-1\n");
  EXPECT_EQ(tracked.rows(), "#1 0.0.0.0:*>127.0.0.1:80 syn_sent owners 7/-1\n");
}

TEST(Tracker, BoundSocketThatConnectsLeavesATableWithoutConnections) {
  Tracked tracked({.connections = false});
  tracked << RecordBuilder(RecordKind::bind, 1).local(kClient).by(7, 4).result();
  EXPECT_NE(tracked.rows(), "");
  tracked << client(State::close, State::syn_sent).by(7);
  EXPECT_EQ(tracked.rows(), "");
}

TEST(Tracker, LateConnectLeavesWhatListensSinceInATableWithoutConnections) {
  Tracked tracked({.connections = false});
  tracked << RecordBuilder(RecordKind::listen, 1).local(kServer).by(7, 4).result().at(2 * kSecond);
  const std::string rows = tracked.rows();
  EXPECT_NE(rows, "");
  tracked << transition(State::close, State::syn_sent, 1).local(kServer).by(7).at(kSecond);
  EXPECT_EQ(tracked.rows(), rows);
}

TEST(Tracker, SynSentToCloseWithoutAPortIsAnExhaustedRange) {
  Tracked tracked;
  tracked << transition(State::close, State::syn_sent, 1).local("127.0.0.1:*").peer(kServer).by(7);
  tracked.told();
  tracked << transition(State::syn_sent, State::close, 1).local("127.0.0.1:*").peer(kServer).by(7);
  EXPECT_EQ(tracked.events.back().kind, EventKind::tcp_connect_failed);
  EXPECT_EQ(tracked.events.back().error, EADDRNOTAVAIL);
  EXPECT_TRUE(tracked.events.back().error_inferred);
}

TEST(Tracker, ConnectOfABoundSocketThatGivesUpHasMetAConnectionLikeIt) {
  const RecordBuilder bound = client(State::close, State::syn_sent).by(7, 4).locked();
  Tracked tracked;
  tracked << bound << client(State::syn_sent, State::close).locked().gave_up().at(2 * kSecond);
  EXPECT_EQ(tracked.events.back().kind, EventKind::tcp_connect_failed);
  EXPECT_EQ(tracked.events.back().error, EADDRNOTAVAIL);
  EXPECT_TRUE(tracked.events.back().error_inferred);

  tracked << bound << client(State::syn_sent, State::close).locked().at(4 * kSecond);
  EXPECT_EQ(tracked.events.back().error, 0) << "it was closed before an answer";
  Tracked unbound;
  unbound << client(State::close, State::syn_sent).by(7, 4)
          << client(State::syn_sent, State::close).gave_up().at(2 * kSecond);
  EXPECT_EQ(unbound.events.back().error, 0) << "it had a port that nobody else had";
}

TEST(Tracker, ConnectThatSendsNothingIsToldByItsResult) {
  const RecordBuilder failed = RecordBuilder(RecordKind::connect, 1)
                                   .local("0.0.0.0:*")
                                   .peer("203.0.113.9:9")
                                   .by(7, 4)
                                   .result(ENETUNREACH);
  Tracked tracked;
  tracked << failed;
  EXPECT_EQ(tracked.told(),
            "tcp.connect_failed #1 0.0.0.0:*>203.0.113.9:9 closed<closed by 7 owners 7/4 errno 101 gone\n");
  EXPECT_EQ(tracked.rows(), "");
}

TEST(Tracker, ConnectOfABoundSocketThatSendsNothingLeavesItBound) {
  const RecordBuilder bind = RecordBuilder(RecordKind::bind, 1).local(kClient).by(7, 4).result();
  Tracked tracked;
  tracked << bind;
  tracked.told();
  tracked << RecordBuilder(RecordKind::connect, 1)
                 .local(kClient)
                 .peer("203.0.113.9:9")
                 .by(8, 5)
                 .result(ENETUNREACH);
  EXPECT_EQ(
      tracked.told(),
      "tcp.connect_failed #1 127.0.0.1:40000>203.0.113.9:9 closed<closed by 8 owners 7/4 8/5 errno 101\n");
  EXPECT_EQ(tracked.rows(), "#1 127.0.0.1:40000>0.0.0.0:* closed owners 7/4 8/5\n");
}

TEST(Tracker, RefusedConnectHasTheErrnoOfItsTransition) {
  Tracked tracked;
  tracked << client(State::close, State::syn_sent).by(7);
  tracked.told();
  tracked << client(State::syn_sent, State::close).error(ECONNREFUSED).at(2 * kSecond)
          << RecordBuilder(RecordKind::error, 1).error(ECONNREFUSED).at(2 * kSecond + 1);
  EXPECT_EQ(
      tracked.told(),
      "tcp.connect_failed #1 127.0.0.1:40000>127.0.0.1:80 closed<syn_sent owners 7/-1 errno 111 gone\n");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, TimedOutConnectHasTheErrnoReportedBefore) {
  Tracked tracked;
  tracked << client(State::close, State::syn_sent).by(7)
          << RecordBuilder(RecordKind::error, 1).error(ETIMEDOUT)
          << client(State::syn_sent, State::close).at(2 * kSecond);
  EXPECT_EQ(tracked.events.back().kind, EventKind::tcp_connect_failed);
  EXPECT_EQ(tracked.events.back().error, ETIMEDOUT);
}

TEST(Tracker, RefusedConnectOfABoundSocketStaysBoundUntilItIsReleased) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::bind, 1).local(kClient).by(7, 4).result()
          << client(State::close, State::syn_sent).by(7).locked();
  tracked.told();
  tracked << client(State::syn_sent, State::close).error(ECONNREFUSED).locked().at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.connect_failed #1 127.0.0.1:40000>127.0.0.1:80 closed<syn_sent owners 7/4 errno 111\n");
  EXPECT_EQ(tracked.rows(), "#1 127.0.0.1:40000>0.0.0.0:* closed owners 7/4\n");
  tracked << release(1).at(3 * kSecond);
  EXPECT_EQ(tracked.told(),
            "socket.closed #1 127.0.0.1:40000>0.0.0.0:* closed<closed by 7 owners 7/4! gone\n");
}

TEST(Tracker, SocketThatFailedToConnectConnectsAgain) {
  Tracked tracked;
  tracked << client(State::close, State::syn_sent).by(7)
          << client(State::syn_sent, State::close).error(ECONNREFUSED).at(2 * kSecond);
  tracked.told();
  tracked << client(State::close, State::syn_sent).by(7).at(3 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.connect #1 127.0.0.1:40000>127.0.0.1:80 syn_sent<closed by 7 owners 7/-1\n");
  tracked << client(State::syn_sent, State::close).at(4 * kSecond);
  EXPECT_EQ(tracked.events.back().error, 0) << "the errno belonged to the connection before";
}

}  // namespace
}  // namespace socktrace
