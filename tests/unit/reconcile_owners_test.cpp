// What a dump brings to a row that is right otherwise: owners, queues, a backlog.
#include <gtest/gtest.h>
#include <linux/in.h>
#include <sys/socket.h>

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

TEST(Reconcile, ListenerThatADumpShowsHasListened) {
  Tracked tracked;
  tracked.dump(kSecond, {});
  tracked << transition(State::close, State::listen, 9).local("0.0.0.0:80").by(5).awaited().at(2 * kSecond);
  tracked.told();
  EXPECT_EQ(tracked.dump(2 * kSecond + 1, {listener()}, true).missing, 0u);
  EXPECT_EQ(tracked.rows(), "#9 0.0.0.0:80>0.0.0.0:* listen owners 5/3\n");
}

TEST(Reconcile, QueuesAreTheDumpsWithoutAnEvent) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked.told();
  DumpRow unread = established();
  unread.socket.recv_q = 5;
  unread.socket.send_q = 6;
  tracked.dump(2 * kSecond, {unread});
  EXPECT_EQ(tracked.told(), "");
  const Socket* row = tracked.table.find(unread.socket.key);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->recv_q, 5u);
  EXPECT_EQ(row->send_q, 6u);

  // The row is newer than this dump.
  tracked << client(State::established, State::fin_wait_1).by(7).at(4 * kSecond);
  tracked.dump(3 * kSecond, {established()});
  EXPECT_EQ(tracked.table.find(unread.socket.key)->recv_q, 5u);
}

TEST(Reconcile, BacklogOfAListenThatWasNotSeenIsTold) {
  Tracked tracked;
  tracked.dump(kSecond, {listener()});
  tracked.told();
  DumpRow again = listener();
  again.socket.send_q = 4;
  const ReconcileCounts counts = tracked.dump(2 * kSecond, {again});
  EXPECT_EQ(tracked.told(), "tcp.state #9 0.0.0.0:80>0.0.0.0:* listen<listen owners 5/3\n");
  EXPECT_EQ(counts.wrong_state, 0u);
  EXPECT_EQ(tracked.events.back().socket.send_q, 4u);
}

TEST(Reconcile, LostAcceptIsFoundInTheDumpsOwners) {
  Tracked tracked;
  tracked.dump(kSecond, {listener()});
  tracked << transition(State::syn_recv, State::established, 1).local(kServer).peer(kClient).at(2 * kSecond);
  tracked.told();
  const ReconcileCounts counts = tracked.dump(
      3 * kSecond, {listener(), DumpRow(1, State::established, kServer, kClient).owner(6, 8)}, true);
  EXPECT_EQ(tracked.told(), "socket.owner #1 127.0.0.1:80>127.0.0.1:40000 established owners 6/8 resync\n");
  EXPECT_EQ(counts.wrong_owner, 0u) << "the listener's owners were a guess";
}

TEST(Reconcile, OtherOwnersAreWrongButAnUnknownDescriptorIsOnlyNews) {
  Tracked tracked;
  tracked << client(State::close, State::syn_sent).by(7) << client(State::syn_sent, State::established);
  tracked.told();
  EXPECT_EQ(tracked.dump(2 * kSecond, {established()}, true).wrong_owner, 0u);
  EXPECT_EQ(tracked.told(),
            "socket.owner #1 127.0.0.1:40000>127.0.0.1:80 established owners 7/4 resync\n"
            "snapshot.done #0 :*>:* \n");
  const DumpRow passed = DumpRow(1, State::established, kClient, kServer).owner(8, 12);
  EXPECT_EQ(tracked.dump(3 * kSecond, {passed}, true).wrong_owner, 1u);
  EXPECT_EQ(tracked.told(), "socket.owner #1 127.0.0.1:40000>127.0.0.1:80 established owners 8/12 resync\n");
}

DumpRow held_by_nobody() {
  DumpRow row = DumpRow(1, State::established, kClient, kServer).inode(1001);
  row.socket.no_owner = NoOwner::kernel;
  return row;
}

TEST(Reconcile, SocketThatNoProcessHoldsHasLostItsOwners) {
  Tracked tracked;
  tracked.dump(kSecond, {established().inode(1001)});
  tracked.told();
  EXPECT_EQ(tracked.dump(2 * kSecond, {held_by_nobody()}, true).wrong_owner, 1u);
  EXPECT_EQ(tracked.told(), "socket.owner #1 127.0.0.1:40000>127.0.0.1:80 established owners 7/4! resync\n");
  EXPECT_EQ(tracked.dump(3 * kSecond, {held_by_nobody()}, true).wrong_owner, 0u);
  EXPECT_EQ(tracked.told(), "");
}

TEST(Reconcile, WhoDoesNotSeeEveryProcessTakesNoOwnerAway) {
  Tracked tracked({.every_process_is_seen = false});
  tracked.dump(kSecond, {established().inode(1001)});
  tracked.told();
  tracked.dump(2 * kSecond, {held_by_nobody()}, true);
  Tracked denied;
  denied.dump(kSecond, {established().inode(1001)});
  DumpRow unreadable = held_by_nobody();
  unreadable.socket.no_owner = NoOwner::permission;
  denied.told();
  denied.dump(2 * kSecond, {unreadable}, true);
  EXPECT_EQ(tracked.told() + denied.told(), "");
}

TEST(Reconcile, ProcessThatHasExecutedAnotherProgramHasItsName) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked.told();
  DumpRow renamed = established();
  Process process = *renamed.socket.owners[0].process;
  process.name = "sleep";
  renamed.socket.owners[0].process = std::make_shared<const Process>(process);
  EXPECT_EQ(tracked.dump(2 * kSecond, {renamed}, true).wrong_owner, 0u);
  EXPECT_EQ(tracked.told(), "socket.owner #1 127.0.0.1:40000>127.0.0.1:80 established owners 7/4 resync\n");
  EXPECT_EQ(tracked.events.back().socket.owners[0].process->name, "sleep");
}

TEST(Reconcile, DeviceThatASocketIsBoundToSinceIsTheDumps) {
  Tracked tracked;
  tracked.dump(kSecond, {listener()});
  tracked.told();
  DumpRow bound = listener();
  bound.socket.ifindex = 2;
  tracked.dump(2 * kSecond, {bound}, true);
  EXPECT_EQ(tracked.told(), "tcp.state #9 0.0.0.0:80>0.0.0.0:* listen<listen owners 5/3 resync\n");
  EXPECT_EQ(tracked.events.back().socket.ifindex, 2u);
  tracked.dump(3 * kSecond, {bound}, true);
  EXPECT_EQ(tracked.told(), "");
}

TEST(Reconcile, SocketWithoutDescriptorHasLostItsOwners) {
  Tracked tracked;
  tracked.dump(kSecond, {established()});
  tracked.told();
  tracked.dump(2 * kSecond, {DumpRow(1, State::established, kClient, kServer)}, true);
  EXPECT_EQ(tracked.told(), "socket.owner #1 127.0.0.1:40000>127.0.0.1:80 established owners 7/4! resync\n");
  tracked.dump(3 * kSecond, {DumpRow(1, State::established, kClient, kServer)}, true);
  EXPECT_EQ(tracked.told(), "");
}

}  // namespace
}  // namespace socktrace
