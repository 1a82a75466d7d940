// What the random workload (tests/live/test_random.py) found, by the records that showed it.
#include <gtest/gtest.h>
#include <linux/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "support/record_builder.h"

namespace socktrace {
namespace {

using test::DumpRow;
using test::kSecond;
using test::RecordBuilder;
using test::Tracked;
using test::transition;

constexpr char kClient[] = "127.0.0.1:40000";
constexpr char kServer[] = "127.0.0.1:80";
constexpr uint16_t kUdpLite = 136;

RecordBuilder client(State from, State to, uint64_t cookie = 1) {
  return transition(from, to, cookie).local(kClient).peer(kServer);
}

RecordBuilder child(State from, State to, uint64_t cookie = 2) {
  return transition(from, to, cookie).local(kServer).peer(kClient);
}

RecordBuilder connected_datagram(const char* local) {
  return RecordBuilder(RecordKind::connect, 1)
      .udp()
      .local(local)
      .peer("127.0.0.1:53")
      .by(7, 4)
      .result()
      .state(State::established);
}

// connect(AF_UNSPEC), and what it left.
RecordBuilder disconnected(const char* local) {
  return RecordBuilder(RecordKind::connect, 1).udp().local(local).by(7, 4).result().state(State::close);
}

RecordBuilder release(uint64_t cookie) {
  return RecordBuilder(RecordKind::release, cookie).by(7);
}

TEST(Tracker, DisconnectOfADatagramSocketWithoutAPortOfItsOwnClosesItUntilItOpensAgain) {
  Tracked tracked;
  tracked << connected_datagram("127.0.0.1:50000");
  tracked.told();
  tracked << disconnected("0.0.0.0:*").at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "udp.closed #1 127.0.0.1:50000>127.0.0.1:53 closed<established by 7 owners 7/4 gone\n");
  tracked << RecordBuilder(RecordKind::send, 1).udp().local("0.0.0.0:50001").by(7).at(3 * kSecond);
  EXPECT_EQ(tracked.told(), "udp.open #1 0.0.0.0:50001>0.0.0.0:* closed by 7 owners 7/4\n");
  tracked << release(1).udp().at(4 * kSecond);
  EXPECT_EQ(tracked.count(EventKind::udp_closed), 2u);
}

TEST(Tracker, DisconnectOfABoundDatagramSocketLeavesItOpen) {
  Tracked tracked;
  tracked << connected_datagram("127.0.0.1:50000");
  tracked.told();
  tracked << disconnected("0.0.0.0:50000").at(2 * kSecond);
  EXPECT_EQ(tracked.told(), "udp.connect #1 0.0.0.0:50000>0.0.0.0:* closed<established by 7 owners 7/4\n");
}

TEST(Tracker, DisconnectOfAnUnknownDatagramSocketIsSilent) {
  Tracked tracked;
  tracked << disconnected("0.0.0.0:*");
  EXPECT_EQ(tracked.told(), "");
}

TEST(Tracker, UdpLiteConnectsAsUdpDoes) {
  Tracked tracked;
  tracked << connected_datagram("127.0.0.1:50000").protocol(kUdpLite, SOCK_DGRAM);
  EXPECT_EQ(tracked.count(EventKind::udp_open), 1u);
  EXPECT_EQ(tracked.count(EventKind::udp_connect), 1u);
}

TEST(Tracker, RawSocketConnectsToAnAddressWithoutAPort) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::create, 1).protocol(89, SOCK_RAW).by(7);
  tracked.told();
  tracked << RecordBuilder(RecordKind::connect, 1)
                 .protocol(89, SOCK_RAW)
                 .local("127.0.0.1:89")
                 .peer("127.0.0.1:*")
                 .by(7, 4)
                 .result()
                 .state(State::established);
  EXPECT_EQ(tracked.told(), "socket.seen #1 127.0.0.1:89>127.0.0.1:* established<closed by 7 owners 7/4\n");
}

TEST(Tracker, ConnectThatDoesNotWaitTellsItsPort) {
  Tracked tracked;
  tracked << transition(State::close, State::syn_sent, 1).local("127.0.0.1:*").peer(kServer).by(7);
  tracked.told();
  const RecordBuilder under_way = RecordBuilder(RecordKind::connect, 1)
                                      .local(kClient)
                                      .peer(kServer)
                                      .by(7, 4)
                                      .result(EINPROGRESS)
                                      .state(State::syn_sent)
                                      .at(2 * kSecond);
  tracked << under_way << under_way;
  EXPECT_EQ(tracked.told(), "tcp.state #1 127.0.0.1:40000>127.0.0.1:80 syn_sent<syn_sent by 7 owners 7/4\n");
}

TEST(Tracker, ConnectThatIsAnsweredBeforeItReturnsTellsNothingMore) {
  Tracked tracked;
  tracked << transition(State::close, State::syn_sent, 1).local("127.0.0.1:*").peer(kServer).by(7)
          << client(State::syn_sent, State::established);
  tracked.told();
  tracked << RecordBuilder(RecordKind::connect, 1)
                 .local(kClient)
                 .peer(kServer)
                 .by(7, 4)
                 .result(EINPROGRESS)
                 .state(State::established);
  EXPECT_EQ(tracked.told(), "");
}

TEST(Tracker, ErrorReportedAfterAConnectionHasEndedIsNotThatOfTheBoundSocket) {
  Tracked tracked;
  tracked << transition(State::close, State::syn_sent, 1).local(kClient).peer(kServer).by(7).locked()
          << client(State::syn_sent, State::close).error(ECONNREFUSED).locked()
          << RecordBuilder(RecordKind::error, 1).local(kClient).error(ECONNREFUSED);
  tracked.told();
  tracked << release(1).at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "socket.closed #1 127.0.0.1:40000>0.0.0.0:* closed<closed by 7 owners 7/-1! gone\n");
}

TEST(Tracker, BindWithoutAPortIsToldAndMakesNoRow) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::bind, 1).local("127.0.0.1:*").by(7, 4).result();
  EXPECT_EQ(tracked.told(), "bind.ok #1 127.0.0.1:*>0.0.0.0:* closed by 7 owners 7/4 gone\n");
  tracked << release(1).at(2 * kSecond);
  EXPECT_EQ(tracked.told(), "");
}

// A FIN_WAIT2 mini-socket of the client, and its other end in CLOSE_WAIT.
Tracked& orphaned(Tracked& tracked) {
  tracked << transition(State::close, State::syn_sent, 1).local("0.0.0.0:*").peer(kServer).by(7)
          << client(State::syn_sent, State::established) << child(State::syn_recv, State::established)
          << client(State::fin_wait_2, State::close).mini(State::fin_wait_2).at(2 * kSecond)
          << child(State::established, State::close_wait).at(2 * kSecond);
  tracked.told();
  return tracked;
}

TEST(Tracker, FinWait2MiniSocketEndsWhenItsOtherEndIsReset) {
  Tracked tracked;
  orphaned(tracked) << child(State::close_wait, State::close).error(EPIPE).at(3 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.closed #2 127.0.0.1:80>127.0.0.1:40000 closed<close_wait errno 32 gone\n"
            "socket.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<fin_wait_2 owners 7/-1! gone\n");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, FinWait2MiniSocketEndsWhenItsOtherEndAborts) {
  Tracked tracked;
  orphaned(tracked) << child(State::close_wait, State::close).at(3 * kSecond);
  EXPECT_EQ(tracked.count(EventKind::socket_closed), 1u);
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, ConnectionTellsThatItsListenerListens) {
  Tracked tracked;
  tracked << transition(State::close, State::listen, 9).local(kServer).by(5)
          << child(State::syn_recv, State::established);
  EXPECT_EQ(tracked.told(),
            "tcp.listen #9 127.0.0.1:80>0.0.0.0:* listen<closed by 5 owners 5/-1\n"
            "tcp.established #2 127.0.0.1:80>127.0.0.1:40000 established<syn_received owners 5i\n");
}

TEST(Tracker, BindOfASocketThatHasLeftItsPeerShowsNone) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::bind, 1).udp().local("[::1]:33758").peer("[::1]:*").by(7, 4).result();
  EXPECT_EQ(tracked.told(), "udp.open #1 [::1]:33758>[::]:* closed by 7 owners 7/4\n");
}

TEST(Reconcile, MptcpListenerKeepsItsAddressesWhenAChildIsAnnouncedWithThem) {
  const auto msk = [](RecordBuilder record, uint64_t sk) {
    return record.local(kServer).protocol(kMptcp, SOCK_STREAM).sk(0xffff888000000000 + sk);
  };
  Tracked tracked;
  tracked
      << msk(RecordBuilder(RecordKind::listen, 1).by(5, 3).result(), 0x1000)
      << msk(transition(State::listen, State::established, 1), 0x2000)
      << msk(RecordBuilder(RecordKind::accept, 1).peer(kClient).by(5, 8).result().state(State::established),
             0x2000);
  const DumpRow listener = DumpRow(1, State::listen, kServer).protocol(kMptcp, SOCK_STREAM).owner(5, 3);
  const DumpRow accepted =
      DumpRow(1, State::established, kServer, kClient).protocol(kMptcp, SOCK_STREAM).owner(5, 8);
  EXPECT_EQ(tracked.dump(2 * kSecond, {listener, accepted}, true).missing, 0u);
  EXPECT_EQ(tracked.table.size(), 2u);
}

TEST(Reconcile, ListenThatHasHadItsTimeIsListedAsListening) {
  Tracked tracked;
  tracked << transition(State::close, State::listen, 9).local(kServer).by(5);
  tracked.dump(2 * kSecond, {DumpRow(9, State::listen, kServer).owner(5, 3)}, true);
  EXPECT_EQ(tracked.count(EventKind::tcp_listen), 1u);
  EXPECT_EQ(tracked.table.size(), 1u);
}

TEST(Reconcile, PingSocketsAreInNoDumpAndStay) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::create, 1).protocol(IPPROTO_ICMP, SOCK_DGRAM).by(7);
  for (uint64_t second = 2; second < 6; ++second)
    EXPECT_EQ(tracked.dump(second * kSecond, {}, true).ghosts, 0u);
  EXPECT_EQ(tracked.table.size(), 1u);
}

TEST(Reconcile, LastPeerOfABoundSocketIsNoDifference) {
  Tracked tracked;
  tracked << transition(State::close, State::syn_sent, 1).local(kClient).peer(kServer).by(7, 4).locked()
          << client(State::syn_sent, State::close).error(ECONNREFUSED).locked();
  tracked.told();
  tracked.dump(2 * kSecond, {DumpRow(1, State::bound_inactive, kClient, "127.0.0.1:*").owner(7, 4).inode(9)},
               true);
  tracked.dump(3 * kSecond, {DumpRow(1, State::bound_inactive, kClient, kServer).owner(7, 4).inode(9)}, true);
  EXPECT_EQ(tracked.count(EventKind::tcp_state), 0u);
}

// Seed 14: a listener with an inherited descriptor is shut down, and another process listens on it again.
TEST(Tracker, SocketThatStartsAgainKeepsItsHolders) {
  const auto listened = [](uint32_t pid) {
    return RecordBuilder(RecordKind::listen, 1).local("0.0.0.0:80").by(pid, 3).result();
  };
  Tracked tracked;
  tracked << listened(7) << listened(8).at(2 * kSecond);
  tracked << transition(State::listen, State::close, 1).local("0.0.0.0:80").by(7).at(3 * kSecond);
  EXPECT_EQ(tracked.rows(), "");
  tracked.told();
  tracked << RecordBuilder(RecordKind::listen, 1).local("0.0.0.0:81").by(8, 3).result().at(4 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.listen #1 0.0.0.0:81>0.0.0.0:* listen<closed by 8 owners 7/3 8/3\n");
}

// Seed 19: a descriptor was closed while the socket was in no table.
TEST(Reconcile, HoldersOfASocketThatIsInNoTableAreKeptUpToDate) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::listen, 1).local("0.0.0.0:80").by(7, 3).result()
          << RecordBuilder(RecordKind::listen, 1).local("0.0.0.0:80").by(8, 3).result()
          << transition(State::listen, State::close, 1).local("0.0.0.0:80").by(7).at(2 * kSecond);
  tracked.tracker.begin_dump(3 * kSecond, true);
  tracked.tracker.update_idle([](Socket& socket) {
    EXPECT_EQ(socket.key.cookie, 1u);
    std::erase_if(socket.owners, [](const Owner& owner) { return owner.process->pid == 7; });
  });
  tracked.tracker.finish_dump(3 * kSecond + 1);
  tracked.told();
  tracked << RecordBuilder(RecordKind::listen, 1).local("0.0.0.0:81").by(9, 3).result().at(4 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.listen #1 0.0.0.0:81>0.0.0.0:* listen<closed by 9 owners 8/3 9/3\n");
}

TEST(Tracker, SocketThatWasReleasedHasNoHoldersToKeep) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::listen, 1).local("0.0.0.0:80").by(7, 3).result();
  tracked << transition(State::listen, State::close, 1).local("0.0.0.0:80").by(7).at(2 * kSecond);
  tracked << release(1).at(3 * kSecond);
  tracked.tick(8 * kSecond);
  tracked << RecordBuilder(RecordKind::listen, 1).local("0.0.0.0:81").by(8, 3).result().at(9 * kSecond);
  EXPECT_EQ(tracked.rows(), "#1 0.0.0.0:81>0.0.0.0:* listen owners 8/3\n");
}

// Seed 17: bound, connected, shut down both ways and ended by its other end, with its descriptor open all the time.
Tracked& shut_down_with_its_descriptor_open(Tracked& tracked) {
  tracked << RecordBuilder(RecordKind::bind, 1).local(kClient).by(7, 4).result().locked()
          << transition(State::close, State::syn_sent, 1).local(kClient).peer(kServer).by(7).locked()
          << client(State::syn_sent, State::established).locked()
          << client(State::established, State::fin_wait_1).by(7).locked()
          << client(State::fin_wait_1, State::fin_wait_2).locked()
          << client(State::fin_wait_2, State::close).mini(State::time_wait).locked().at(2 * kSecond);
  tracked.told();
  return tracked;
}

TEST(Tracker, MiniSocketOfABoundSocketLeavesItBound) {
  Tracked tracked;
  shut_down_with_its_descriptor_open(tracked);
  EXPECT_EQ(tracked.rows(), "#1 127.0.0.1:40000>127.0.0.1:80 time_wait owners 7/4!\n");
  tracked.tick(62 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.state #1 127.0.0.1:40000>0.0.0.0:* closed<time_wait owners 7/4\n");
  tracked << release(1).at(63 * kSecond);
  EXPECT_EQ(tracked.told(),
            "socket.closed #1 127.0.0.1:40000>0.0.0.0:* closed<closed by 7 owners 7/4! gone\n");
}

TEST(Tracker, MiniSocketWhoseSocketIsReleasedLeavesNothing) {
  Tracked tracked;
  shut_down_with_its_descriptor_open(tracked) << release(1).at(3 * kSecond);
  tracked.tick(62 * kSecond);
  EXPECT_EQ(tracked.told(),
            "socket.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<time_wait owners 7/4! gone\n");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Reconcile, MiniSocketComesBeforeTheBoundSocketThatItLeaves) {
  const DumpRow bound = DumpRow(1, State::bound_inactive, kClient).owner(7, 4).inode(1001);
  const DumpRow mini(1, State::time_wait, kClient, kServer);
  Tracked tracked;
  shut_down_with_its_descriptor_open(tracked);
  tracked.dump(3 * kSecond, {bound, mini}, true);
  EXPECT_EQ(tracked.told(), "snapshot.done #0 :*>:* \n");

  Tracked fresh;
  fresh.dump(kSecond, {bound, mini});
  EXPECT_EQ(fresh.rows(), "#1 127.0.0.1:40000>127.0.0.1:80 time_wait\n");
  fresh.tick(62 * kSecond);
  EXPECT_EQ(fresh.rows(), "#1 127.0.0.1:40000>0.0.0.0:* closed owners 7/4\n");
}

TEST(Reconcile, BoundSocketWhoseMiniSocketIsOverIsNoFault) {
  Tracked tracked;
  shut_down_with_its_descriptor_open(tracked);
  const ReconcileCounts counts =
      tracked.dump(30 * kSecond, {DumpRow(1, State::bound_inactive, kClient).owner(7, 4).inode(1001)}, true);
  EXPECT_EQ(counts.wrong_state, 0u);
  EXPECT_EQ(counts.ended, 1u);
  EXPECT_EQ(tracked.told(),
            "tcp.state #1 127.0.0.1:40000>0.0.0.0:* closed<time_wait owners 7/4 resync\n"
            "snapshot.done #0 :*>:* \n");
}

}  // namespace
}  // namespace socktrace
