#include "sink/event_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "core/escape.h"
#include "support/event_builder.h"

namespace socktrace::sink {
namespace {

using test::EventBuilder;

constexpr uint64_t kSecond = 1'000'000'000;
// Event builders stamp 500 s of uptime, which is 03:12:07.123456.
constexpr WallClock kClock{1'789'873'927'123'456'000 - 500 * 1'000'000'000ll};

const Process kNode = test::process(1234, "node", "deploy", "myapp.service");
const Process kNginx = test::process(991, "nginx", "root", "nginx.service");

std::string line(const Event& event, LineStyle style = {.utc = true}) {
  std::string out;
  append_event_line(out, event, kClock, style);
  return out;
}

TEST(EventLine, FailedBindNamesTheHolderWhyAndTheNextCommand) {
  const uint64_t day_and_17h = (24 + 17) * 3600 * kSecond;
  const uint64_t now = day_and_17h + 1000 * kSecond;
  const Socket holder =
      test::holder("0.0.0.0:8080", State::listen, kNginx, 6, now - day_and_17h - 12 * kSecond);
  const Event event = EventBuilder(EventKind::bind_failed, "0.0.0.0:8080")
                          .at(now)
                          .by(kNode)
                          .error(EADDRINUSE)
                          .conflict(holder, "listener_overlap",
                                    "same port, overlapping address, neither socket has SO_REUSEPORT",
                                    "systemctl status nginx.service");
  std::string out;
  append_event_line(out, event, WallClock{1'789'873'927'123'456'000 - static_cast<int64_t>(now)},
                    {.utc = true});
  EXPECT_EQ(out,
            "03:12:07.123456 x BIND FAILED  0.0.0.0:8080/tcp  EADDRINUSE  node[1234] deploy myapp.service\n"
            "    held by  nginx[991] root nginx.service  LISTEN 0.0.0.0:8080  fd 6  since 10:11:55 (1d17h)\n"
            "    why      same port, overlapping address, neither socket has SO_REUSEPORT\n"
            "    next     systemctl status nginx.service\n");
}

TEST(EventLine, HolderOlderThanTheTraceHasALowerBound) {
  Socket holder = test::holder("[::]:8080", State::listen, kNginx, -1, 440 * kSecond);
  holder.since_is_bound = true;
  holder.owners.clear();
  holder.no_owner = NoOwner::kernel;
  EXPECT_EQ(line(EventBuilder(EventKind::listen_failed, "0.0.0.0:8080")
                     .by(kNode)
                     .error(EADDRINUSE, true)
                     .conflict(holder, "listener_overlap", "", "")),
            "03:12:07.123456 x LISTEN FAILED  0.0.0.0:8080/tcp  EADDRINUSE (inferred)  node[1234] deploy "
            "myapp.service\n"
            "    held by  ?kernel  LISTEN [::]:8080  since ≥03:11:07 (≥1m)\n");
}

TEST(EventLine, ListenShowsTheBacklog) {
  Event event = EventBuilder(EventKind::tcp_listen, "[::1]:443").by(kNginx, 6).state(State::listen);
  event.socket.send_q = 511;
  EXPECT_EQ(line(event),
            "03:12:07.123456 + LISTEN       [::1]:443/tcp  nginx[991] root nginx.service  backlog 511\n");
}

TEST(EventLine, ClosedShowsLifetimeBytesRttAndRetransmits) {
  EXPECT_EQ(line(EventBuilder(EventKind::tcp_closed, "10.0.0.5:22")
                     .peer("203.0.113.9:50122")
                     .owned_by(test::process(801, "sshd", "root"), 4, OwnerSource::call, true)
                     .lived(34'812'345'678)
                     .stats({1234, 567'890, 1800, 3})),
            "03:12:07.123456 - CLOSED       10.0.0.5:22 203.0.113.9:50122/tcp  sshd[801]† root  lived 34.8s  "
            "in 1234  out 567890  rtt 1.8ms  retransmits 3\n");
  EXPECT_EQ(
      line(EventBuilder(EventKind::udp_closed).udp().by(kNode).lived(7200 * kSecond, true)),
      "03:12:07.123456 - CLOSED       127.0.0.1:8080/udp  node[1234] deploy myapp.service  lived ≥ 2h\n");
}

TEST(EventLine, StateChangesAreNamedAfterTheStateReached) {
  EXPECT_EQ(line(EventBuilder(EventKind::tcp_state)
                     .peer("127.0.0.1:9")
                     .state(State::close_wait, State::established)
                     .owned_by(kNode)),
            "03:12:07.123456 ~ CLOSE-WAIT   127.0.0.1:8080 127.0.0.1:9/tcp  node[1234] deploy myapp.service  "
            "from ESTAB\n");
  Event again = EventBuilder(EventKind::tcp_state).state(State::listen, State::listen).by(kNode);
  again.socket.send_q = 4;
  EXPECT_EQ(
      line(again),
      "03:12:07.123456 ~ LISTEN       127.0.0.1:8080/tcp  node[1234] deploy myapp.service  backlog 4\n");
  EXPECT_EQ(line(EventBuilder(EventKind::tcp_state)
                     .peer("127.0.0.1:9")
                     .state(State::syn_sent, State::syn_sent)
                     .by(kNode)),
            "03:12:07.123456 ~ SYN-SENT     127.0.0.1:8080 127.0.0.1:9/tcp  node[1234] deploy myapp.service  "
            "port chosen\n");
}

TEST(EventLine, ConnectionThatLeavesAMiniSocketEndsTwiceInDifferentWords) {
  EXPECT_EQ(line(EventBuilder(EventKind::tcp_closed).state(State::time_wait, State::fin_wait_2).by(kNode)),
            "03:12:07.123456 - CLOSED       127.0.0.1:8080/tcp  node[1234] deploy myapp.service  leaves "
            "TIME-WAIT\n");
  EXPECT_EQ(line(EventBuilder(EventKind::socket_closed).state(State::close, State::time_wait).by(kNode)),
            "03:12:07.123456 - ENDED        127.0.0.1:8080/tcp  node[1234] deploy myapp.service  from "
            "TIME-WAIT\n");
}

TEST(EventLine, ConnectThatWasGivenUpAndPeerThatWasLeftSaySo) {
  EXPECT_EQ(
      line(EventBuilder(EventKind::tcp_connect_failed).state(State::close, State::syn_sent).by(kNode)),
      "03:12:07.123456 x CONNECT FAILED  127.0.0.1:8080/tcp  node[1234] deploy myapp.service  closed before "
      "an answer\n");
  EXPECT_EQ(line(EventBuilder(EventKind::udp_connect).udp().state(State::close).by(kNode)),
            "03:12:07.123456 ~ DISCONNECT   127.0.0.1:8080/udp  node[1234] deploy myapp.service\n");
}

TEST(EventLine, EveryEventHasItsGlyphAndWord) {
  const struct {
    EventKind kind;
    std::string start;
  } cases[] = {
      {EventKind::socket_seen, "+ SEEN         127.0.0.1:8080/tcp"},
      {EventKind::bind_ok, "+ BIND         127.0.0.1:8080/tcp"},
      {EventKind::bind_failed, "x BIND FAILED  127.0.0.1:8080/tcp"},
      {EventKind::tcp_listen, "+ LISTEN       127.0.0.1:8080/tcp"},
      {EventKind::listen_failed, "x LISTEN FAILED  127.0.0.1:8080/tcp"},
      {EventKind::tcp_connect, "+ CONNECT      127.0.0.1:8080/tcp"},
      {EventKind::tcp_connect_failed, "x CONNECT FAILED  127.0.0.1:8080/tcp"},
      {EventKind::tcp_established, "+ ESTABLISHED  127.0.0.1:8080/tcp"},
      {EventKind::tcp_accept, "~ ACCEPT       127.0.0.1:8080/tcp"},
      {EventKind::tcp_state, "~ UNKNOWN      127.0.0.1:8080/tcp"},
      {EventKind::tcp_closed, "- CLOSED       127.0.0.1:8080/tcp"},
      {EventKind::udp_open, "+ OPEN         127.0.0.1:8080/tcp"},
      {EventKind::udp_connect, "~ UDP CONNECT  127.0.0.1:8080/tcp"},
      {EventKind::udp_closed, "- CLOSED       127.0.0.1:8080/tcp"},
      {EventKind::socket_closed, "- CLOSED       127.0.0.1:8080/tcp"},
      {EventKind::socket_owner, "~ OWNER        127.0.0.1:8080/tcp"},
      {EventKind::snapshot_done, "! SNAPSHOT\n"},
  };
  for (const auto& [kind, start] : cases)
    EXPECT_EQ(line(EventBuilder(kind).by(kNode)).substr(0, 16 + start.size()), "03:12:07.123456 " + start);
}

TEST(EventLine, AnOwnerIsNeverBlank) {
  const struct {
    NoOwner reason;
    std::string text;
  } cases[] = {{NoOwner::unknown, "?unknown"}, {NoOwner::permission, "?permission"},
               {NoOwner::kernel, "?kernel"},   {NoOwner::netns, "?netns"},
               {NoOwner::exited, "?exited"},   {NoOwner::unaccepted, "?unaccepted"}};
  for (const auto& [reason, text] : cases)
    EXPECT_EQ(line(EventBuilder(EventKind::bind_ok).ownerless(reason)),
              "03:12:07.123456 + BIND         127.0.0.1:8080/tcp  " + text + "\n");
}

TEST(EventLine, AUserThatIsNotKnownIsAQuestionMark) {
  Event event = EventBuilder(EventKind::bind_ok);
  Process hidden;
  hidden.pid = 42;
  hidden.uid = UINT32_MAX;
  hidden.name = "hidden";
  hidden.unit = "hidden.service";
  event.process = std::make_shared<const Process>(hidden);
  EXPECT_NE(line(event).find("  hidden[42] ? hidden.service"), std::string::npos) << line(event);
}

TEST(EventLine, FurtherOwnersAreCountedAndUnacceptedChildrenMarked) {
  EXPECT_EQ(
      line(EventBuilder(EventKind::tcp_established)
               .peer("127.0.0.1:9")
               .owned_by(kNginx, 6, OwnerSource::inherited)
               .owned_by(test::process(992, "nginx", "root"), 6, OwnerSource::inherited)),
      "03:12:07.123456 + ESTABLISHED  127.0.0.1:8080 127.0.0.1:9/tcp  nginx[991] +1 root nginx.service  "
      "outbound  unaccepted\n");
}

TEST(EventLine, ResyncedEventsAndForeignNamespacesSaySo) {
  Event event = EventBuilder(EventKind::tcp_closed).by(kNode);
  event.resync = true;
  event.socket.netns = 4026532567;
  NetnsNames names(4026531840);
  EXPECT_EQ(
      line(event, {.utc = true, .netns = &names}),
      "03:12:07.123456 - CLOSED       127.0.0.1:8080/tcp  node[1234] deploy myapp.service  netns 4026532567  "
      "(resync)\n");
  names.set(4026532567, "bl\x1bue");
  EXPECT_EQ(
      line(event, {.utc = true, .netns = &names}),
      "03:12:07.123456 - CLOSED       127.0.0.1:8080/tcp  node[1234] deploy myapp.service  netns bl\\x1bue  "
      "(resync)\n");
  event.socket.netns = 4026531840;
  EXPECT_EQ(line(event, {.utc = true, .netns = &names}),
            "03:12:07.123456 - CLOSED       127.0.0.1:8080/tcp  node[1234] deploy myapp.service  (resync)\n");
}

TEST(EventLine, ColourWrapsThePaddedWordOnly) {
  EXPECT_EQ(line(EventBuilder(EventKind::tcp_listen).by(kNode), {.utc = true, .color = true}),
            "03:12:07.123456 \x1b[32m+ LISTEN\x1b[0m       127.0.0.1:8080/tcp  node[1234] deploy "
            "myapp.service\n");
}

TEST(EventLine, AFailedBindTellsCommandChainAndHowOften) {
  Process nginx = test::process(991, "nginx", "root", "nginx.service");
  nginx.start_ns = 0;
  Event event = EventBuilder(EventKind::bind_failed, "0.0.0.0:8080")
                    .by(kNode)
                    .error(EADDRINUSE)
                    .conflict(test::holder("0.0.0.0:8080", State::listen, nginx, 6, 0), "listener_overlap",
                              "why not", "look");
  event.conflicts[0].command = "nginx: master process\x1b /usr/sbin/nginx";
  event.conflicts[0].parents = {{7, "sh"}, {1, "systemd"}};
  event.failures = {3, 40'000'000'000};
  EXPECT_EQ(line(event),
            "03:12:07.123456 x BIND FAILED  0.0.0.0:8080/tcp  EADDRINUSE  node[1234] deploy myapp.service\n"
            "    held by  nginx[991] root nginx.service  LISTEN 0.0.0.0:8080  fd 6\n"
            "    command  nginx: master process\\x1b /usr/sbin/nginx\n"
            "    chain    systemd[1] → sh[7] → nginx[991]\n"
            "    why      why not\n"
            "    next     look\n"
            "    again    failed 3 times in 40.0s\n");
}

TEST(EventLine, ALongCommandLineIsCutBetweenCharacters) {
  Event event = EventBuilder(EventKind::bind_failed, "0.0.0.0:8080").by(kNode).error(EADDRINUSE);
  event.conflicts.emplace_back();
  event.conflicts[0].command = std::string(159, 'x') + "\xc3\xa4" + std::string(1000, 'y');
  EXPECT_NE(line(event).find("    command  " + std::string(159, 'x') + " …\n"), std::string::npos)
      << line(event);
}

TEST(EventLine, HostileNamesCannotLeaveTheirLine) {
  test::RandomEvents random(4);
  for (int round = 0; round < 2'000; ++round) {
    Event event = random.next();
    const size_t lines = 1 + (event.kind == EventKind::snapshot_done ? 0 : [&] {
                           size_t count = 0;
                           for (const Conflict& conflict : event.conflicts)
                             count += (conflict.holder.family != Family::unspecified) +
                                      !conflict.held_for.empty() + !conflict.command.empty() +
                                      (!conflict.parents.empty() && !conflict.holder.owners.empty()) +
                                      !conflict.why.empty() + !conflict.next.empty();
                           return count + (event.failures.count > 1);
                         }());
    const std::string text = line(event);
    ASSERT_EQ(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')), lines) << text;
    // Safe to print: with the newlines and the signs † and ≥ taken as they are, escaping changes only
    // backslashes.
    std::string body = text;
    std::erase(body, '\n');
    std::erase(body, '\\');
    ASSERT_EQ(escape(body), body);
  }
}

}  // namespace
}  // namespace socktrace::sink
