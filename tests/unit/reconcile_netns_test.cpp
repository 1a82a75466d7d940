// The table against dumps of several network namespaces.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/record_builder.h"

namespace socktrace {
namespace {

using test::DumpRow;
using test::kSecond;
using test::Tracked;

constexpr uint32_t kBlue = 200;
constexpr uint32_t kGreen = 300;

DumpRow listener(uint64_t cookie, uint32_t netns) {
  return DumpRow(cookie, State::listen, "0.0.0.0:80").owner(static_cast<uint32_t>(cookie), 3).netns(netns);
}

DumpRow time_wait(uint64_t cookie, uint32_t netns) {
  return DumpRow(cookie, State::time_wait, "127.0.0.1:80", "127.0.0.1:4000").inode(0).netns(netns);
}

// The first dump, of both.
void start(Tracked& tracked, const std::vector<DumpRow>& rows) {
  tracked.dump(kSecond, rows);
  tracked.told();
}

std::vector<uint64_t> cookies(const std::vector<Socket>& sockets) {
  std::vector<uint64_t> found;
  for (const Socket& socket : sockets) found.push_back(socket.key.cookie);
  std::ranges::sort(found);
  return found;
}

TEST(ReconcileNetns, TheSamePortInTwoNamespacesIsTwoRows) {
  Tracked tracked;
  tracked.dump(kSecond, {listener(1, kBlue), listener(2, kGreen)});
  EXPECT_EQ(tracked.rows(),
            "#1 0.0.0.0:80>0.0.0.0:* listen owners 1/3\n"
            "#2 0.0.0.0:80>0.0.0.0:* listen owners 2/3\n");
}

TEST(ReconcileNetns, AChildIsThatOfTheListenerInItsNamespace) {
  Tracked tracked;
  const DumpRow child =
      DumpRow(3, State::established, "127.0.0.1:80", "127.0.0.1:4000").inode(0).netns(kGreen);
  tracked.dump(kSecond, {listener(1, kBlue), listener(2, kGreen), child});
  EXPECT_EQ(tracked.table.find({3, 0})->owners.front().process->pid, 2u);
}

TEST(ReconcileNetns, OnlyRowsOfDumpedNamespacesAreMissed) {
  Tracked tracked;
  start(tracked, {listener(1, kBlue), listener(2, kGreen)});
  tracked.tracker.begin_dump(2 * kSecond, true);
  EXPECT_EQ(cookies(tracked.tracker.suspects({{kBlue}, {}})), (std::vector<uint64_t>{1}));
  EXPECT_EQ(cookies(tracked.tracker.suspects({{kBlue, kGreen}, {}})), (std::vector<uint64_t>{1, 2}));
}

TEST(ReconcileNetns, EverythingInAVanishedNamespaceIsSuspected) {
  Tracked tracked;
  const DumpRow bound = DumpRow(4, State::bound_inactive, "127.0.0.1:81").owner(4, 3).netns(kGreen);
  start(tracked, {listener(1, kBlue), listener(2, kGreen), time_wait(3, kGreen), bound});
  tracked.tracker.begin_partial_dump(2 * kSecond, true);
  const DumpScope scope{{}, {}, [](uint32_t netns) { return netns == kGreen; }};
  const std::vector<Socket> left = tracked.tracker.suspects(scope);
  EXPECT_EQ(cookies(left), (std::vector<uint64_t>{2, 3, 4}));
  for (const Socket& socket : left) tracked.tracker.confirm_gone(socket.key, 2 * kSecond + 1);
  const ReconcileCounts counts = tracked.tracker.finish_dump(2 * kSecond + 2);
  EXPECT_EQ(counts.ended, 1u);  // nothing tells the end of a mini-socket
  EXPECT_EQ(counts.ghosts, 2u);
  EXPECT_EQ(tracked.rows(), "#1 0.0.0.0:80>0.0.0.0:* listen owners 1/3\n");
}

TEST(ReconcileNetns, WhoseNamespaceIsUnknownDoesNotVanish) {
  Tracked tracked;
  start(tracked, {listener(1, 0)});
  tracked.tracker.begin_partial_dump(2 * kSecond, true);
  EXPECT_TRUE(tracked.tracker.suspects({{}, {}, [](uint32_t) { return true; }}).empty());
}

TEST(ReconcileNetns, ANamespaceSeenLateAddsItsSockets) {
  Tracked tracked;
  start(tracked, {listener(1, kBlue)});
  EXPECT_FALSE(tracked.tracker.knows(listener(2, kGreen).socket));
  tracked.tracker.begin_partial_dump(2 * kSecond, false);
  tracked.tracker.dump_row(Socket(listener(2, kGreen).socket));
  EXPECT_EQ(tracked.tracker.finish_dump(2 * kSecond + 1).missing, 1u);
  EXPECT_TRUE(tracked.tracker.knows(listener(2, kGreen).socket));
  EXPECT_EQ(tracked.told(), "socket.seen #2 0.0.0.0:80>0.0.0.0:* listen owners 2/3\n");
}

// A dump of one new namespace between two of the whole host is neither the second that misses a socket, nor does it
// make the first forgotten.
TEST(ReconcileNetns, APartialDumpDoesNotCountAsTheSecondLook) {
  Tracked tracked;
  const DumpRow bound = DumpRow(1, State::bound_inactive, "127.0.0.1:81").owner(7, 4);
  start(tracked, {bound});
  tracked.dump(2 * kSecond, {}, true);
  tracked.tracker.begin_partial_dump(3 * kSecond, false);
  EXPECT_EQ(tracked.tracker.finish_dump(3 * kSecond + 1).ghosts, 0u);
  EXPECT_EQ(tracked.table.size(), 1u);
  EXPECT_EQ(tracked.dump(4 * kSecond, {}, true).ghosts, 1u);
}

}  // namespace
}  // namespace socktrace
