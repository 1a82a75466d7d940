// bind(), listen(), and datagram, raw and ping sockets.
#include <gtest/gtest.h>
#include <linux/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "support/record_builder.h"

namespace socktrace {
namespace {

using test::kMillisecond;
using test::kSecond;
using test::RecordBuilder;
using test::Tracked;
using test::transition;

constexpr char kLocal[] = "127.0.0.1:8080";

RecordBuilder bound(uint64_t cookie, const std::string& local = kLocal) {
  return RecordBuilder(RecordKind::bind, cookie).local(local).by(7, 4).result();
}

RecordBuilder attempt(uint64_t cookie, const std::string& local = kLocal) {
  return RecordBuilder(RecordKind::bind_attempt, cookie).local(local).by(7);
}

RecordBuilder listened(uint64_t cookie, int32_t error = 0) {
  return RecordBuilder(RecordKind::listen, cookie).local(kLocal).by(7, 4).result(error).backlog(128);
}

RecordBuilder announced(uint64_t cookie) {
  return transition(State::close, State::listen, cookie).local(kLocal).by(7);
}

RecordBuilder unannounced(uint64_t cookie) {
  return transition(State::listen, State::close, cookie).local(kLocal).by(7);
}

RecordBuilder release(uint64_t cookie) {
  return RecordBuilder(RecordKind::release, cookie).by(7);
}

TEST(Tracker, BindThatReturns0IsABoundRow) {
  Tracked tracked;
  tracked << bound(1);
  EXPECT_EQ(tracked.told(), "bind.ok #1 127.0.0.1:8080>0.0.0.0:* closed by 7 owners 7/4\n");
  tracked << release(1).at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "socket.closed #1 127.0.0.1:8080>0.0.0.0:* closed<closed by 7 owners 7/4! gone\n");
  EXPECT_EQ(tracked.events.back().lifetime_ns, kSecond);
}

TEST(Tracker, BindThatArrivesAfterTheReleaseIsGone) {
  Tracked tracked;
  tracked << release(1).at(2 * kSecond) << bound(1);
  EXPECT_EQ(tracked.told(), "bind.ok #1 127.0.0.1:8080>0.0.0.0:* closed by 7 owners 7/4! gone\n");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, FailedBindLeavesTheRowAsItWas) {
  Tracked tracked;
  tracked << bound(1);
  tracked.told();
  tracked << bound(1, "127.0.0.1:9090").result(EINVAL);
  EXPECT_EQ(tracked.told(), "bind.failed #1 127.0.0.1:9090>0.0.0.0:* closed by 7 owners 7/4 errno 22\n");
  EXPECT_EQ(tracked.rows(), "#1 127.0.0.1:8080>0.0.0.0:* closed owners 7/4\n");
}

TEST(Tracker, FailedBindOfAnUnknownSocketMakesNoRowAndNoClose) {
  Tracked tracked;
  tracked << bound(1).result(EADDRINUSE) << release(1) << RecordBuilder(RecordKind::destroy, 1);
  EXPECT_EQ(tracked.told(), "bind.failed #1 127.0.0.1:8080>0.0.0.0:* closed by 7 owners 7/4 errno 98\n");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, BindAttemptFollowedByOkIsBound) {
  Tracked tracked;
  tracked << attempt(1) << RecordBuilder(RecordKind::bind_ok, 1).local(kLocal).by(7);
  tracked.tick(5 * kSecond);
  EXPECT_EQ(tracked.told(), "bind.ok #1 127.0.0.1:8080>0.0.0.0:* closed by 7 owners 7/-1\n");
}

TEST(Tracker, BindAttemptWithoutOkFailsAfter20Milliseconds) {
  Tracked tracked;
  tracked << attempt(1);
  tracked.tick(kSecond + 19 * kMillisecond);
  EXPECT_EQ(tracked.told(), "");
  tracked.tick(kSecond + 20 * kMillisecond);
  EXPECT_EQ(tracked.told(), "bind.failed #1 127.0.0.1:8080>0.0.0.0:* closed by 7 owners 7/-1 errno 99?\n");
}

TEST(Tracker, BindAttemptWithoutOkFailsWhenItsThreadGoesOn) {
  Tracked tracked;
  tracked << attempt(1) << bound(2, "127.0.0.1:1").by(8, 3);
  EXPECT_EQ(tracked.count(EventKind::bind_failed), 0u) << "another thread says nothing";
  tracked << RecordBuilder(RecordKind::release, 3).by(7);
  EXPECT_EQ(tracked.count(EventKind::bind_failed), 1u);
}

TEST(Tracker, SecondAttemptOfAThreadEndsTheFirst) {
  Tracked tracked;
  tracked << attempt(1, "127.0.0.1:8081") << attempt(1, "127.0.0.1:8082")
          << RecordBuilder(RecordKind::bind_ok, 1).local("127.0.0.1:8082").by(7);
  EXPECT_EQ(tracked.told(),
            "bind.failed #1 127.0.0.1:8081>0.0.0.0:* closed by 7 owners 7/-1 errno 99?\n"
            "bind.ok #1 127.0.0.1:8082>0.0.0.0:* closed by 7 owners 7/-1\n");
}

TEST(Tracker, BindAttemptWithoutOkFailsWhenItsSocketIsReleased) {
  Tracked tracked;
  tracked << attempt(1) << RecordBuilder(RecordKind::release, 1).by(9);
  EXPECT_EQ(tracked.count(EventKind::bind_failed), 1u);
}

TEST(Tracker, BindAttemptToPort0IsNeverInferredToFail) {
  Tracked tracked;
  tracked << attempt(1, "127.0.0.1:*") << release(1);
  tracked.tick(5 * kSecond);
  EXPECT_EQ(tracked.told(), "");
}

struct Inferred {
  const char* held;
  const char* wanted;
  uint32_t uid;
  int32_t error;
};

class InferredErrno : public ::testing::TestWithParam<Inferred> {};

TEST_P(InferredErrno, IsWhatTheTableSuggests) {
  Tracked tracked;
  tracked << bound(1, GetParam().held);
  tracked << attempt(2, GetParam().wanted).by(8, -1, GetParam().uid)
          << RecordBuilder(RecordKind::release, 2).by(8);
  EXPECT_EQ(tracked.last(EventKind::bind_failed).error, GetParam().error);
  EXPECT_TRUE(tracked.last(EventKind::bind_failed).error_inferred);
}

INSTANTIATE_TEST_SUITE_P(
    Tracker, InferredErrno,
    ::testing::Values(Inferred{"127.0.0.1:8080", "127.0.0.1:8080", 0, EADDRINUSE},
                      Inferred{"0.0.0.0:8080", "127.0.0.1:8080", 0, EADDRINUSE},
                      Inferred{"127.0.0.1:8080", "0.0.0.0:8080", 0, EADDRINUSE},
                      Inferred{"[::]:8080", "127.0.0.1:8080", 0, EADDRINUSE},
                      Inferred{"127.0.0.1:8080", "[::]:8080", 0, EADDRINUSE},
                      Inferred{"[::ffff:127.0.0.1]:8080", "127.0.0.1:8080", 0, EADDRINUSE},
                      Inferred{"[::1]:8080", "127.0.0.1:8080", 0, EADDRNOTAVAIL},
                      Inferred{"127.0.0.2:8080", "127.0.0.1:8080", 0, EADDRNOTAVAIL},
                      Inferred{"127.0.0.1:8081", "127.0.0.1:8080", 0, EADDRNOTAVAIL},
                      Inferred{"127.0.0.1:8080", "127.0.0.1:80", 1000, EACCES},
                      Inferred{"127.0.0.1:8080", "127.0.0.1:80", 0, EADDRNOTAVAIL},
                      Inferred{"127.0.0.1:80", "127.0.0.1:80", 1000, EADDRINUSE},
                      Inferred{"127.0.0.1:8080", "127.0.0.1:1024", 1000, EADDRNOTAVAIL}));

TEST(Tracker, InferredErrnoOfASocketThatIsBoundIsEinval) {
  Tracked tracked;
  tracked << bound(1) << attempt(1, "127.0.0.1:9090") << release(1);
  EXPECT_EQ(tracked.last(EventKind::bind_failed).error, EINVAL);
}

TEST(Tracker, InferredErrnoKeepsNetworkNamespacesApart) {
  Tracked tracked;
  RecordBuilder elsewhere = bound(1);
  elsewhere.record.socket.netns = 1;
  tracked << elsewhere << attempt(2).by(8) << RecordBuilder(RecordKind::release, 2).by(8);
  EXPECT_EQ(tracked.last(EventKind::bind_failed).error, EADDRNOTAVAIL);
}

TEST(Tracker, ListenIsToldWithItsResultNotWithItsAnnouncement) {
  Tracked tracked;
  tracked << bound(1);
  tracked.told();
  tracked << announced(1).at(2 * kSecond);
  EXPECT_EQ(tracked.told(), "");
  tracked << listened(1).at(2 * kSecond + 5000);
  EXPECT_EQ(tracked.told(), "tcp.listen #1 127.0.0.1:8080>0.0.0.0:* listen<closed by 7 owners 7/4\n");
  EXPECT_EQ(tracked.table.find({1, 0})->send_q, 128u);
  tracked.tick(5 * kSecond);
  EXPECT_EQ(tracked.told(), "");
}

TEST(Tracker, ListenThatFailsIsUndoneAndNeverOpen) {
  Tracked tracked;
  tracked << bound(1);
  tracked.told();
  tracked << announced(1) << unannounced(1).at(kSecond + 5000) << listened(1, EADDRINUSE).at(kSecond + 6000);
  EXPECT_EQ(tracked.told(), "listen.failed #1 127.0.0.1:8080>0.0.0.0:* closed by 7 owners 7/4 errno 98\n");
  EXPECT_EQ(tracked.rows(), "#1 127.0.0.1:8080>0.0.0.0:* closed owners 7/4\n");
  tracked.tick(5 * kSecond);
  EXPECT_EQ(tracked.told(), "");
}

TEST(Tracker, ListenResultThatOvertakesItsUndoingIsToldOnce) {
  Tracked tracked;
  tracked << announced(1) << listened(1, EADDRINUSE) << unannounced(1).at(kSecond + 5000);
  tracked.tick(5 * kSecond);
  EXPECT_EQ(tracked.told(), "listen.failed #1 127.0.0.1:8080>0.0.0.0:* closed by 7 owners 7/4 errno 98\n");
}

TEST(Tracker, ListenWithoutResultIsToldAfterAMillisecond) {
  Tracked tracked;
  tracked << announced(1);
  tracked.tick(kSecond + kMillisecond - 1);
  EXPECT_EQ(tracked.told(), "");
  tracked.tick(kSecond + kMillisecond);
  EXPECT_EQ(tracked.told(), "tcp.listen #1 127.0.0.1:8080>0.0.0.0:* listen<closed by 7 owners 7/-1\n");
  tracked << listened(1).at(kSecond + 2 * kMillisecond);
  EXPECT_EQ(tracked.told(), "tcp.state #1 127.0.0.1:8080>0.0.0.0:* listen<listen by 7 owners 7/4\n");
}

TEST(Tracker, ListenWithoutResultIsToldBeforeTheSocketsNextRecord) {
  Tracked tracked;
  tracked << announced(1) << release(1) << unannounced(1).at(kSecond + 100);
  EXPECT_EQ(tracked.told(),
            "tcp.listen #1 127.0.0.1:8080>0.0.0.0:* listen<closed by 7 owners 7/-1\n"
            "tcp.closed #1 127.0.0.1:8080>0.0.0.0:* closed<listen by 7 owners 7/-1! gone\n");
}

TEST(Tracker, ListenUndoneWithoutResultFailsByInference) {
  Tracked tracked;
  tracked << announced(1) << unannounced(1).at(kSecond + 5000);
  tracked.tick(5 * kSecond);
  EXPECT_EQ(tracked.told(), "listen.failed #1 127.0.0.1:8080>0.0.0.0:* closed by 7 owners 7/-1 errno 98?\n");
}

TEST(Tracker, AwaitedListenIsNotToldBeforeItsResult) {
  Tracked tracked;
  tracked << announced(1).awaited();
  tracked.tick(kSecond + 500 * kMillisecond);
  EXPECT_EQ(tracked.told(), "");
  tracked << unannounced(1).at(kSecond + 600 * kMillisecond);
  tracked.tick(kSecond + 700 * kMillisecond);
  tracked << listened(1, EADDRINUSE).at(kSecond + 800 * kMillisecond);
  tracked.tick(9 * kSecond);
  EXPECT_EQ(tracked.told(), "listen.failed #1 127.0.0.1:8080>0.0.0.0:* closed by 7 owners 7/4 errno 98\n");
}

TEST(Tracker, AwaitedListenWhoseResultIsLostIsToldAfterASecond) {
  Tracked tracked;
  tracked << announced(1).awaited();
  tracked.tick(2 * kSecond - 1);
  EXPECT_EQ(tracked.told(), "");
  tracked.tick(2 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.listen #1 127.0.0.1:8080>0.0.0.0:* listen<closed by 7 owners 7/-1\n");
}

TEST(Tracker, AwaitedListenIsToldWhenItsThreadReturnsFromAnotherCall) {
  Tracked tracked;
  tracked << announced(1).awaited() << listened(2).at(kSecond + 1000);
  EXPECT_EQ(tracked.told(),
            "tcp.listen #1 127.0.0.1:8080>0.0.0.0:* listen<closed by 7 owners 7/-1\n"
            "tcp.listen #2 127.0.0.1:8080>0.0.0.0:* listen<closed by 7 owners 7/4\n");
}

TEST(Tracker, AwaitedListenThatWasShutDownLaterHadListened) {
  Tracked tracked;
  tracked << announced(1).awaited() << unannounced(1).at(kSecond + 5 * kMillisecond);
  tracked.tick(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.listen #1 127.0.0.1:8080>0.0.0.0:* listen<closed by 7 owners 7/-1\n"
            "tcp.closed #1 127.0.0.1:8080>0.0.0.0:* closed<listen by 7 owners 7/-1 gone\n");
}

TEST(Tracker, ListenOnAListenerChangesTheBacklogOnly) {
  Tracked tracked;
  tracked << listened(1);
  tracked.told();
  tracked << listened(1).at(2 * kSecond);
  EXPECT_EQ(tracked.told(), "");
  tracked << listened(1).backlog(256).at(3 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.state #1 127.0.0.1:8080>0.0.0.0:* listen<listen by 7 owners 7/4\n");
  EXPECT_EQ(tracked.table.find({1, 0})->send_q, 256u);
  EXPECT_EQ(tracked.table.find({1, 0})->opened_ns, kSecond);
}

TEST(Tracker, ClosedListenerIsGoneWithTheLifetimeOfItsListening) {
  Tracked tracked;
  tracked << bound(1) << listened(1).at(2 * kSecond);
  tracked.told();
  tracked << release(1).at(5 * kSecond) << unannounced(1).locked().at(5 * kSecond)
          << RecordBuilder(RecordKind::destroy, 1).local(kLocal).at(5 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.closed #1 127.0.0.1:8080>0.0.0.0:* closed<listen by 7 owners 7/4! gone\n");
  EXPECT_EQ(tracked.events.back().lifetime_ns, 3 * kSecond);
}

TEST(Tracker, ListenerThatWasShutDownStaysBoundAndMayListenAgain) {
  Tracked tracked;
  tracked << bound(1) << listened(1);
  tracked.told();
  tracked << unannounced(1).locked().at(2 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.closed #1 127.0.0.1:8080>0.0.0.0:* closed<listen by 7 owners 7/4\n");
  tracked << announced(1).at(3 * kSecond) << listened(1).at(3 * kSecond);
  EXPECT_EQ(tracked.told(), "tcp.listen #1 127.0.0.1:8080>0.0.0.0:* listen<closed by 7 owners 7/4\n");
  tracked << unannounced(1).locked().at(4 * kSecond);
  tracked.told();
  tracked << RecordBuilder(RecordKind::destroy, 1).local(kLocal).at(5 * kSecond);
  EXPECT_EQ(tracked.told(), "socket.closed #1 127.0.0.1:8080>0.0.0.0:* closed<closed owners 7/4! gone\n");
}

TEST(Tracker, SecondProcessThatListensIsAnotherOwner) {
  Tracked tracked;
  tracked << listened(1);
  tracked.told();
  tracked << listened(1).by(8, 4).at(2 * kSecond) << listened(1).by(8, 5).at(3 * kSecond)
          << listened(1).by(8).at(4 * kSecond);
  EXPECT_EQ(tracked.told(),
            "tcp.state #1 127.0.0.1:8080>0.0.0.0:* listen<listen by 8 owners 7/4 8/4\n"
            "tcp.state #1 127.0.0.1:8080>0.0.0.0:* listen<listen by 8 owners 7/4 8/4 8/5\n");
}

TEST(Tracker, DatagramBindOpensAndReleaseCloses) {
  Tracked tracked;
  tracked << bound(1).udp() << release(1).udp().at(3 * kSecond) << release(1).udp().at(4 * kSecond);
  EXPECT_EQ(tracked.told(),
            "udp.open #1 127.0.0.1:8080>0.0.0.0:* closed by 7 owners 7/4\n"
            "udp.closed #1 127.0.0.1:8080>0.0.0.0:* closed<closed by 7 owners 7/4! gone\n");
  EXPECT_EQ(tracked.last(EventKind::udp_closed).lifetime_ns, 2 * kSecond);
}

TEST(Tracker, ReleaseOfAnUnknownSocketIsSilent) {
  Tracked tracked;
  tracked << release(1).udp() << release(2) << release(3).protocol(IPPROTO_ICMP, SOCK_RAW);
  EXPECT_EQ(tracked.told(), "");
}

TEST(Tracker, FirstSendOpensAnUnboundDatagramSocket) {
  Tracked tracked;
  const RecordBuilder sent =
      RecordBuilder(RecordKind::send, 1).udp().local("0.0.0.0:50000").peer("127.0.0.1:53").by(7);
  tracked << sent << sent;
  EXPECT_EQ(tracked.told(), "udp.open #1 0.0.0.0:50000>0.0.0.0:* closed by 7 owners 7/-1\n");
}

TEST(Tracker, ConnectOfAnUnboundDatagramSocketOpensAndConnectsIt) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::connect, 1)
                 .udp()
                 .local("127.0.0.1:50000")
                 .peer("127.0.0.1:53")
                 .by(7, 4)
                 .result()
                 .state(State::established);
  EXPECT_EQ(tracked.told(),
            "udp.open #1 127.0.0.1:50000>127.0.0.1:53 established by 7 owners 7/4\n"
            "udp.connect #1 127.0.0.1:50000>127.0.0.1:53 established<closed by 7 owners 7/4\n");
}

TEST(Tracker, ConnectWithoutResultLeavesThePortOpen) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::connect, 1).udp().peer("127.0.0.1:53").by(7);
  EXPECT_EQ(tracked.told(), "udp.connect #1 0.0.0.0:*>127.0.0.1:53 established<closed by 7 owners 7/-1\n");
}

TEST(Tracker, ConnectOfABoundDatagramSocketIsOneEvent) {
  Tracked tracked;
  tracked << bound(1).udp();
  tracked.told();
  tracked << RecordBuilder(RecordKind::connect, 1)
                 .udp()
                 .local(kLocal)
                 .peer("127.0.0.1:53")
                 .by(7, 4)
                 .result()
                 .state(State::established);
  EXPECT_EQ(tracked.told(),
            "udp.connect #1 127.0.0.1:8080>127.0.0.1:53 established<closed by 7 owners 7/4\n");
}

TEST(Tracker, FailedDatagramConnectIsSilent) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::connect, 1).udp().peer("127.0.0.1:53").by(7, 4).result(ENETUNREACH);
  EXPECT_EQ(tracked.told(), "");
  EXPECT_EQ(tracked.table.size(), 0u);
}

TEST(Tracker, RawSocketIsSeenWhenCreatedAndClosedWhenReleased) {
  Tracked tracked;
  tracked << RecordBuilder(RecordKind::create, 1).protocol(IPPROTO_TCP, SOCK_RAW).by(7)
          << release(1).protocol(IPPROTO_TCP, SOCK_RAW).at(2 * kSecond);
  EXPECT_EQ(tracked.told(),
            "socket.seen #1 0.0.0.0:*>0.0.0.0:* closed by 7 owners 7/-1\n"
            "socket.closed #1 0.0.0.0:*>0.0.0.0:* closed<closed by 7 owners 7/-1! gone\n");
}

}  // namespace
}  // namespace socktrace
