// An MPTCP socket and the TCP subflows under it.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "support/record_builder.h"

namespace socktrace {
namespace {

using test::kSecond;
using test::RecordBuilder;
using test::Tracked;
using test::transition;

constexpr char kClient[] = "127.0.0.1:40000";
constexpr char kServer[] = "127.0.0.1:80";
constexpr uint64_t kListenerSk = 0xffff888000001000;

RecordBuilder of_listener(RecordBuilder record) {
  return record.local(kServer).protocol(kMptcp, SOCK_STREAM).sk(kListenerSk);
}

// Process 5 listens: its subflow is socket 2, whose listen() has no result of its own.
Tracked& listening(Tracked& tracked) {
  tracked << transition(State::close, State::listen, 2).local(kServer).locked().by(5).awaited()
          << of_listener(transition(State::close, State::listen, 1)).by(5).awaited()
          << of_listener(RecordBuilder(RecordKind::listen, 1)).by(5, 3).result().backlog(8);
  return tracked;
}

TEST(Tracker, SubflowListensWithTheBacklogOfItsMptcpSocket) {
  Tracked tracked;
  listening(tracked);
  EXPECT_EQ(tracked.told(),
            "tcp.listen #2 127.0.0.1:80>0.0.0.0:* listen<closed by 5 owners 5/-1\n"
            "tcp.listen #1 127.0.0.1:80>0.0.0.0:* listen<closed by 5 owners 5/3\n");
  tracked.table.for_each([](const Socket& row) { EXPECT_EQ(row.send_q, 8u); });
}

TEST(Tracker, SubflowOfAListenerEndsOnceAndWithIt) {
  Tracked tracked;
  listening(tracked).told();
  tracked << of_listener(RecordBuilder(RecordKind::release, 1)).by(5)
          << transition(State::listen, State::close, 2).local(kServer).locked().by(5)
          << of_listener(transition(State::listen, State::close, 1)).by(5)
          << RecordBuilder(RecordKind::destroy, 2).local(kServer);
  EXPECT_EQ(tracked.told(),
            "tcp.closed #2 127.0.0.1:80>0.0.0.0:* closed<listen by 5 owners 5/-1! gone\n"
            "tcp.closed #1 127.0.0.1:80>0.0.0.0:* closed<listen by 5 owners 5/3! gone\n");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, MptcpThatFailsToConnectDoesNotKnowWhy) {
  Tracked tracked;
  tracked << transition(State::close, State::syn_sent, 1)
                 .protocol(kMptcp, SOCK_STREAM)
                 .local("0.0.0.0:*")
                 .peer(kServer)
                 .by(7)
          << transition(State::syn_sent, State::close, 1)
                 .protocol(kMptcp, SOCK_STREAM)
                 .local("0.0.0.0:*")
                 .peer(kServer);
  EXPECT_EQ(tracked.events.back().kind, EventKind::tcp_connect_failed);
  EXPECT_EQ(tracked.events.back().error, 0) << "its subflow does";
}

TEST(Tracker, MptcpSelfTransitionsAreSilentAndSocketsShareACookie) {
  const auto msk = [](State from, State to, uint64_t sk) {
    return transition(from, to, 1).local(kServer).peer(kClient).protocol(kMptcp, SOCK_STREAM).sk(sk);
  };
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::listen, 1)
                 .local(kServer)
                 .protocol(kMptcp, SOCK_STREAM)
                 .sk(0xffff888000001000)
                 .by(5, 3)
                 .result()
          << msk(State::listen, State::listen, 0xffff888000001000)
          << msk(State::syn_recv, State::established, 0xffff888000002000);
  EXPECT_EQ(tracked.told(),
            "tcp.listen #1 127.0.0.1:80>0.0.0.0:* listen<closed by 5 owners 5/3\n"
            "tcp.established #1 127.0.0.1:80>127.0.0.1:40000 established<syn_received owners 5i\n");
  EXPECT_EQ(tracked.table.size(), 2u);

  // A kernel address is used again at once, with the listener's cookie again.
  tracked << msk(State::established, State::close, 0xffff888000002000).at(2 * kSecond)
          << RecordBuilder(RecordKind::release, 1)
                 .protocol(kMptcp, SOCK_STREAM)
                 .sk(0xffff888000002000)
                 .at(2 * kSecond);
  EXPECT_EQ(tracked.table.size(), 1u);
  tracked << msk(State::syn_recv, State::established, 0xffff888000002000).at(3 * kSecond);
  EXPECT_EQ(tracked.table.size(), 2u);
}

}  // namespace
}  // namespace socktrace
