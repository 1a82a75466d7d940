// Unix sockets: by inode and name, and connected as soon as connect() returns.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>

#include "support/record_builder.h"

namespace socktrace {
namespace {

using test::DumpRow;
using test::kSecond;
using test::RecordBuilder;
using test::Tracked;

constexpr char kName[] = "/run/server";

RecordBuilder server(RecordKind kind) {
  return RecordBuilder(kind, 0).unix_socket(50).name(kName).by(7, 4).result();
}

RecordBuilder client_connects(int32_t error = 0) {
  return RecordBuilder(RecordKind::connect, 0)
      .unix_socket(60)
      .peer_name(kName)
      .by(8, 3)
      .result(error)
      .state(error != 0 ? State::close : State::established);
}

RecordBuilder release(uint32_t inode, uint32_t pid) {
  return RecordBuilder(RecordKind::release, 0).unix_socket(inode).by(pid);
}

DumpRow dumped(uint32_t inode, State state, const std::string& name = "") {
  return DumpRow(0xabc, state, "0.0.0.0:*").unix_socket(inode).name(name);
}

TEST(Tracker, UnixServerBindsListensAndCloses) {
  Tracked tracked;
  tracked << server(RecordKind::bind) << server(RecordKind::listen).backlog(5) << release(50, 7);
  EXPECT_EQ(tracked.told(),
            "bind.ok u50 /run/server closed by 7 owners 7/4\n"
            "tcp.listen u50 /run/server listen<closed by 7 owners 7/4\n"
            "socket.closed u50 /run/server closed<listen by 7 owners 7/4! gone\n");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, FailedUnixBindNamesWhatItWanted) {
  Tracked tracked;
  tracked << server(RecordKind::bind).result(EADDRINUSE);
  EXPECT_EQ(tracked.told(), "bind.failed u50 /run/server closed by 7 owners 7/4 errno 98\n");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, FailedUnixListenLeavesTheRowAsItWas) {
  Tracked tracked;
  tracked << server(RecordKind::bind);
  tracked.told();
  tracked << server(RecordKind::listen).result(EOPNOTSUPP);
  EXPECT_EQ(tracked.told(), "listen.failed u50 /run/server closed by 7 owners 7/4 errno 95\n");
  EXPECT_EQ(tracked.rows(), "u50 /run/server closed owners 7/4\n");
}

TEST(Tracker, UnixConnectIsOverWhenItReturns) {
  Tracked tracked;
  tracked << client_connects();
  EXPECT_EQ(tracked.told(), "tcp.established u60 *>/run/server established<closed by 8 owners 8/3\n");
  EXPECT_EQ(tracked.rows(), "u60 *>/run/server established owners 8/3\n");
}

TEST(Tracker, FailedUnixConnectOfAnUnknownSocketMakesNoRow) {
  Tracked tracked;
  tracked << client_connects(ECONNREFUSED);
  EXPECT_EQ(tracked.told(),
            "tcp.connect_failed u60 *>/run/server closed<closed by 8 owners 8/3 errno 111 gone\n");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, FailedUnixConnectLeavesTheConnectionThatThereIs) {
  Tracked tracked;
  tracked << client_connects();
  tracked.told();
  tracked << client_connects(EISCONN).peer_name("/run/other");
  EXPECT_EQ(tracked.told(),
            "tcp.connect_failed u60 *>/run/other established<established by 8 owners 8/3 errno 106\n");
  EXPECT_EQ(tracked.rows(), "u60 *>/run/server established owners 8/3\n");
}

TEST(Tracker, UnixDatagramConnectsAndDisconnects) {
  Tracked tracked;
  tracked << client_connects().type(SOCK_DGRAM).peer_inode(50);
  tracked << RecordBuilder(RecordKind::connect, 0)
                 .unix_socket(60)
                 .type(SOCK_DGRAM)
                 .by(8, 3)
                 .result()
                 .state(State::close);
  EXPECT_EQ(tracked.told(),
            "udp.connect u60 *>/run/server established<closed by 8 owners 8/3\n"
            "udp.connect u60 * closed<established by 8 owners 8/3\n");
  EXPECT_EQ(tracked.table.find({0, 60})->details->peer_inode, 0u);
}

TEST(Tracker, UnixConnectFromBeforeADumpKeepsTheStateThatTheDumpShowed) {
  Tracked tracked;
  tracked.dump(2 * kSecond, {dumped(60, State::close).owner(8, 3)});
  tracked << client_connects().at(kSecond);
  EXPECT_EQ(tracked.rows(), "u60 *>/run/server closed owners 8/3\n");
}

TEST(Tracker, AcceptedUnixSocketAndItsClientKnowEachOther) {
  Tracked tracked;
  tracked << client_connects();
  tracked.told();
  tracked << RecordBuilder(RecordKind::accept, 0)
                 .unix_socket(51)
                 .name(kName)
                 .peer_inode(60)
                 .by(7, 5)
                 .result()
                 .state(State::established);
  EXPECT_EQ(tracked.told(), "tcp.accept u51 /run/server established by 7 owners 7/5\n");
  EXPECT_EQ(tracked.table.find({0, 51})->details->peer_inode, 60u);
  EXPECT_EQ(tracked.table.find({0, 60})->details->peer_inode, 51u);
  Table replayed;
  for (const Event& event : tracked.events) replayed.apply(event);
  EXPECT_EQ(replayed.find({0, 60})->details->peer_inode, 51u);
  tracked << release(51, 7);
  EXPECT_EQ(tracked.table.find({0, 60})->details->peer_inode, 0u);
}

TEST(Tracker, UnixSocketThatWasConnectedWhenItWasNamedStaysSo) {
  Tracked tracked;
  tracked << server(RecordKind::bind).state(State::established);
  EXPECT_EQ(tracked.rows(), "u50 /run/server established owners 7/4\n");
}

TEST(Tracker, UnixSocketOfADumpIsTheOneOfItsRecords) {
  Tracked tracked;
  tracked << server(RecordKind::bind);
  tracked.told();
  EXPECT_EQ(tracked.dump(2 * kSecond, {dumped(50, State::close, kName).owner(7, 4)}).missing, 0u);
  EXPECT_EQ(tracked.told(), "snapshot.done #0 :*>:* \n");
  EXPECT_EQ(tracked.table.size(), 1u);
}

TEST(Tracker, ReleaseOfAUnixSocketThatADumpHasShownClosesIt) {
  Tracked tracked;
  tracked.dump(kSecond, {dumped(50, State::listen, kName).owner(7, 4)});
  tracked.told();
  tracked << release(50, 7).at(2 * kSecond);
  EXPECT_EQ(tracked.told(), "socket.closed u50 /run/server closed<listen by 7 owners 7/4! gone\n");
}

TEST(Reconcile, UnixSocketThatNobodyTellsOfIsFoundAndEndsWithoutAFault) {
  Tracked tracked;
  tracked.dump(kSecond, {});
  tracked.told();
  EXPECT_EQ(tracked.dump(2 * kSecond, {dumped(50, State::established).owner(7, 4)}, true).missing, 0u);
  const ReconcileCounts counts = tracked.dump(3 * kSecond, {}, true, {50});
  EXPECT_EQ(counts.ghosts, 0u);
  EXPECT_EQ(counts.ended, 1u);
  EXPECT_EQ(tracked.told(),
            "socket.seen u50 * established owners 7/4 resync\n"
            "socket.closed u50 * closed<established owners 7/4! gone resync\n");
}

TEST(Reconcile, NameThatAUnixSocketWasGivenUnseenIsFound) {
  Tracked tracked;
  tracked.dump(kSecond, {dumped(50, State::close).owner(7, 4)});
  tracked.told();
  tracked.dump(2 * kSecond, {dumped(50, State::close, kName).owner(7, 4)}, true);
  EXPECT_EQ(tracked.told(), "socket.seen u50 /run/server closed<closed owners 7/4 resync\n");
}

TEST(Reconcile, PeerNameOfAConnectionStaysThoughNoDumpHasIt) {
  Tracked tracked;
  tracked << client_connects();
  tracked.told();
  tracked.dump(2 * kSecond, {dumped(60, State::established).owner(8, 3).owner(9, 3)}, true);
  EXPECT_EQ(tracked.rows(), "u60 *>/run/server established owners 8/3 9/3\n");
}

}  // namespace
}  // namespace socktrace
