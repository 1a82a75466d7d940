#include <netinet/in.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <set>

#include "live/probe_fixture.h"

namespace socktrace::test {
namespace {

constexpr int kBindAddressNoPort = 24;                               // IP_BIND_ADDRESS_NO_PORT
constexpr const char* kErrorReport = "tp_btf/inet_sk_error_report";  // 5.14

TEST_F(ProbeTest, EveryHookThatThisKernelHasAttaches) {
  attach();
  for (const probe::Hook& hook : tracer().hooks())
    EXPECT_EQ(hook.attached, hook.name != kErrorReport || !kernel_is_before(5, 14))
        << hook.name << ": " << hook.error;
  // fexit has one program for accept and accept4. Below 5.12 sockops makes the cookies of accepted connections.
  const size_t results = tracer().bind_result() == probe::BindResult::fexit ? 7 : 8;
  EXPECT_EQ(tracer().hooks().size(), 14 + results + (kernel_is_before(5, 12) ? 1 : 0));
}

TEST_F(ProbeTest, TwentyThreeConnectionsAreTwentyThreeStories) {
  attach();
  TestSocket listener(AF_INET, SOCK_STREAM);
  ASSERT_EQ(listener.bind(kPort), 0);
  ASSERT_EQ(listener.listen(64), 0);
  std::vector<uint64_t> clients, children;
  std::set<uint16_t> ports;
  for (int i = 0; i < 23; ++i) {
    TestSocket client(AF_INET, SOCK_STREAM);
    ASSERT_EQ(client.connect(kPort), 0);
    TestSocket child = listener.accept();
    clients.push_back(client.cookie());
    children.push_back(child.cookie());
    ports.insert(client.port());
    ASSERT_EQ(write(client.fd(), "hello", 5), 5);
    char received[8];
    ASSERT_EQ(read(child.fd(), received, sizeof received), 5);
    client.close();
    ASSERT_EQ(read(child.fd(), received, sizeof received), 0);
    child.close();
  }
  const uint64_t listening = listener.cookie();
  listener.close();
  collect([&] {
    return story(children.back()).ends_with("last_ack>closed") && story(listening).ends_with("destroy");
  });

  for (const uint64_t cookie : clients)
    EXPECT_EQ(story(cookie),
              "closed>syn_sent syn_sent>established release established>fin_wait_1 fin_wait_1>fin_wait_2 "
              "fin_wait_2>closed");
  for (const uint64_t cookie : children)
    EXPECT_EQ(
        story(cookie),
        "syn_received>established accept established>close_wait release close_wait>last_ack last_ack>closed");
  EXPECT_EQ(story(listening), "bind closed>listen listen release listen>closed destroy");
  EXPECT_EQ(records_.size(), 23u * 12 + 6);

  std::set<uint16_t> seen;
  for (const Record& record : of(RecordKind::state)) {
    if (record.new_state != State::close || record.old_state == State::listen) continue;
    ASSERT_TRUE(record.has_stats);
    EXPECT_EQ(record.error, 0);
    EXPECT_FALSE(record.has_task);
    EXPECT_EQ(record.has_mini, record.old_state == State::fin_wait_2);
    if (record.has_mini) {
      EXPECT_EQ(record.mini_state, State::time_wait);
      EXPECT_EQ(record.stats.bytes_sent, 5u);
      EXPECT_EQ(record.stats.bytes_received, 0u);
      seen.insert(record.socket.local.port);
    } else {
      EXPECT_EQ(record.stats.bytes_sent, 0u);
      EXPECT_EQ(record.stats.bytes_received, 5u);
    }
  }
  EXPECT_EQ(seen, ports);
}

TEST_F(ProbeTest, OnlyTheCallersOwnTransitionsNameAProcess) {
  attach();
  TestSocket listener(AF_INET6, SOCK_STREAM);
  ASSERT_EQ(listener.bind(kPort), 0);
  ASSERT_EQ(listener.listen(1), 0);
  TestSocket client(AF_INET6, SOCK_STREAM);
  ASSERT_EQ(client.connect(kPort), 0);
  TestSocket child = listener.accept();
  const uint64_t last = child.cookie();
  client.close();
  char byte;
  ASSERT_EQ(read(child.fd(), &byte, 1), 0);  // its FIN has come: not both are closing
  child.close();
  collect([&] { return story(last).ends_with("last_ack>closed"); });
  std::string named;
  for (const Record& record : of(RecordKind::state)) {
    if (!record.has_task) continue;
    named += std::string(otel_name(record.new_state)) + ' ';
    EXPECT_EQ(record.task.pid, static_cast<uint32_t>(getpid()));
    EXPECT_EQ(record.task.uid, 0u);
    EXPECT_NE(record.task.start_ns, 0u);
    EXPECT_EQ(record.task.comm, "live_probe_test");
  }
  EXPECT_EQ(named, "listen syn_sent fin_wait_1 last_ack ");
}

TEST_F(ProbeTest, AFailedBindCarriesTheRequestedAddressAndItsErrno) {
  attach();
  for (const int family : {AF_INET, AF_INET6}) {
    records_.clear();
    TestSocket holder(family, SOCK_STREAM);
    ASSERT_EQ(holder.bind(kPort), 0);
    ASSERT_EQ(holder.listen(1), 0);
    TestSocket other(family, SOCK_STREAM);
    other.option(SOL_SOCKET, SO_REUSEPORT, 1);
    ASSERT_EQ(other.bind(kPort), EADDRINUSE);
    collect([&] { return of(RecordKind::bind).size() == 2; });
    const Record failed = last(RecordKind::bind);
    EXPECT_EQ(failed.error, EADDRINUSE);
    EXPECT_TRUE(failed.has_result);
    EXPECT_EQ(failed.socket.key.cookie, other.cookie());
    EXPECT_EQ(to_string(failed.socket.family, failed.socket.local),
              family == AF_INET ? "127.0.0.1:18080" : "[::1]:18080");
    EXPECT_EQ(failed.socket.protocol, IPPROTO_TCP);
    EXPECT_EQ(failed.socket.state, State::close);
    EXPECT_TRUE(failed.socket.options.known);
    EXPECT_TRUE(failed.socket.options.reuse_port);
    EXPECT_FALSE(failed.socket.options.reuse_address);
    EXPECT_EQ(failed.task.fd, other.fd());
    EXPECT_EQ(failed.task.pid, static_cast<uint32_t>(getpid()));
    EXPECT_NE(failed.socket.inode, 0u);
  }
}

TEST_F(ProbeTest, ABindToPortZeroTellsThePortThatItGot) {
  attach();
  TestSocket bound(AF_INET, SOCK_STREAM);
  ASSERT_EQ(bound.bind(0), 0);
  TestSocket late(AF_INET, SOCK_STREAM);  // succeeds without post_bind: its port comes with connect()
  late.option(IPPROTO_IP, kBindAddressNoPort, 1);
  ASSERT_EQ(late.bind(0), 0);
  collect([&] { return of(RecordKind::bind).size() == 2; });
  const std::vector<Record> binds = of(RecordKind::bind);
  EXPECT_EQ(binds[0].error, 0);
  EXPECT_EQ(binds[0].socket.local.port, bound.port());
  EXPECT_EQ(binds[1].error, 0);
  EXPECT_EQ(binds[1].socket.local.port, 0);
}

TEST_F(ProbeTest, BindsThatNeverReachASocketAreNotTold) {
  attach();
  sockaddr_in address{};
  EXPECT_EQ(bind(-1, reinterpret_cast<sockaddr*>(&address), sizeof address), -1);
  TestSocket short_address(AF_INET, SOCK_STREAM);
  EXPECT_EQ(bind(short_address.fd(), reinterpret_cast<sockaddr*>(&address), 2), -1);
  TestSocket last(AF_INET, SOCK_STREAM);
  ASSERT_EQ(last.bind(kPort), 0);
  collect([&] { return !of(RecordKind::bind).empty(); });
  ASSERT_EQ(of(RecordKind::bind).size(), 1u);
  EXPECT_EQ(first(RecordKind::bind).socket.key.cookie, last.cookie());
}

TEST_F(ProbeTest, TheSecondOfTwoListenersOnAPortFails) {
  attach();
  TestSocket first(AF_INET, SOCK_STREAM), second(AF_INET, SOCK_STREAM);
  for (TestSocket* socket : {&first, &second}) {
    socket->option(SOL_SOCKET, SO_REUSEADDR, 1);
    ASSERT_EQ(socket->bind(kPort), 0);
  }
  ASSERT_EQ(first.listen(7), 0);
  ASSERT_EQ(second.listen(8), EADDRINUSE);
  collect([&] { return of(RecordKind::listen).size() == 2; });
  const std::vector<Record> listens = of(RecordKind::listen);
  EXPECT_EQ(listens[0].error, 0);
  EXPECT_EQ(listens[0].backlog, 7u);
  EXPECT_EQ(listens[0].socket.state, State::listen);
  EXPECT_EQ(listens[0].socket.local.port, kPort);
  EXPECT_TRUE(listens[0].socket.options.reuse_address);
  EXPECT_TRUE(listens[0].socket.options.port_locked);
  EXPECT_EQ(listens[1].error, EADDRINUSE);
  EXPECT_EQ(listens[1].socket.key.cookie, second.cookie());
  EXPECT_EQ(listens[1].socket.local.port, kPort);
  EXPECT_EQ(listens[1].task.fd, second.fd());
}

TEST_F(ProbeTest, AnAcceptedChildIsNamedByItsNewDescriptor) {
  attach();
  TestSocket listener(AF_INET, SOCK_STREAM);
  ASSERT_EQ(listener.listen(1), 0);  // without bind: the kernel chooses the port
  TestSocket client(AF_INET, SOCK_STREAM);
  ASSERT_EQ(client.connect(listener.port()), 0);
  TestSocket child = listener.accept();
  collect([&] { return !of(RecordKind::accept).empty(); });
  const Record accepted = first(RecordKind::accept);
  EXPECT_EQ(accepted.socket.key.cookie, child.cookie());
  EXPECT_EQ(accepted.socket.local.port, listener.port());
  EXPECT_EQ(accepted.socket.peer.port, client.port());
  EXPECT_EQ(accepted.socket.state, State::established);
  EXPECT_EQ(accepted.task.fd, child.fd());
  EXPECT_NE(accepted.socket.inode, 0u);
  EXPECT_EQ(first(RecordKind::listen).socket.local.port, listener.port());
}

TEST_F(ProbeTest, AUdpSocketThatOnlySendsIsToldOnceWithItsPort) {
  attach();
  for (const int family : {AF_INET, AF_INET6}) {
    records_.clear();
    TestSocket sender(family, SOCK_DGRAM);
    for (int i = 0; i < 5; ++i) ASSERT_EQ(sender.send_to(9), 0);
    const uint64_t cookie = sender.cookie();
    const uint16_t port = sender.port();
    sender.close();
    collect([&] { return !of(RecordKind::release).empty(); });
    EXPECT_EQ(story(cookie), "send release");
    EXPECT_EQ(first(RecordKind::send).socket.local.port, port);
    EXPECT_EQ(first(RecordKind::send).socket.peer.port, 9);
    const Socket released = first(RecordKind::release).socket;
    EXPECT_EQ(released.local.port, port);
    EXPECT_EQ(released.uid, UINT32_MAX);  // not read at release, and said so
    EXPECT_FALSE(released.options.known);
  }
}

TEST_F(ProbeTest, AConnectedUdpSocketTellsBothEnds) {
  attach();
  TestSocket client(AF_INET, SOCK_DGRAM);
  ASSERT_EQ(client.connect(9), 0);
  ASSERT_EQ(write(client.fd(), "x", 1), 1);  // refused: an error that it survives
  const uint64_t cookie = client.cookie();
  const uint16_t port = client.port();
  const int fd = client.fd();
  client.close();
  collect([&] { return !of(RecordKind::release).empty(); });
  EXPECT_EQ(story(cookie), "connect release");
  const Record connected = first(RecordKind::connect);
  EXPECT_EQ(connected.error, 0);
  EXPECT_TRUE(connected.has_result);
  EXPECT_EQ(connected.socket.local.port, port);
  EXPECT_EQ(connected.socket.peer.port, 9);
  EXPECT_EQ(connected.task.fd, fd);
}

TEST_F(ProbeTest, InInferModeAttemptAndSuccessAreTwoRecords) {
  probe::Options options;
  options.bind_result = probe::BindResult::infer;
  attach(options);
  TestSocket holder(AF_INET, SOCK_STREAM), other(AF_INET, SOCK_STREAM);
  ASSERT_EQ(holder.bind(kPort), 0);
  ASSERT_EQ(other.bind(kPort), EADDRINUSE);
  collect([&] { return of(RecordKind::bind_attempt).size() == 2; });
  EXPECT_EQ(story(holder.cookie()), "bind_attempt bind_ok");
  EXPECT_EQ(story(other.cookie()), "bind_attempt");
  EXPECT_EQ(of(RecordKind::bind_attempt)[1].socket.local.port, kPort);
  EXPECT_FALSE(of(RecordKind::bind_attempt)[1].has_result);
  EXPECT_TRUE(of(RecordKind::bind).empty());
}

TEST_F(ProbeTest, ARawSocketIsToldWhenItIsMade) {
  attach();
  TestSocket raw(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  ASSERT_EQ(raw.bind(0), 0);
  const uint64_t cookie = raw.cookie();
  raw.close();
  collect([&] { return !of(RecordKind::release).empty(); });
  EXPECT_EQ(story(cookie), "create bind release");
}

// Its end may be that of somebody else's socket, whose last reference we had: it is told, without a process.
TEST_F(ProbeTest, WhatWeOpenCanBeLeftOut) {
  probe::Options options;
  options.ignore_pid = static_cast<uint32_t>(getpid());
  attach(options);
  TestSocket own(AF_INET, SOCK_STREAM);
  ASSERT_EQ(own.bind(kPort), 0);
  ASSERT_EQ(own.listen(1), 0);
  const uint64_t cookie = own.cookie();
  own.close();
  collect([&] { return story(cookie).ends_with("destroy"); });
  EXPECT_EQ(story(cookie), "release listen>closed destroy");
  for (const RecordKind kind : {RecordKind::release, RecordKind::state})
    for (const Record& record : of(kind)) EXPECT_FALSE(record.has_task);
}

TEST_F(ProbeTest, EveryAttemptIsDeliveredOrCountedAsLost) {
  probe::Options options;
  options.ring_bytes = 4096;
  attach(options);
  for (int i = 0; i < 500; ++i) {
    TestSocket socket(AF_INET, SOCK_DGRAM);
    ASSERT_EQ(socket.bind(0), 0);
  }
  // Until two looks at the counters agree, as others on this host may be at work too.
  probe::Counters before, after = tracer().counters();
  do {
    before = after;
    drain();
    after = tracer().counters();
  } while (before.attempted != after.attempted);
  EXPECT_GT(after.lost, 0u);
  EXPECT_GE(after.attempted, 1000u);
  EXPECT_EQ(after.attempted, delivered_ + after.lost);
}

TEST_F(ProbeTest, TheRingWakesAtOnceForAFailedBind) {
  attach();
  TestSocket holder(AF_INET, SOCK_STREAM), other(AF_INET, SOCK_STREAM);
  ASSERT_EQ(holder.bind(kPort), 0);
  ASSERT_EQ(other.bind(kPort), EADDRINUSE);
  pollfd ring{tracer().fd(), POLLIN, 0};
  EXPECT_EQ(poll(&ring, 1, 5000), 1);
}

TEST_F(ProbeTest, AReaderThatSleepsIsWokenByTheNextRecordWhateverItIs) {
  attach();
  TestSocket sender(AF_INET, SOCK_DGRAM);
  pollfd ring{.fd = tracer().fd(), .events = POLLIN, .revents = 0};
  constexpr int kLong_ms = 5000;
  tracer().wake_on_next_record();
  ASSERT_EQ(sender.send_to(kPort), 0);
  EXPECT_EQ(poll(&ring, 1, kLong_ms), 1);
  collect([&] { return of(RecordKind::send).size() == 1; });
}

TEST_F(ProbeTest, OpenSocketsAreListedWithTheirOwners) {
  attach();
  TestSocket tcp(AF_INET, SOCK_STREAM);
  tcp.option(SOL_SOCKET, SO_REUSEADDR, 1);
  ASSERT_EQ(tcp.bind(kPort), 0);
  TestSocket unix_socket(AF_UNIX, SOCK_DGRAM);
  const uint64_t cookie = tcp.cookie();
  int found = 0, unix_found = 0;
  const Result<void> listed = tracer().for_each_open_socket([&](const st_open_socket& open) {
    if (open.pid != static_cast<uint32_t>(getpid())) return;
    if (open.fd == unix_socket.fd()) {
      ++unix_found;
      EXPECT_EQ(open.family, AF_UNIX);
    }
    if (open.fd != tcp.fd()) return;
    ++found;
    EXPECT_EQ(open.cookie, cookie);
    EXPECT_EQ(open.netns, netns_);
    EXPECT_EQ(open.family, AF_INET);
    EXPECT_EQ(open.protocol, IPPROTO_TCP);
    EXPECT_EQ(open.type, SOCK_STREAM);
    EXPECT_EQ(open.options, ST_O_KNOWN | ST_O_REUSEADDR | ST_O_PORT_LOCKED);
    EXPECT_NE(open.start_ns, 0u);
    EXPECT_STREQ(reinterpret_cast<const char*>(open.comm), "live_probe_test");
  });
  ASSERT_TRUE(listed) << listed.error().message;
  EXPECT_EQ(found, 1);
  EXPECT_EQ(unix_found, 1);
}

// The tracer's own choice is fexit exactly where asking for it works.
TEST_F(ProbeTest, FexitIsChosenWhereTheKernelTakesIt) {
  probe::Options options;
  const Result<probe::Tracer> automatic = probe::Tracer::attach(options);
  ASSERT_TRUE(automatic) << automatic.error().message;
  options.bind_result = probe::BindResult::fexit;
  const Result<probe::Tracer> forced = probe::Tracer::attach(options);
  if (automatic->bind_result() == probe::BindResult::fexit) {
    ASSERT_TRUE(forced) << forced.error().message;
    EXPECT_EQ(automatic->fexit_refusal(), "");
  } else {
    ASSERT_FALSE(forced);
    EXPECT_EQ(forced.error().kind, ErrorKind::unavailable);
    EXPECT_EQ(forced.error().message, "bind results by fexit: refused by this kernel (" +
                                          automatic->fexit_refusal() +
                                          "): use --bind-result=tracepoint or infer");
  }
}

// The end of a trace must not pull the code away from under a task that sleeps in a traced call.
TEST_F(ProbeTest, ACallThatWaitsOutlivesTheTracer) {
  attach();
  TestSocket listener(AF_INET, SOCK_STREAM);
  ASSERT_EQ(listener.bind(kPort), 0);
  ASSERT_EQ(listener.listen(1), 0);
  const pid_t child = fork();
  if (child == 0) {
    const int accepted = accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    _exit(accepted >= 0 ? 0 : 1);
  }
  const std::string waiting_in = "/proc/" + std::to_string(child) + "/syscall";
  std::string words;
  do std::getline(std::ifstream(waiting_in), words);
  while (!words.starts_with(std::to_string(SYS_accept4) + " "));
  detach();
  attach();  // the next one, in the memory that the first has given back
  TestSocket client(AF_INET, SOCK_STREAM);
  EXPECT_EQ(client.connect(kPort), 0);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(ProbeOptions, WhatCannotBeDoneIsSaid) {
  probe::Options options;
  options.ring_bytes = 5000;
  const Result<probe::Tracer> tracer = probe::Tracer::attach(options);
  ASSERT_FALSE(tracer);
  EXPECT_EQ(tracer.error().kind, ErrorKind::usage);
}

}  // namespace
}  // namespace socktrace::test
