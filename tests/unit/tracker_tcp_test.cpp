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

RecordBuilder child(State from, State to, uint64_t cookie = 2) {
  return transition(from, to, cookie).local(kServer).peer(kClient);
}

RecordBuilder release(uint64_t cookie, uint32_t pid = 7) {
  return RecordBuilder(RecordKind::release, cookie).by(pid);
}

// A client that is connected, told and forgotten.
Tracked& connected(Tracked& tracked) {
  tracked << transition(State::close, State::syn_sent, 1).local("0.0.0.0:*").peer(kServer).by(7)
          << client(State::syn_sent, State::established);
  tracked.told();
  return tracked;
}

TEST(Tracker, SynSentToEstablishedIsOutboundWithItsPort) {
  Tracked tracked;
  tracked << transition(State::close, State::syn_sent, 1).local("0.0.0.0:*").peer(kServer).by(7);
  tracked.told();
  tracked << client(State::syn_sent, State::established).at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.established #1 127.0.0.1:40000>127.0.0.1:80 established<syn_sent owners 7/-1\n");
  EXPECT_FALSE(tracked.events.back().socket.inbound);
  EXPECT_EQ(tracked.events.back().socket.opened_ns, kSecond);
}

TEST(Tracker, SynSentToEstablishedOfAnUnknownSocketIsOlderThanThat) {
  Tracked tracked;
  tracked << client(State::syn_sent, State::established);
  EXPECT_EQ(tracked.told(), "tcp.established #1 127.0.0.1:40000>127.0.0.1:80 established<syn_sent\n");
  EXPECT_TRUE(tracked.events.back().socket.since_is_bound);
}

TEST(Tracker, SynRecvToEstablishedOfAnUnknownSocketIsAChildWithItsListenersOwners) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::listen, 9).local("0.0.0.0:80").by(5, 3).result();
  tracked.told();
  tracked << child(State::syn_recv, State::established);
  EXPECT_EQ(tracked.told(),
            "tcp.established #2 127.0.0.1:80>127.0.0.1:40000 established<syn_received owners 5i\n");
  EXPECT_TRUE(tracked.events.back().socket.inbound);
  EXPECT_FALSE(tracked.events.back().socket.since_is_bound);
}

TEST(Tracker, ChildOfADualStackListenerInheritsOverIpv4) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::listen, 9).local("[::]:80").by(5, 3).result();
  tracked << transition(State::syn_recv, State::established, 2)
                 .local("[::ffff:127.0.0.1]:80")
                 .peer("[::ffff:127.0.0.1]:40000");
  EXPECT_EQ(tracked.events.back().socket.owners.size(), 1u);
}

TEST(Tracker, ChildOfAReuseportGroupHasNoOwnerUntilItIsAccepted) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::listen, 8).local("0.0.0.0:80").by(4, 3).result();
  tracked << RecordBuilder(RecordKind::listen, 9).local("0.0.0.0:80").by(5, 3).result();
  tracked << child(State::syn_recv, State::established);
  EXPECT_TRUE(tracked.events.back().socket.owners.empty());
  EXPECT_EQ(tracked.events.back().socket.no_owner, NoOwner::unaccepted);
}

TEST(Tracker, ListenToSynRecvIsSilent) {
  Tracked tracked;
  tracked << child(State::listen, State::syn_recv);
  EXPECT_EQ(tracked.told(), "");
  EXPECT_EQ(tracked.rows(), "");
}

TEST(Tracker, AcceptReplacesInheritedOwners) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::listen, 9).local("0.0.0.0:80").by(5, 3).result()
          << child(State::syn_recv, State::established);
  tracked.told();
  tracked << RecordBuilder(RecordKind::accept, 2)
                 .local(kServer)
                 .peer(kClient)
                 .by(6, 11)
                 .result()
                 .state(State::established);
  EXPECT_EQ(tracked.told(), "tcp.accept #2 127.0.0.1:80>127.0.0.1:40000 established by 6 owners 6/11\n");
  EXPECT_EQ(tracked.events.back().fd, 11);
}

TEST(Tracker, AcceptBeforeTheHandshakesEndIsFastOpen) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::accept, 2)
                 .local(kServer)
                 .peer(kClient)
                 .by(6, 11)
                 .result()
                 .state(State::syn_recv)
          << child(State::syn_recv, State::established).at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.accept #2 127.0.0.1:80>127.0.0.1:40000 syn_received by 6 owners 6/11\n"
            "tcp.established #2 127.0.0.1:80>127.0.0.1:40000 established<syn_received owners 6/11\n");
  EXPECT_TRUE(tracked.events.back().socket.inbound);
}

TEST(Tracker, AcceptOfAConnectionResetBeforeIsGone) {
  Tracked tracked;
  tracked << child(State::syn_recv, State::established)
          << child(State::established, State::close).error(ECONNRESET).at(2 * kSecond);
  tracked.told();
  tracked << RecordBuilder(RecordKind::accept, 2)
                 .local("127.0.0.1:*")
                 .peer(kClient)
                 .by(6, 11)
                 .result()
                 .state(State::close)
                 .at(3 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.accept #2 127.0.0.1:*>127.0.0.1:40000 closed by 6 owners 6/11 gone\n");
  tracked << release(2, 6).at(4 * kSecond);
  EXPECT_EQ(tracked.told(), "");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, SimultaneousOpenStaysOutbound) {
  Tracked tracked;
  tracked << client(State::close, State::syn_sent).by(7);
  tracked.told();
  tracked << client(State::syn_sent, State::syn_recv) << client(State::syn_recv, State::established);
  EXPECT_EQ(tracked.told(),
            "tcp.state #1 127.0.0.1:40000>127.0.0.1:80 syn_received<syn_sent owners 7/-1\n"
            "tcp.established #1 127.0.0.1:40000>127.0.0.1:80 established<syn_received owners 7/-1\n");
  EXPECT_FALSE(tracked.events.back().socket.inbound);
}

TEST(Tracker, ActiveCloseLeavesAMiniSocketWithItsLastOwnersUntilItExpires) {
  Tracked tracked;
  connected(tracked)
      << release(1).at(2 * kSecond) << client(State::established, State::fin_wait_1).by(7).at(2 * kSecond)
      << client(State::fin_wait_1, State::fin_wait_2).at(2 * kSecond)
      << client(State::fin_wait_2, State::close).mini(State::time_wait).stats(20, 10).at(3 * kSecond)
      << RecordBuilder(RecordKind::destroy, 1).local(kClient).at(3 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.state #1 127.0.0.1:40000>127.0.0.1:80 fin_wait_1<established by 7 owners 7/-1!\n"
            "tcp.state #1 127.0.0.1:40000>127.0.0.1:80 fin_wait_2<fin_wait_1 owners 7/-1!\n"
            "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 time_wait<fin_wait_2 owners 7/-1!\n");
  const Event& closed = tracked.events.back();
  EXPECT_EQ(closed.stats->bytes_received, 20u);
  EXPECT_EQ(closed.lifetime_ns, 2 * kSecond);
  EXPECT_FALSE(closed.gone);
  EXPECT_EQ(tracked.rows(), "#1 127.0.0.1:40000>127.0.0.1:80 time_wait owners 7/-1!\n");

  tracked.tick(62 * kSecond);
  EXPECT_EQ(tracked.told(), "");
  tracked.tick(63 * kSecond);
  EXPECT_EQ(tracked.told(),
            "socket.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<time_wait owners 7/-1! gone\n");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, PassiveCloseIsGoneAtItsLastAck) {
  Tracked tracked;
  tracked << child(State::syn_recv, State::established)
          << RecordBuilder(RecordKind::accept, 2).local(kServer).peer(kClient).by(6, 11).result();
  tracked.told();
  tracked << child(State::established, State::close_wait) << release(2, 6)
          << child(State::close_wait, State::last_ack).by(6)
          << child(State::last_ack, State::close).at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.state #2 127.0.0.1:80>127.0.0.1:40000 close_wait<established owners 6/11\n"
            "tcp.state #2 127.0.0.1:80>127.0.0.1:40000 last_ack<close_wait by 6 owners 6/11!\n"
            "tcp.closed #2 127.0.0.1:80>127.0.0.1:40000 closed<last_ack owners 6/11! gone\n");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, ResetConnectionIsGoneThoughItsDescriptorIsOpen) {
  Tracked tracked;
  connected(tracked) << client(State::established, State::close).error(ECONNRESET).at(2 * kSecond)
                     << RecordBuilder(RecordKind::error, 1).error(ECONNRESET).at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<established owners 7/-1 errno 104 gone\n");
  tracked << release(1).at(3 * kSecond);
  EXPECT_EQ(tracked.told(), "");
}

TEST(Tracker, ReleaseOfAHalfClosedSocketMarksItsOwners) {
  Tracked tracked;
  connected(tracked) << client(State::established, State::fin_wait_1).by(7);
  tracked.told();
  tracked << release(1);
  EXPECT_EQ(tracked.told(), "socket.owner #1 127.0.0.1:40000>127.0.0.1:80 fin_wait_1 by 7 owners 7/-1!\n");
  tracked << release(1);
  EXPECT_EQ(tracked.told(), "");
}

TEST(Tracker, DescriptorReleasedInTimeWaitTellsNothing) {
  Tracked tracked;
  connected(tracked) << client(State::established, State::fin_wait_1).by(7)
                     << client(State::fin_wait_2, State::close).mini(State::time_wait);
  tracked.told();
  tracked << release(1) << RecordBuilder(RecordKind::destroy, 1);
  EXPECT_EQ(tracked.told(), "");
  EXPECT_EQ(tracked.table.size(), 1u);
}

TEST(Tracker, ConnectUnspecEndsTheConnectionAndAnotherMayFollow) {
  Tracked tracked;
  connected(tracked) << client(State::established, State::close).at(2 * kSecond)
                     << client(State::close, State::syn_sent).by(7).at(3 * kSecond)
                     << client(State::syn_sent, State::established).at(4 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<established owners 7/-1 gone\n"
            "tcp.connect #1 127.0.0.1:40000>127.0.0.1:80 syn_sent<closed by 7 owners 7/-1\n"
            "tcp.established #1 127.0.0.1:40000>127.0.0.1:80 established<syn_sent owners 7/-1\n");
  EXPECT_EQ(tracked.table.find({1, 0})->opened_ns, 3 * kSecond);
}

TEST(Tracker, DestroyTellsAConnectionWhoseCloseWasLost) {
  Tracked tracked;
  connected(tracked) << RecordBuilder(RecordKind::destroy, 1).at(2 * kSecond)
                     << client(State::established, State::close).at(3 * kSecond)
                     << release(1).at(4 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<established owners 7/-1! gone\n");
}

TEST(Tracker, ChildThatNeverBecameAConnectionIsSilent) {
  Tracked tracked;
  tracked << child(State::syn_recv, State::close);
  EXPECT_EQ(tracked.told(), "");
}

TEST(Tracker, CloseOfAnUnknownConnectionIsToldWithoutALifetime) {
  Tracked tracked;
  tracked << client(State::established, State::close).error(ECONNRESET);
  EXPECT_EQ(tracked.told(), "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<established errno 104 gone\n");
  EXPECT_EQ(tracked.events.back().lifetime_ns, 0u);
}

TEST(Tracker, TransitionsWithoutReleaseOrDestroyAreEnough) {
  Tracked tracked({.ends_are_seen = false});
  connected(tracked) << client(State::established, State::close).locked();
  EXPECT_EQ(tracked.told(),
            "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<established owners 7/-1 gone\n");
}

TEST(Tracker, NewConnectionWithTheAddressesOfAMiniSocketEndsIt) {
  Tracked tracked;
  connected(tracked) << client(State::fin_wait_2, State::close).mini(State::time_wait);
  tracked << transition(State::close, State::syn_sent, 3).local("0.0.0.0:*").peer(kServer).by(7);
  tracked.told();
  tracked << client(State::syn_sent, State::established, 3).at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "socket.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<time_wait owners 7/-1! gone\n"
            "tcp.established #3 127.0.0.1:40000>127.0.0.1:80 established<syn_sent owners 7/-1\n");
  EXPECT_EQ(tracked.table.size(), 1u);
}

TEST(Tracker, FinWait2MiniSocketBecomesTimeWaitWhenItsOtherEndCloses) {
  Tracked tracked;
  connected(tracked) << child(State::syn_recv, State::established)
                     << client(State::fin_wait_2, State::close).mini(State::fin_wait_2).at(2 * kSecond);
  tracked << child(State::established, State::close_wait).at(2 * kSecond)
          << child(State::close_wait, State::last_ack).at(2 * kSecond);
  tracked.told();
  tracked << child(State::last_ack, State::close).at(10 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.closed #2 127.0.0.1:80>127.0.0.1:40000 closed<last_ack gone\n"
            "tcp.state #1 127.0.0.1:40000>127.0.0.1:80 time_wait<fin_wait_2 owners 7/-1!\n");
  tracked.tick(69 * kSecond);
  EXPECT_EQ(tracked.table.size(), 1u);
  tracked.tick(70 * kSecond);
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, TransitionBeforeAMiniSocketThatADumpHadShownIsSilent) {
  Tracked tracked;
  tracked.dump(kSecond, {test::DumpRow(1, State::time_wait, kClient, kServer)});
  tracked.told();
  tracked << client(State::established, State::fin_wait_1).by(7).at(kSecond + 1);
  EXPECT_EQ(tracked.told(), "");
  tracked << client(State::fin_wait_2, State::close).mini(State::time_wait).at(kSecond + 2);
  EXPECT_EQ(tracked.count(EventKind::tcp_closed), 1u);
}

TEST(Tracker, MiniSocketsAboveTheKernelsLimitAreNotKept) {
  Tracked tracked({.max_timewait = 1});
  connected(tracked) << client(State::fin_wait_2, State::close, 1).mini(State::time_wait)
                     << client(State::fin_wait_2, State::close, 3).mini(State::time_wait);
  EXPECT_EQ(tracked.table.size(), 1u);
  EXPECT_TRUE(tracked.last(EventKind::tcp_closed).gone);
  RecordBuilder elsewhere = client(State::fin_wait_2, State::close, 4).mini(State::time_wait);
  elsewhere.record.socket.netns = test::kNetns + 1;
  tracked << elsewhere;
  EXPECT_EQ(tracked.table.size(), 2u) << "each network namespace has a limit of its own";
}

TEST(Tracker, LoopbackConnectionsAreToldExactlyOnceFromBothEnds) {
  constexpr uint64_t kConnections = 23;
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::listen, 1000).local("127.0.0.1:80").by(5, 3).result();
  uint64_t now = kSecond;
  const auto next = [&] { return ++now; };
  for (uint64_t i = 0; i < kConnections; ++i) {
    const uint64_t a = 1 + 2 * i;
    const uint64_t b = a + 1;
    const std::string port = "127.0.0.1:" + std::to_string(40000 + i);
    const auto from = [&](State old, State to) {
      return transition(old, to, a).local(port).peer(kServer).at(next());
    };
    const auto to = [&](State old, State then) {
      return transition(old, then, b).local(kServer).peer(port).at(next());
    };
    tracked << from(State::close, State::syn_sent).by(7) << to(State::listen, State::syn_recv)
            << to(State::syn_recv, State::established) << from(State::syn_sent, State::established)
            << RecordBuilder(RecordKind::accept, b).local(kServer).peer(port).by(5, 9).result().at(next())
            << RecordBuilder(RecordKind::release, a).by(7).at(next())
            << from(State::established, State::fin_wait_1).by(7) << to(State::established, State::close_wait)
            << from(State::fin_wait_1, State::fin_wait_2)
            << from(State::fin_wait_2, State::close).mini(State::fin_wait_2)
            << RecordBuilder(RecordKind::release, b).by(5).at(next())
            << to(State::close_wait, State::last_ack).by(5) << to(State::last_ack, State::close);
    tracked.tick(now);
  }
  size_t inbound = 0;
  size_t outbound = 0;
  for (const Event& event : tracked.events)
    if (event.kind == EventKind::tcp_established) ++(event.socket.inbound ? inbound : outbound);
  EXPECT_EQ(tracked.count(EventKind::tcp_connect), kConnections);
  EXPECT_EQ(outbound, kConnections);
  EXPECT_EQ(inbound, kConnections);
  EXPECT_EQ(tracked.count(EventKind::tcp_accept), kConnections);
  EXPECT_EQ(tracked.count(EventKind::tcp_closed), 2 * kConnections);
  EXPECT_EQ(tracked.table.size(), 1 + kConnections);
  tracked.tick(now + 60 * kSecond);
  EXPECT_EQ(tracked.rows(), "#1000 127.0.0.1:80>0.0.0.0:* listen owners 5/3\n");
  EXPECT_EQ(tracked.count(EventKind::tcp_closed), 2 * kConnections);
}

}  // namespace
}  // namespace socktrace
