#include "core/table.h"

#include <gtest/gtest.h>
#include <linux/in.h>
#include <malloc.h>

#include <algorithm>
#include <memory>
#include <random>
#include <unordered_map>

#include "support/event_builder.h"
#include "support/record_builder.h"

namespace socktrace {
namespace {

Event event(EventKind kind, uint64_t cookie, State state, const std::string& local,
            const std::string& peer = "0.0.0.0:*") {
  Event made;
  made.kind = kind;
  made.socket = test::DumpRow(cookie, state, local, peer).socket;
  return made;
}

Event gone(uint64_t cookie) {
  Event made = event(EventKind::socket_closed, cookie, State::close, "127.0.0.1:1");
  made.gone = true;
  return made;
}

std::vector<uint64_t> cookies_on_port(const Table& table, uint16_t port) {
  std::vector<uint64_t> found;
  table.for_each_on_port(test::kNetns, IPPROTO_TCP, port,
                         [&](const Socket& row) { found.push_back(row.key.cookie); });
  std::sort(found.begin(), found.end());
  return found;
}

TEST(Table, FailedCallsChangeNothing) {
  Table table;
  table.apply(event(EventKind::bind_failed, 1, State::close, "127.0.0.1:80"));
  table.apply(event(EventKind::listen_failed, 2, State::close, "127.0.0.1:80"));
  table.apply(event(EventKind::snapshot_done, 0, State::none, "0.0.0.0:*"));
  EXPECT_EQ(table.size(), 0u);
}

TEST(Table, AnEventThatIsGoneRemovesItsRowOnly) {
  Table table;
  table.apply(event(EventKind::tcp_listen, 1, State::listen, "127.0.0.1:80"));
  table.apply(event(EventKind::tcp_listen, 2, State::listen, "127.0.0.1:81"));
  table.apply(gone(1));
  table.apply(gone(7));
  EXPECT_EQ(table.find({1, 0}), nullptr);
  ASSERT_NE(table.find({2, 0}), nullptr);
  EXPECT_EQ(table.size(), 1u);
}

TEST(Table, ConnectionThatStaysAsMiniSocketHasNoInode) {
  Table table;
  Event closed = event(EventKind::tcp_closed, 1, State::time_wait, "127.0.0.1:40000", "127.0.0.1:80");
  closed.socket.inode = 99;
  table.apply(closed);
  EXPECT_EQ(table.find({1, 0})->inode, 0u);
  EXPECT_EQ(table.find({1, 0})->peer.port, 80);
}

TEST(Table, ConnectionThatStaysBoundHasNoPeer) {
  Table table;
  table.apply(event(EventKind::tcp_connect_failed, 1, State::close, "127.0.0.1:40000", "127.0.0.1:80"));
  EXPECT_EQ(table.find({1, 0})->peer, Endpoint());
  EXPECT_EQ(table.find({1, 0})->local.port, 40000);
}

TEST(Table, SocketsThatShareACookieAreToldApartByAddress) {
  Table table;
  for (uint64_t sk : {0xffff888000001000, 0xffff888000002000}) {
    Event made = event(EventKind::tcp_established, 1, State::established, "127.0.0.1:80", "127.0.0.1:40000");
    made.socket.key.sk = sk;
    table.apply(made);
  }
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.find({1, 0}), nullptr);
}

TEST(Table, SocketsOfAPortAreFoundWhereverTheyMove) {
  Table table;
  table.apply(event(EventKind::tcp_listen, 1, State::listen, "127.0.0.1:80"));
  for (uint64_t cookie = 2; cookie <= 6; ++cookie)
    table.apply(
        event(EventKind::tcp_established, cookie, State::established, "127.0.0.1:80", "127.0.0.1:40000"));
  table.apply(event(EventKind::tcp_connect, 7, State::syn_sent, "127.0.0.1:*", "127.0.0.1:80"));
  EXPECT_EQ(cookies_on_port(table, 80), (std::vector<uint64_t>{1, 2, 3, 4, 5, 6}));

  table.apply(event(EventKind::tcp_established, 7, State::established, "127.0.0.1:81", "127.0.0.1:80"));
  table.apply(event(EventKind::tcp_state, 3, State::close_wait, "127.0.0.1:82", "127.0.0.1:40000"));
  table.apply(gone(2));
  table.apply(gone(1));
  EXPECT_EQ(cookies_on_port(table, 80), (std::vector<uint64_t>{4, 5, 6}));
  EXPECT_EQ(cookies_on_port(table, 81), (std::vector<uint64_t>{7}));
  EXPECT_EQ(cookies_on_port(table, 82), (std::vector<uint64_t>{3}));
  EXPECT_EQ(cookies_on_port(table, 83), (std::vector<uint64_t>{}));
}

TEST(Table, SpecificListenerWinsOverWildcardAndIpv4OverDualStack) {
  Table table;
  const auto listener_of = [&](const std::string& local) {
    const Table::Listener found =
        table.find_listener(test::kNetns, IPPROTO_TCP, test::family_of(local), test::endpoint(local));
    return found.socket == nullptr ? 0 : found.socket->key.cookie;
  };
  EXPECT_EQ(listener_of("127.0.0.1:80"), 0u);
  table.apply(event(EventKind::tcp_listen, 1, State::listen, "[::]:80", "[::]:*"));
  EXPECT_EQ(listener_of("127.0.0.1:80"), 1u);
  EXPECT_EQ(listener_of("[::1]:80"), 1u);
  table.apply(event(EventKind::tcp_listen, 2, State::listen, "0.0.0.0:80"));
  EXPECT_EQ(listener_of("127.0.0.1:80"), 2u);
  table.apply(event(EventKind::tcp_listen, 3, State::listen, "127.0.0.1:80"));
  EXPECT_EQ(listener_of("127.0.0.1:80"), 3u);
  EXPECT_EQ(listener_of("127.0.0.2:80"), 2u);
  table.apply(event(EventKind::tcp_closed, 3, State::close, "127.0.0.1:80"));  // still bound
  EXPECT_EQ(listener_of("127.0.0.1:80"), 2u);
}

TEST(Table, V6OnlyListenerDoesNotReceiveIpv4) {
  Table table;
  Event listening = event(EventKind::tcp_listen, 1, State::listen, "[::]:80", "[::]:*");
  listening.socket.options.v6_only = true;
  table.apply(listening);
  const Endpoint local = test::endpoint("127.0.0.1:80");
  EXPECT_EQ(table.find_listener(test::kNetns, IPPROTO_TCP, Family::inet, local).socket, nullptr);
}

TEST(Table, GroupOfListenersIsNotSole) {
  Table table;
  table.apply(event(EventKind::tcp_listen, 1, State::listen, "0.0.0.0:80"));
  const Endpoint local = test::endpoint("127.0.0.1:80");
  EXPECT_TRUE(table.find_listener(test::kNetns, IPPROTO_TCP, Family::inet, local).sole);
  table.apply(event(EventKind::tcp_listen, 2, State::listen, "0.0.0.0:80"));
  EXPECT_FALSE(table.find_listener(test::kNetns, IPPROTO_TCP, Family::inet, local).sole);
}

// Against a map and a scan, over enough changes for the indexes to grow, shrink and wrap around.
TEST(Table, RandomChangesKeepEveryIndexRight) {
  Table table;
  std::unordered_map<uint64_t, Socket> expected;
  std::mt19937 random(7);
  for (int step = 0; step < 200'000; ++step) {
    const uint64_t cookie = random() % 1500;
    if (random() % 3 == 0) {
      table.apply(gone(cookie));
      expected.erase(cookie);
    } else {
      Event change = event(EventKind::tcp_state, cookie,
                           random() % 8 == 0 ? State::listen : State::established, "127.0.0.1:1");
      change.socket.local.port = static_cast<uint16_t>(random() % 50);
      table.apply(change);
      expected[cookie] = change.socket;
    }
    if (step % 5000 != 0) continue;
    ASSERT_EQ(table.size(), expected.size());
    for (const auto& [key, socket] : expected) {
      ASSERT_NE(table.find({key, 0}), nullptr);
      ASSERT_EQ(test::difference(*table.find({key, 0}), socket), "");
    }
    for (uint16_t port = 1; port < 50; ++port) {
      std::vector<uint64_t> on_port;
      for (const auto& [key, socket] : expected)
        if (socket.local.port == port) on_port.push_back(key);
      std::sort(on_port.begin(), on_port.end());
      ASSERT_EQ(cookies_on_port(table, port), on_port);
    }
  }
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kRealHeap = false;
#else
constexpr bool kRealHeap = true;
#endif

size_t heap_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST(Table, AMillionConnectionsWithOneOwnerTakeAtMost256BytesEach) {
  if (!kRealHeap) GTEST_SKIP() << "the sanitizer's heap is not the one that counts";
  constexpr size_t kSockets = 1'000'000;
  const auto process = std::make_shared<const Process>();
  const size_t before = heap_bytes();
  Table table;
  Event established = event(EventKind::tcp_established, 1, State::established, "10.0.0.1:1", "10.0.0.2:443");
  established.socket.owners = {{.process = process, .fd = 5, .source = OwnerSource::call}};
  size_t worst = 0;
  for (size_t i = 1; i <= kSockets; ++i) {
    established.socket.key.cookie = i;
    established.socket.local.port = static_cast<uint16_t>(1 + i % 60'000);
    established.socket.netns = static_cast<uint32_t>(i / 60'000);
    table.apply(established);
    if (i % 100'000 == 0) worst = std::max(worst, (heap_bytes() - before) / i);
  }
  const size_t used = heap_bytes() - before;
  RecordProperty("bytes_per_socket", static_cast<int>(used / kSockets));
  std::printf(
      "bytes per socket: %zu at 1,000,000, at most %zu on the way (rows and indexes %zu, limit 256)\n",
      used / kSockets, worst, table.bytes() / kSockets);
  EXPECT_LE(used / kSockets, 256u);
  EXPECT_LE(worst, 256u);
}

}  // namespace
}  // namespace socktrace
