// Whose a socket is when several processes have held it.
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

RecordBuilder client(State from, State to) {
  return transition(from, to, 1).local(kClient).peer(kServer);
}

RecordBuilder release(uint32_t pid) {
  return RecordBuilder(RecordKind::release, 1).by(pid);
}

RecordBuilder datagram() {
  return RecordBuilder(RecordKind::bind, 1).udp().local("127.0.0.1:8080").by(7, 4).result();
}

// Process 7 is connected, and then forks: nothing tells of its child 8.
Tracked& connected(Tracked& tracked) {
  tracked << client(State::close, State::syn_sent).by(7, 4) << client(State::syn_sent, State::established);
  tracked.told();
  return tracked;
}

TEST(Tracker, WhoShutsDownHoldsTheSocketToo) {
  Tracked tracked;
  connected(tracked) << client(State::established, State::fin_wait_1).by(8);
  EXPECT_EQ(tracked.told(),
            "tcp.state #1 127.0.0.1:40000>127.0.0.1:80 fin_wait_1<established by 8 owners 7/4 8/-1\n");
}

TEST(Tracker, WhoClosesTheLastDescriptorIsTheLastOwner) {
  Tracked tracked;
  connected(tracked) << release(8) << client(State::established, State::fin_wait_1).by(8);
  EXPECT_EQ(tracked.told(),
            "tcp.state #1 127.0.0.1:40000>127.0.0.1:80 fin_wait_1<established by 8 owners 8/-1!\n");
  tracked << client(State::fin_wait_1, State::fin_wait_2)
          << client(State::fin_wait_2, State::close).mini(State::time_wait);
  EXPECT_EQ(tracked.rows(), "#1 127.0.0.1:40000>127.0.0.1:80 time_wait owners 8/-1!\n");
}

TEST(Tracker, WhoResetsByTheLastCloseIsTheLastOwner) {
  Tracked tracked;
  connected(tracked) << release(8) << client(State::established, State::close).by(8);
  EXPECT_EQ(tracked.told(),
            "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<established by 8 owners 8/-1! gone\n");
}

TEST(Tracker, ResetThatNobodyIsNamedForIsOfWhoClosed) {
  Tracked tracked;
  connected(tracked) << release(8) << client(State::established, State::close);
  EXPECT_EQ(tracked.told(),
            "tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 closed<established owners 8/-1! gone\n");
}

TEST(Tracker, WhoClosesAHalfClosedSocketIsTheLastOwner) {
  Tracked tracked;
  connected(tracked) << client(State::established, State::fin_wait_1).by(7);
  tracked.told();
  tracked << release(8);
  EXPECT_EQ(tracked.told(), "socket.owner #1 127.0.0.1:40000>127.0.0.1:80 fin_wait_1 by 8 owners 8/-1!\n");
}

TEST(Tracker, WhoClosesADatagramSocketIsTheLastOwner) {
  Tracked tracked;
  tracked << datagram();
  tracked.told();
  tracked << RecordBuilder(RecordKind::release, 1).udp().by(8);
  EXPECT_EQ(tracked.told(), "udp.closed #1 127.0.0.1:8080>0.0.0.0:* closed<closed by 8 owners 8/-1! gone\n");
}

TEST(Tracker, ReleaseWithoutAProcessIsByTheOnlyOwner) {
  Tracked tracked;
  tracked << datagram() << RecordBuilder(RecordKind::release, 1).udp();
  EXPECT_EQ(tracked.told(),
            "udp.open #1 127.0.0.1:8080>0.0.0.0:* closed by 7 owners 7/4\n"
            "udp.closed #1 127.0.0.1:8080>0.0.0.0:* closed<closed by 7 owners 7/4! gone\n");
  tracked.dump(
      kSecond,
      {DumpRow(2, State::close, "127.0.0.1:81").protocol(IPPROTO_UDP, SOCK_DGRAM).owner(7, 3).owner(8, 3)});
  tracked.told();
  tracked << RecordBuilder(RecordKind::release, 2).udp().at(2 * kSecond);
  EXPECT_EQ(tracked.told(), "udp.closed #2 127.0.0.1:81>0.0.0.0:* closed<closed owners 7/3! 8/3! gone\n");
}

}  // namespace
}  // namespace socktrace
