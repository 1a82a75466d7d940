// Version 1 of the log as text: what is written today must stay readable, and must not change by accident.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "core/log/encode.h"
#include "core/log/reader.h"
#include "sink/event_line.h"
#include "support/event_builder.h"

namespace socktrace {
namespace {

using test::EventBuilder;

constexpr uint64_t kBoot_ns = 500'000'000'000;  // of the header

std::string golden() {
  std::ifstream in(TEST_DATA "/log/socktrace.v1.jsonl", std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<Event> events() {
  const Process nginx = test::process(991, "nginx", "root", "nginx.service");
  const Process node = test::process(1234, "node", "deploy", "myapp.service");
  Process hostile = test::process(4242, "a\x1b[2J\"\\\xff\u202E", "");
  hostile.container = "0a1b2c3d4e5f";
  const Socket holder = test::holder("0.0.0.0:8080", State::listen, nginx, 6, 1'000'000'000);
  std::vector<Event> made;
  const auto at = [&] { return kBoot_ns + (made.size() + 1) * 1'000'001; };

  Event listen = EventBuilder(EventKind::tcp_listen, "[::]:443")
                     .at(at())
                     .opened(at())
                     .state(State::listen)
                     .by(nginx, 7)
                     .owned_by(nginx, 7);
  listen.tid = 991;
  listen.socket.send_q = 511;
  listen.socket.netns = 4026531840;
  listen.socket.inode = 77'001;
  listen.socket.uid = 0;
  listen.socket.cgroup_id = 4321;
  listen.socket.options.known = true;
  listen.socket.options.reuse_address = true;
  listen.socket.options.v6_only_known = true;
  made.push_back(listen);
  made.push_back(EventBuilder(EventKind::bind_failed, "0.0.0.0:8080")
                     .at(at())
                     .by(node, 18)
                     .error(EADDRINUSE)
                     .conflict(holder, "listener_overlap",
                               "same port, overlapping address, neither socket has SO_REUSEPORT",
                               "systemctl status nginx.service"));
  made.back().conflicts[0].command = "nginx: master process /usr/sbin/nginx";
  made.back().conflicts[0].parents = {{1, "systemd"}};
  made.back().failures = {3, 40'000'000'000};
  Event established = EventBuilder(EventKind::tcp_established, "10.0.0.5:443")
                          .at(at())
                          .opened(at())
                          .cookie(0x1c7b3b)
                          .peer("203.0.113.9:50122")
                          .state(State::established, State::syn_recv)
                          .owned_by(nginx, -1, OwnerSource::inherited);
  established.socket.inbound = true;
  made.push_back(established);
  made.push_back(EventBuilder(EventKind::tcp_connect_failed, "127.0.0.1:40000")
                     .at(at())
                     .peer("127.0.0.1:9")
                     .by(hostile, 3)
                     .error(ECONNREFUSED, true));
  Event closed = EventBuilder(EventKind::tcp_closed, "10.0.0.5:443")
                     .at(at())
                     .opened(kBoot_ns - 34'812'000'000, true)
                     .peer("203.0.113.9:50122")
                     .state(State::time_wait, State::last_ack)
                     .owned_by(nginx, 9, OwnerSource::descriptor, true)
                     .lived(34'812'345'678, true)
                     .stats({1234, 567'890, 1800, 3});
  closed.resync = true;
  made.push_back(closed);
  Event udp =
      EventBuilder(EventKind::udp_closed, "127.0.0.1:53").at(at()).udp().ownerless(NoOwner::permission);
  udp.gone = true;
  made.push_back(udp);
  Event unix_socket = EventBuilder(EventKind::socket_seen).at(at()).state(State::listen).owned_by(node, 4);
  unix_socket.socket.family = Family::unix;
  unix_socket.socket.protocol = 0;
  unix_socket.socket.local = {};
  unix_socket.socket.details.make().name = std::string("@app\0x", 6);
  unix_socket.socket.details->peer_inode = 5;
  made.push_back(unix_socket);
  made.push_back(EventBuilder(EventKind::snapshot_done).at(at()));
  made.back().socket = Socket{};
  return made;
}

std::string encoded() {
  LogHeader header;
  header.session = "0b3f7c1e-7a2b-4f4e-9a53-6e1a7f0d2c11";
  header.segment = 12;
  header.previous = "socktrace-20260919T030000Z-000011.jsonl";
  header.host_id = "8d1f6c0d0c5f4c53b8a7b8a2d1a5b9e7";
  header.host_name = "web-3";
  header.boot_id = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";
  header.kernel = "6.1.0-37-amd64";
  header.tool_version = "0.1.0";
  header.realtime_ns = 1'789'873'200'000'000'000;
  header.boottime_ns = kBoot_ns;
  header.t0_ns = kBoot_ns - 1'000'000;
  header.filter = "sport = :443";
  header.probes = {{"tcp.state", "ok"}, {"bind", "EPERM"}};
  LogEncoder encoder;
  std::string out;
  encoder.header(out, header);
  encoder.keyframe_begin(out, {kBoot_ns, "start", 1});
  encoder.row(out,
              test::holder("127.0.0.1:6379", State::listen,
                           test::process(88, "redis-server", "redis", "redis.service"), 6, 1'000'000'000),
              kBoot_ns);
  encoder.keyframe_end(out, {kBoot_ns, 1});
  for (const Event& event : events()) encoder.event(out, event);
  encoder.loss(out, {kBoot_ns + 20'000'000, "ringbuf", 3, 412, kBoot_ns + 10'000'000, kBoot_ns + 20'000'000});
  encoder.loss_at(out, {kBoot_ns + 21'000'000, "disk", -1, 7, kBoot_ns + 20'500'000, kBoot_ns + 21'000'000},
                  13);
  LogEncoder later = std::move(encoder);
  std::string skipped;
  for (int i = 0; i < 7; ++i) later.event(skipped, events()[0]);
  later.clock(out,
              {kBoot_ns + 22'000'000, -1'200'000, header.realtime_ns + 20'800'000, kBoot_ns + 22'000'000});
  later.audit(out, {kBoot_ns + 22'500'000, "loss", 1245, 3, 2, 1, 4});
  later.trailer(out, {kBoot_ns + 23'000'000, 15, 419, RecordCounts{6'412, 6'000, 412}});
  return out;
}

TEST(LogGolden, VersionOneIsWrittenAsItAlwaysWas) {
  EXPECT_EQ(encoded(), golden());
}

TEST(LogGolden, VersionOneIsReadCompletely) {
  LogReader reader;
  std::vector<Event> read;
  reader.feed(golden(), [&](LogRecord&& record) {
    if (auto* event = std::get_if<Event>(&record.body)) read.push_back(std::move(*event));
  });
  reader.end_file();
  EXPECT_FALSE(reader.report().is_damaged());
  EXPECT_EQ(reader.report().lost_records, 419u);
  const std::vector<Event> expected = events();
  ASSERT_EQ(read.size(), expected.size());
  for (size_t i = 0; i < read.size(); ++i) EXPECT_EQ(test::difference(read[i], expected[i]), "") << i;
}

TEST(LogGolden, ReplayedEventsPrintTheSameLines) {
  LogReader reader;
  std::string replayed;
  reader.feed(golden(), [&](LogRecord&& record) {
    if (const auto* event = std::get_if<Event>(&record.body))
      sink::append_event_line(replayed, *event, reader.clock(), {.utc = true});
  });
  std::string live;
  const WallClock clock{1'789'873'200'000'000'000 - static_cast<int64_t>(kBoot_ns)};
  for (const Event& event : events()) sink::append_event_line(live, event, clock, {.utc = true});
  EXPECT_EQ(replayed, live);
  EXPECT_NE(live.find("x CONNECT FAILED  127.0.0.1:40000 127.0.0.1:9/tcp  ECONNREFUSED (inferred)  "
                      "a\\x1b[2J\"\\x5c\\xff\\xe2\\x80\\xae[4242] 0 0a1b2c3d4e5f\n"),
            std::string::npos)
      << live;
}

TEST(LogGolden, EveryCloseIsOneLine) {
  const std::string log = golden();
  for (const char* name : {"\"event\":\"tcp.closed\"", "\"event\":\"udp.closed\""}) {
    const size_t first = log.find(name);
    ASSERT_NE(first, std::string::npos);
    EXPECT_EQ(log.find(name, first + 1), std::string::npos);
  }
}

// The schema is for other people's tools; a key or event name that is missing there was forgotten.
TEST(LogGolden, TheSchemaNamesEveryKeyAndEvent) {
  std::ifstream in(TEST_DATA "/log/socktrace.v1.schema.json", std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  const std::string schema = text.str();
  const std::string log = golden();
  size_t keys = 0;
  for (size_t colon = log.find("\":"); colon != std::string::npos; colon = log.find("\":", colon + 1)) {
    if (log[colon - 1] == ':') continue;  // the address "::", not the end of a key
    const size_t start = log.rfind('"', colon - 1);
    const std::string key = log.substr(start, colon + 1 - start);
    if (key == "\"tcp.state\"" || key == "\"bind\"") continue;  // names of probes
    EXPECT_NE(schema.find(key + ": "), std::string::npos) << key;
    ++keys;
  }
  EXPECT_GT(keys, 200u);
  for (size_t kind = 0; kind <= static_cast<size_t>(EventKind::snapshot_done); ++kind) {
    const std::string quoted = fmt::format("\"{}\"", name(static_cast<EventKind>(kind)));
    EXPECT_NE(schema.find(quoted), std::string::npos) << quoted;
  }
}

}  // namespace
}  // namespace socktrace
