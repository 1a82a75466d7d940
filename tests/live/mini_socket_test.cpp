#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "live/probe_fixture.h"

namespace socktrace::test {
namespace {

// What stays behind each of the ways from FIN_WAIT2 to CLOSE; the rule is st_mini_state() in bpf/state.bpf.c.
class MiniSocketTest : public ProbeTest {
 protected:
  void SetUp() override {
    ProbeTest::SetUp();
    if (IsSkipped()) return;
    attach();
    listener_.emplace(AF_INET, SOCK_STREAM);
    client_.emplace(AF_INET, SOCK_STREAM);
    ASSERT_EQ(listener_->bind(kPort), 0);
    ASSERT_EQ(listener_->listen(8), 0);
    ASSERT_EQ(client_->connect(kPort), 0);
    child_.emplace(listener_->accept());
    cookie_ = client_->cookie();
  }

  // Our side of the connection ends, and the peer has acknowledged that.
  void half_close() {
    ASSERT_EQ(shutdown(client_->fd(), SHUT_WR), 0);
    collect([&] { return story(cookie_).ends_with("fin_wait_1>fin_wait_2"); });
  }

  void close_with_reset(TestSocket& socket) {
    const linger now{1, 0};
    ASSERT_EQ(setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    socket.close();
  }

  // The record of FIN_WAIT2 -> CLOSE.
  Record closed() {
    collect([&] { return story(cookie_).find("fin_wait_2>closed") != std::string::npos; });
    for (const Record& record : of(RecordKind::state))
      if (record.socket.key.cookie == cookie_ && record.new_state == State::close) return record;
    return {};
  }

  std::optional<TestSocket> listener_, client_, child_;  // made in the test's namespace
  uint64_t cookie_ = 0;
};

// Closed in FIN_WAIT2: an ACK that arrives while close() still holds the socket leaves it whole for a minute.
TEST_F(MiniSocketTest, AnOrphanWaitsForTheFinAsAMiniSocket) {
  half_close();
  client_->close();
  EXPECT_EQ(closed().mini_state, State::fin_wait_2);
}

TEST_F(MiniSocketTest, AFinLeavesTimeWait) {
  half_close();
  child_->close();
  EXPECT_EQ(closed().mini_state, State::time_wait);
}

TEST_F(MiniSocketTest, AResetFromThePeerLeavesNothing) {
  half_close();
  close_with_reset(*child_);
  const Record record = closed();
  EXPECT_FALSE(record.has_mini);
  EXPECT_EQ(record.error, ECONNRESET);
}

TEST_F(MiniSocketTest, ACloseWithZeroLingerLeavesNothing) {
  half_close();
  close_with_reset(*client_);
  EXPECT_FALSE(closed().has_mini);
}

TEST_F(MiniSocketTest, ANegativeLinger2LeavesNothing) {
  client_->option(IPPROTO_TCP, TCP_LINGER2, -1);
  half_close();
  client_->close();
  EXPECT_FALSE(closed().has_mini);
}

TEST_F(MiniSocketTest, ADisconnectLeavesNothing) {
  half_close();
  sockaddr unspecified{};
  ASSERT_EQ(connect(client_->fd(), &unspecified, sizeof unspecified), 0);
  EXPECT_FALSE(closed().has_mini);
}

}  // namespace
}  // namespace socktrace::test
