#include <gtest/gtest.h>
#include <linux/in.h>
#include <sys/socket.h>

#include "support/record_builder.h"

namespace socktrace {
namespace {

using test::DumpRow;
using test::kMillisecond;
using test::kSecond;
using test::RecordBuilder;
using test::Tracked;
using test::transition;

constexpr char kClient[] = "127.0.0.1:40000";
constexpr char kServer[] = "127.0.0.1:80";

RecordBuilder client(State from, State to, uint64_t cookie = 1) {
  return transition(from, to, cookie)
      .local(kClient)
      .peer(kServer)
      .inode(1000 + static_cast<uint32_t>(cookie));
}

DumpRow listener() {
  return DumpRow(9, State::listen, "0.0.0.0:80").owner(5, 3);
}
DumpRow established(uint64_t cookie = 1) {
  return DumpRow(cookie, State::established, kClient, kServer).owner(7, 4);
}

TEST(Reconcile, FirstDumpIsToldAsSeenAndEndsWithAMarker) {
  Tracked tracked;
  const ReconcileCounts counts = tracked.dump(kSecond, {listener(), established()});
  EXPECT_EQ(tracked.told(),
            "socket.seen #9 0.0.0.0:80>0.0.0.0:* listen owners 5/3\n"
            "socket.seen #1 127.0.0.1:40000>127.0.0.1:80 established owners 7/4\n"
            "snapshot.done #0 :*>:* \n");
  EXPECT_EQ(counts.rows, 2u);
  EXPECT_EQ(counts.missing, 2u);
  EXPECT_TRUE(tracked.table.find({1, 0})->since_is_bound);
  EXPECT_EQ(tracked.table.find({1, 0})->opened_ns, kSecond);
  EXPECT_FALSE(tracked.table.find({1, 0})->inbound);
}

TEST(Reconcile, SecondDumpOfTheSameTellsNothing) {
  Tracked tracked;
  tracked.dump(kSecond, {listener(), established()});
  tracked.told();
  const ReconcileCounts counts = tracked.dump(2 * kSecond, {established(), listener()}, true);
  EXPECT_EQ(tracked.told(), "");
  EXPECT_EQ(counts.rows, 2u);
  EXPECT_EQ(counts.missing + counts.ghosts + counts.wrong_state + counts.wrong_owner + counts.ended, 0u);
}

TEST(Reconcile, RowsThatADumpRepeatsAreOne) {
  Tracked tracked;
  EXPECT_EQ(tracked.dump(kSecond, {established(), established()}).rows, 1u);
  EXPECT_EQ(tracked.count(EventKind::socket_seen), 1u);
}

TEST(Reconcile, UnacceptedChildOfADumpShowsItsListenersOwners) {
  Tracked tracked;
  tracked.dump(kSecond, {listener(), DumpRow(2, State::established, kServer, kClient),
                         DumpRow(3, State::established, kServer, "127.0.0.1:40001").owner(6, 8)});
  EXPECT_EQ(tracked.rows(),
            "#2 127.0.0.1:80>127.0.0.1:40000 established owners 5i\n"
            "#3 127.0.0.1:80>127.0.0.1:40001 established owners 6/8\n"
            "#9 0.0.0.0:80>0.0.0.0:* listen owners 5/3\n");
  EXPECT_TRUE(tracked.table.find({2, 0})->inbound);
  EXPECT_TRUE(tracked.table.find({3, 0})->inbound);
}

TEST(Reconcile, RowThatChangedAfterTheDumpStartedIsNotTakenBack) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked.told();
  tracked.tracker.begin_dump(2 * kSecond, true);
  tracked << client(State::established, State::close_wait).at(2 * kSecond + 5);
  tracked.tracker.dump_row(Socket(established().socket));
  tracked.tracker.finish_dump(3 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.state #1 127.0.0.1:40000>127.0.0.1:80 close_wait<established owners 7/4\n");
}

TEST(Reconcile, SocketThatClosedAfterTheDumpStartedDoesNotComeBack) {
  Tracked tracked;
  tracked.tracker.begin_dump(2 * kSecond, false);
  tracked << client(State::close, State::syn_sent).by(7).at(2 * kSecond + 1)
          << client(State::syn_sent, State::close).at(2 * kSecond + 2);
  tracked.tick(20 * kSecond);  // a long dump: what closed is remembered till its end
  tracked.tracker.dump_row(Socket(established().socket));
  tracked.tracker.finish_dump(30 * kSecond);
  EXPECT_EQ(tracked.count(EventKind::socket_seen), 0u);
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Reconcile, UnknownSocketReleasedDuringTheDumpHasExitedOwners) {
  Tracked tracked;
  tracked.tracker.begin_dump(2 * kSecond, false);
  tracked << RecordBuilder(RecordKind::release, 1).by(7).at(2 * kSecond + 1);
  tracked.tracker.dump_row(Socket(established().socket));
  EXPECT_EQ(tracked.told(), "socket.seen #1 127.0.0.1:40000>127.0.0.1:80 established owners 7/4!\n");
}

TEST(Reconcile, RecordsHeldWhileTheDumpWasReadAreToldAfterIt) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked.told();
  tracked << client(State::close, State::syn_sent).by(7).at(kSecond + 1)
          << client(State::syn_sent, State::established).at(kSecond + 2)
          << client(State::established, State::close).at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.connect #1 127.0.0.1:40000>127.0.0.1:80 syn_sent<closed by 7 owners 7/4\n"
            "tcp.established #1 127.0.0.1:40000>127.0.0.1:80 established<syn_sent owners 7/4\n"
            "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<established owners 7/4 gone\n");
  EXPECT_FALSE(tracked.events.back().lifetime_is_bound);
  EXPECT_EQ(tracked.events.back().lifetime_ns, kSecond - 1);
}

TEST(Reconcile, CloseIntoAMiniSocketThatTheDumpHadShownIsToldOnce) {
  Tracked tracked;
  tracked.dump(kSecond, {DumpRow(1, State::time_wait, kClient, kServer)});
  tracked.told();
  tracked << client(State::fin_wait_2, State::close).mini(State::time_wait).at(kSecond + 1);
  EXPECT_EQ(tracked.count(EventKind::tcp_closed), 1u);
  tracked << client(State::fin_wait_2, State::close).mini(State::time_wait).at(kSecond + 2);
  EXPECT_EQ(tracked.count(EventKind::tcp_closed), 1u);
}

TEST(Reconcile, MissingRowsOfAResyncSaySo) {
  Tracked tracked;
  tracked.dump(kSecond, {});
  tracked.told();
  EXPECT_EQ(tracked.dump(2 * kSecond, {established()}, true).missing, 1u);
  EXPECT_EQ(tracked.told(), "socket.seen #1 127.0.0.1:40000>127.0.0.1:80 established owners 7/4 resync\n");
}

TEST(Reconcile, AbsentRowIsASuspectUntilTheKernelDeniesIt) {
  Tracked tracked;
  tracked.dump(kSecond, {established(1), established(2)});
  tracked.told();
  ReconcileCounts counts = tracked.dump(2 * kSecond, {established(2)}, true);
  EXPECT_EQ(tracked.suspects, (std::vector<SocketKey>{{1, 0}}));
  EXPECT_EQ(tracked.told(), "");
  EXPECT_EQ(counts.ghosts, 0u);

  tracked.dump(3 * kSecond, {established(1), established(2)}, true);
  counts = tracked.dump(4 * kSecond, {established(2)}, true, {1});
  EXPECT_EQ(tracked.told(),
            "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<established owners 7/4! gone resync\n");
  EXPECT_EQ(counts.ghosts, 1u);
  EXPECT_TRUE(tracked.last(EventKind::tcp_closed).lifetime_is_bound);
}

TEST(Reconcile, SuspectThatTheKernelKnowsStaysHoweverOftenItIsMissed) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  for (uint64_t second = 2; second < 7; ++second) tracked.dump(second * kSecond, {}, true);
  EXPECT_EQ(tracked.table.size(), 1u);
}

TEST(Reconcile, RowThatChangedBetweenTwoDumpsThatMissItStays) {
  Tracked tracked;
  tracked.dump(kSecond, {DumpRow(1, State::bound_inactive, kClient).owner(7, 4)});
  tracked.dump(2 * kSecond, {}, true);
  tracked
      << RecordBuilder(RecordKind::bind, 1).local(kClient).by(8, 4).result().at(2 * kSecond + kMillisecond);
  tracked.dump(3 * kSecond, {}, true);
  EXPECT_EQ(tracked.table.size(), 1u);
}

TEST(Reconcile, SuspectWhoseOwnCloseArrivesInTimeIsNoGhost) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked.told();
  tracked.tracker.begin_dump(2 * kSecond, true);
  for (const Socket& suspect : tracked.tracker.suspects({{test::kNetns}, {}}))
    tracked.tracker.confirm_gone(suspect.key, 2 * kSecond + 10);
  tracked << client(State::established, State::close).error(104).at(2 * kSecond + 5);
  EXPECT_EQ(tracked.tracker.finish_dump(3 * kSecond).ghosts, 0u);
  EXPECT_EQ(tracked.told(),
            "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<established owners 7/4 errno 104 gone\n");
}

TEST(Reconcile, SuspectThatIsStillOnItsWayOutIsLeftToItsRecords) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked.tracker.begin_dump(2 * kSecond, true);
  for (const Socket& suspect : tracked.tracker.suspects({{test::kNetns}, {}}))
    tracked.tracker.confirm_gone(suspect.key, 2 * kSecond + 10);
  tracked << client(State::established, State::close_wait).at(2 * kSecond + 5);
  EXPECT_EQ(tracked.tracker.finish_dump(3 * kSecond).ghosts, 0u);
  EXPECT_EQ(tracked.table.size(), 1u);
}

TEST(Reconcile, CloseRecordAfterAResyncHasClosedIsSilent) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked.dump(2 * kSecond, {}, true, {1});
  tracked.told();
  tracked << client(State::established, State::close).at(2 * kSecond);
  EXPECT_EQ(tracked.told(), "");
}

TEST(Reconcile, RowsOutsideOfTheScopeAreNoSuspects) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked.tracker.begin_dump(2 * kSecond, true);
  EXPECT_TRUE(tracked.tracker.suspects({{1}, {}}).empty());
  EXPECT_TRUE(tracked.tracker
                  .suspects({{test::kNetns}, [](const Socket& row) { return row.state == State::time_wait; }})
                  .empty());
  EXPECT_EQ(tracked.tracker.suspects({{test::kNetns}, {}}).size(), 1u);
}

TEST(Reconcile, BoundSocketsAndRawSocketsWaitForTheSecondDump) {
  Tracked tracked;
  const DumpRow bound = DumpRow(1, State::bound_inactive, kClient).owner(7, 4);
  const DumpRow raw = DumpRow(2, State::close, "0.0.0.0:1").protocol(IPPROTO_ICMP, SOCK_RAW).owner(7, 5);
  tracked.dump(kSecond, {bound, raw});
  tracked.dump(2 * kSecond, {}, true);
  EXPECT_TRUE(tracked.suspects.empty());
  EXPECT_EQ(tracked.dump(3 * kSecond, {}, true).ghosts, 2u);
}

TEST(Reconcile, BoundSocketOfADumpIsTheSameAsOneThatWasTold) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::bind, 1).local(kClient).by(7, 4).result();
  tracked.told();
  const ReconcileCounts counts =
      tracked.dump(2 * kSecond, {DumpRow(1, State::bound_inactive, kClient).owner(7, 4)}, true);
  EXPECT_EQ(counts.wrong_state + counts.wrong_owner, 0u);
  EXPECT_EQ(tracked.count(EventKind::tcp_state) + tracked.count(EventKind::socket_owner), 0u);
}

TEST(Reconcile, WrongStateIsCorrectedWithWhatTheTableKnows) {
  Tracked tracked;
  tracked << client(State::close, State::syn_sent).by(7, 4) << client(State::syn_sent, State::established);
  tracked.told();
  EXPECT_EQ(tracked.dump(2 * kSecond, {DumpRow(1, State::close_wait, kClient, kServer).owner(7, 4)}, true)
                .wrong_state,
            1u);
  EXPECT_EQ(tracked.told(),
            "tcp.state #1 127.0.0.1:40000>127.0.0.1:80 close_wait<established owners 7/4 "
            "resync\nsnapshot.done #0 :*>:* \n");
  EXPECT_EQ(tracked.table.find({1, 0})->opened_ns, kSecond);
}

TEST(Reconcile, ConnectionFoundInTimeWaitHasClosedOnceAndKeepsItsOwners) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked.told();
  tracked.dump(2 * kSecond, {DumpRow(1, State::time_wait, kClient, kServer)}, true);
  EXPECT_EQ(tracked.told(),
            "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 time_wait<established owners 7/4! resync\n");
  tracked << client(State::fin_wait_2, State::close).mini(State::time_wait).at(3 * kSecond);
  EXPECT_EQ(tracked.told(), "");
  tracked.dump(4 * kSecond, {DumpRow(1, State::time_wait, kClient, kServer)}, true);
  EXPECT_EQ(tracked.told(), "");
  EXPECT_EQ(tracked.rows(), "#1 127.0.0.1:40000>127.0.0.1:80 time_wait owners 7/4!\n");
}

TEST(Reconcile, FinWait2MiniSocketThatBecameTimeWaitIsNoFault) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked << client(State::fin_wait_2, State::close).mini(State::fin_wait_2).at(kSecond + 1);
  tracked.told();
  EXPECT_EQ(tracked.dump(2 * kSecond, {DumpRow(1, State::time_wait, kClient, kServer)}, true).wrong_state,
            0u);
  EXPECT_EQ(tracked.told(),
            "tcp.state #1 127.0.0.1:40000>127.0.0.1:80 time_wait<fin_wait_2 owners 7/4! resync\n");
}

TEST(Reconcile, DumpTellsWhenAMiniSocketEnds) {
  Tracked tracked;
  tracked.tracker.begin_dump(kSecond, false);
  tracked.tracker.dump_row(Socket(DumpRow(1, State::time_wait, kClient, kServer).socket), 5 * kSecond);
  tracked.tracker.finish_dump(kSecond);
  tracked.tick(5 * kSecond - 1);
  EXPECT_EQ(tracked.table.size(), 1u);
  tracked.tick(5 * kSecond);
  EXPECT_EQ(tracked.last(EventKind::socket_closed).socket.key.cookie, 1u);
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Reconcile, MiniSocketsThatADumpDoesNotShowAreOverAndThatIsNoFault) {
  Tracked tracked;
  tracked.dump(kSecond, {DumpRow(1, State::time_wait, kClient, kServer),
                         DumpRow(2, State::time_wait, kClient, "127.0.0.1:81"), listener()});
  tracked.told();
  const ReconcileCounts counts = tracked.dump(
      30 * kSecond, {listener(), DumpRow(2, State::time_wait, kClient, "127.0.0.1:81")}, true, {1});
  EXPECT_EQ(counts.ended, 1u);
  EXPECT_EQ(counts.ghosts, 0u);
  EXPECT_EQ(tracked.told(), "socket.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<time_wait gone\n");
}

TEST(Reconcile, LaterDumpTellsAnewWhenAMiniSocketEnds) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked << client(State::fin_wait_2, State::close).mini(State::fin_wait_2).at(2 * kSecond);
  tracked.tracker.begin_dump(3 * kSecond, true);
  tracked.tracker.dump_row(Socket(DumpRow(1, State::fin_wait_2, kClient, kServer).socket), 8 * kSecond);
  tracked.tracker.finish_dump(3 * kSecond);
  tracked.tick(8 * kSecond - 1);
  EXPECT_EQ(tracked.table.size(), 1u);
  tracked.tick(8 * kSecond);
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Reconcile, MiniSocketsLiveAsMuchLongerAsTimersMayBeLate) {
  Tracked tracked({.timers_late_ns = 2 * kSecond});
  tracked.tracker.begin_dump(kSecond, false);
  tracked.tracker.dump_row(Socket(DumpRow(1, State::time_wait, kClient, kServer).socket), 5 * kSecond);
  tracked.tracker.finish_dump(kSecond);
  tracked.tick(7 * kSecond - 1);
  EXPECT_EQ(tracked.table.size(), 1u);
  tracked.tick(7 * kSecond);
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Reconcile, BoundSocketThatADumpMissesIsUnconfirmedUntilTheNextOne) {
  Tracked tracked;
  tracked.dump(kSecond, {});
  tracked << RecordBuilder(RecordKind::bind, 1).local("127.0.0.1:80").by(7, 3).result().at(2 * kSecond);
  const ReconcileCounts first = tracked.dump(3 * kSecond, {}, true);
  EXPECT_EQ(first.unconfirmed, 1u);
  EXPECT_EQ(first.ghosts, 0u);
  const ReconcileCounts second = tracked.dump(4 * kSecond, {}, true);
  EXPECT_EQ(second.unconfirmed, 0u);
  EXPECT_EQ(second.ghosts, 1u);
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Reconcile, BoundSocketsThatNoDumpShowsAreNeverMissed) {
  const DumpScope before_6_8{{test::kNetns}, [](const Socket& row) { return row.state != State::close; }};
  Tracked tracked;
  tracked.dump(kSecond, {});
  tracked << RecordBuilder(RecordKind::bind, 1).local("127.0.0.1:80").by(7, 3).result().at(2 * kSecond);
  for (uint64_t second = 3; second < 7; ++second) {
    tracked.tracker.begin_dump(second * kSecond, true);
    EXPECT_TRUE(tracked.tracker.suspects(before_6_8).empty());
    EXPECT_EQ(tracked.tracker.finish_dump(second * kSecond + 1).ghosts, 0u);
  }
  EXPECT_EQ(tracked.rows(), "#1 127.0.0.1:80>0.0.0.0:* closed owners 7/3\n");
}

TEST(Reconcile, ConnectionRequestOfADumpEndsByTimeOrBecomesAChild) {
  Tracked tracked;
  tracked.dump(kSecond, {listener(), DumpRow(1, State::syn_recv, kServer, kClient),
                         DumpRow(2, State::syn_recv, kServer, "127.0.0.1:40001")});
  tracked.told();
  tracked << transition(State::syn_recv, State::established, 1).local(kServer).peer(kClient).at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.established #1 127.0.0.1:80>127.0.0.1:40000 established<syn_received owners 5i\n");
  tracked.tick(100 * kSecond);
  EXPECT_EQ(tracked.told(),
            "socket.closed #2 127.0.0.1:80>127.0.0.1:40001 closed<syn_received owners 5i! gone\n");
}

TEST(Reconcile, MptcpSocketsOfADumpAreMatchedByTheirAddresses) {
  const auto msk = [](uint64_t sk) {
    return transition(State::syn_recv, State::established, 1)
        .local(kServer)
        .peer(kClient)
        .protocol(262, 1)
        .sk(sk);
  };
  const DumpRow parent = DumpRow(1, State::listen, kServer).protocol(262, 1).owner(5, 3);
  const DumpRow child = DumpRow(1, State::established, kServer, kClient).protocol(262, 1).owner(5, 8);
  Tracked tracked;
  tracked << msk(0xffff888000002000);
  tracked.dump(2 * kSecond, {parent, child});
  EXPECT_EQ(tracked.table.size(), 2u);
  EXPECT_EQ(tracked.dump(3 * kSecond, {child, parent}, true).missing, 0u);

  // The listener's first record: its address is learned, its row stays.
  tracked.told();
  tracked << transition(State::listen, State::close, 1)
                 .local(kServer)
                 .protocol(262, 1)
                 .sk(0xffff888000001000)
                 .at(4 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.closed #1 127.0.0.1:80>0.0.0.0:* closed<listen owners 5/3 gone\n");
  EXPECT_EQ(tracked.table.size(), 1u);
}

TEST(Reconcile, SocketWithoutCookieIsTheOneThatADumpGivesACookie) {
  Tracked tracked;
  tracked << transition(State::close, State::syn_sent, 0)
                 .local(kClient)
                 .peer(kServer)
                 .sk(0xffff888000001000)
                 .by(7);
  tracked << transition(State::syn_sent, State::established, 0)
                 .local(kClient)
                 .peer(kServer)
                 .sk(0xffff888000001000)
                 .at(2 * kSecond);
  EXPECT_EQ(tracked.dump(3 * kSecond, {established(77)}).missing, 0u);
  EXPECT_EQ(tracked.table.size(), 1u);
  tracked << client(State::established, State::close, 77).at(4 * kSecond);
  EXPECT_EQ(tracked.table.size(), 0u);
}

// The record of an accept() was all that was delivered of it: no second dump is needed to find out that it is gone.
TEST(Reconcile, ASocketWithoutCookieIsAskedForWhenADumpMissesIt) {
  Tracked tracked;
  tracked.dump(1 * kSecond, {});
  tracked << transition(State::syn_recv, State::established, 0)
                 .local(kServer)
                 .peer(kClient)
                 .sk(0xffff888000001000)
                 .at(2 * kSecond);
  ASSERT_EQ(tracked.table.size(), 1u);
  EXPECT_EQ(tracked.dump(3 * kSecond, {}, true, {0}).ghosts, 1u);
  EXPECT_EQ(tracked.table.size(), 0u);
}

}  // namespace
}  // namespace socktrace
