// Disorder, loss and dumps of a busy host: whatever order things arrive in, the invariants hold.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <sstream>

#include "support/event_builder.h"
#include "support/record_builder.h"

namespace socktrace {
namespace {

using test::DumpRow;
using test::kMillisecond;
using test::kSecond;
using test::RecordBuilder;
using test::Tracked;
using test::transition;

using Life = std::vector<Record>;

// Records of one socket from its beginning to its end, a microsecond apart.
class LifeBuilder {
 public:
  LifeBuilder(uint64_t cookie, uint64_t begin_ns)
      : cookie_(cookie), port_(static_cast<uint16_t>(20000 + cookie % 40000)), now_ns_(begin_ns) {}

  Life life(int kind) {
    switch (kind) {
      case 0:
        return active(State::time_wait);
      case 1:
        return passive();
      case 2:
        return refused();
      case 3:
        return listener();
      case 4:
        return datagram();
      case 5:
        return bound_only();
      case 6:
        return reset();
      default:
        return autobound_datagram();
    }
  }

 private:
  std::string here() const { return "127.0.0.1:" + std::to_string(port_); }
  static std::string there() { return "127.0.0.1:80"; }

  void add(RecordBuilder record) { life_.push_back(record.at(now_ns_ += 1000).record); }
  RecordBuilder on(RecordKind kind) const { return RecordBuilder(kind, cookie_).local(here()); }
  RecordBuilder moves(State from, State to) const {
    return transition(from, to, cookie_).local(here()).peer(there());
  }
  RecordBuilder released() const { return RecordBuilder(RecordKind::release, cookie_).by(7); }

  Life active(State mini) {
    add(moves(State::close, State::syn_sent).by(7));
    add(moves(State::syn_sent, State::established));
    add(released());
    add(moves(State::established, State::fin_wait_1).by(7));
    add(moves(State::fin_wait_1, State::fin_wait_2));
    add(moves(State::fin_wait_2, State::close).mini(mini));
    return life_;
  }
  Life passive() {
    add(moves(State::listen, State::syn_recv));
    add(moves(State::syn_recv, State::established));
    add(on(RecordKind::accept).peer(there()).by(7, 9).result().state(State::established));
    add(moves(State::established, State::close_wait));
    add(released());
    add(moves(State::close_wait, State::last_ack).by(7));
    add(moves(State::last_ack, State::close));
    return life_;
  }
  Life refused() {
    add(moves(State::close, State::syn_sent).by(7));
    add(moves(State::syn_sent, State::close).error(111));
    add(on(RecordKind::error).error(111));
    add(released());
    return life_;
  }
  Life reset() {
    add(moves(State::close, State::syn_sent).by(7));
    add(moves(State::syn_sent, State::established));
    add(moves(State::established, State::close).error(104));
    add(released());
    return life_;
  }
  Life listener() {
    add(on(RecordKind::bind).by(7, 4).result());
    add(on(RecordKind::state).by(7).locked());
    life_.back().old_state = State::close;
    life_.back().new_state = State::listen;
    add(on(RecordKind::listen).by(7, 4).result().backlog(5));
    add(released());
    add(transition(State::listen, State::close, cookie_).local(here()).by(7).locked());
    add(on(RecordKind::destroy));
    return life_;
  }
  Life datagram() {
    add(on(RecordKind::bind).udp().by(7, 4).result());
    add(on(RecordKind::connect).udp().peer(there()).by(7, 4).result().state(State::established));
    add(released().udp());
    return life_;
  }
  Life autobound_datagram() {
    add(on(RecordKind::send).udp().by(7));
    add(released().udp());
    return life_;
  }
  Life bound_only() {
    add(on(RecordKind::bind_attempt).by(7));
    add(on(RecordKind::bind_ok).by(7));
    add(released());
    add(on(RecordKind::destroy));
    return life_;
  }

  uint64_t cookie_;
  uint16_t port_;
  uint64_t now_ns_;
  Life life_;
};

// The end of a connection, listener or datagram socket. A socket that stays bound ends later once more, as
// such.
bool ends(const Event& event) {
  return event.kind == EventKind::tcp_closed || event.kind == EventKind::tcp_connect_failed ||
         event.kind == EventKind::udp_closed;
}

bool ends_bound(const Event& event) {
  return event.kind == EventKind::socket_closed && event.previous == State::close;
}

bool opens(const Event& event) {
  return event.kind == EventKind::tcp_connect || event.kind == EventKind::tcp_listen ||
         event.kind == EventKind::udp_open ||
         (event.kind == EventKind::tcp_established && event.socket.inbound);
}

// What was told of one socket.
std::string story(Tracked& tracked, uint64_t cookie) {
  std::string text;
  const std::string mark = " #" + std::to_string(cookie) + " ";
  std::istringstream lines(tracked.told_all());
  for (std::string line; std::getline(lines, line);)
    if (line.find(mark) != std::string::npos) text += line + "\n";
  return text;
}

// The traces of loss.
std::string resynced(const Tracked& tracked) {
  std::string text;
  std::istringstream lines(tracked.told_all());
  for (std::string line; std::getline(lines, line);)
    if (line.ends_with(" resync")) text += line + "\n";
  return text;
}

// A fresh table that is given the events is equal to the tracker's.
void expect_replay_is_equal(const Tracked& tracked) {
  Table replayed;
  for (const Event& event : tracked.events) replayed.apply(event);
  ASSERT_EQ(replayed.size(), tracked.table.size());
  tracked.table.for_each([&](const Socket& row) {
    const Socket* other = replayed.find(row.key);
    ASSERT_NE(other, nullptr);
    EXPECT_EQ(test::difference(row, *other), "");
  });
}

std::vector<Record> interleaved(std::mt19937& random, size_t sockets) {
  std::vector<Record> records;
  for (uint64_t cookie = 1; cookie <= sockets; ++cookie) {
    const Life life = LifeBuilder(cookie, kSecond + random() % 200'000).life(static_cast<int>(random() % 8));
    records.insert(records.end(), life.begin(), life.end());
  }
  std::stable_sort(records.begin(), records.end(),
                   [](const Record& a, const Record& b) { return a.time_ns < b.time_ns; });
  return records;
}

TEST(TrackerOrder, InterleavedLivesAreToldFromOpenToCloseExactlyOnce) {
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    std::mt19937 random(seed);
    Tracked tracked;
    for (const Record& record : interleaved(random, 50)) tracked << record;
    std::map<uint64_t, int> opened, closed;
    for (const Event& event : tracked.events) {
      if (opens(event)) ++opened[event.socket.key.cookie];
      if (ends(event) || ends_bound(event)) ++closed[event.socket.key.cookie];
    }
    for (uint64_t cookie = 1; cookie <= 50; ++cookie)
      ASSERT_EQ(closed[cookie], 1) << "seed " << seed << " cookie " << cookie;
    for (const auto& [cookie, times] : opened) ASSERT_EQ(times, 1) << "seed " << seed << " cookie " << cookie;
    expect_replay_is_equal(tracked);
    tracked.tick(100 * kSecond);
    ASSERT_EQ(tracked.table.size(), 0u) << "seed " << seed << "\n" << tracked.rows();
  }
}

// `window`: how far a record may come from its place.
void expect_disorder_is_survived(size_t window, uint32_t seed) {
  constexpr size_t kSockets = 40;
  std::mt19937 random(seed);
  std::vector<Record> records = interleaved(random, kSockets);
  for (size_t i = 0; i < records.size(); ++i)
    std::swap(records[i], records[i + random() % std::min(window, records.size() - i)]);

  Tracked tracked;
  size_t step = 0;
  for (const Record& record : records) {
    tracked << record;
    ASSERT_LE(tracked.table.size(), kSockets);
    if (++step % 50 == 0) tracked.tick(kSecond + 300'000);
  }
  std::map<uint64_t, int> opened, closed, unbound;
  for (const Event& event : tracked.events) {
    const uint64_t cookie = event.socket.key.cookie;
    if (opens(event)) {
      ASSERT_EQ(++opened[cookie], 1) << "seed " << seed << " cookie " << cookie << "\n"
                                     << story(tracked, cookie);
    }
    if (ends_bound(event)) {
      ASSERT_EQ(++unbound[cookie], 1) << "seed " << seed << " cookie " << cookie << "\n"
                                      << story(tracked, cookie);
    }
    if (ends(event)) {
      ASSERT_EQ(++closed[cookie], 1) << "seed " << seed << " cookie " << cookie << "\n"
                                     << story(tracked, cookie);
    }
  }
  for (const auto& [cookie, times] : opened) {
    ASSERT_EQ(closed[cookie], 1) << "seed " << seed << " cookie " << cookie;
  }
  expect_replay_is_equal(tracked);
  tracked.tick(100 * kSecond);
  expect_replay_is_equal(tracked);
  ASSERT_EQ(tracked.table.size(), 0u) << "seed " << seed << "\n" << tracked.rows();
}

TEST(TrackerOrder, NeighboursThatChangePlacesBreakNothing) {
  for (uint32_t seed = 1; seed <= 300; ++seed) expect_disorder_is_survived(3, seed);
}

TEST(TrackerOrder, AnyOrderBreaksNothing) {
  for (uint32_t seed = 1; seed <= 300; ++seed) expect_disorder_is_survived(1000, seed);
}

// A host whose sockets live while it is dumped. It knows what really exists.
class Host {
 public:
  explicit Host(uint32_t seed) : random_(seed) {}

  // One record is made; what exists changes with it.
  void step() {
    if (lives_.size() < 60 || random_() % 8 == 0) begin_life();
    auto at = lives_.begin();
    std::advance(at, random_() % lives_.size());
    std::deque<Record>& rest = at->second;
    now_ns += 1000;
    Record record = rest.front();
    record.time_ns = now_ns;
    rest.pop_front();
    happen(record);
    if (rest.empty()) lives_.erase(at);
    ring.push_back(record);
  }

  void lose(size_t count) {
    while (count-- != 0 && !ring.empty())
      ring.erase(ring.begin() + static_cast<long>(random_() % ring.size()));
  }

  // What a dump begun now shows while `steps` go on: sockets in arbitrary order, each as it is when it is
  // read; some are missed, some repeated.
  std::vector<Socket> dump(size_t steps, bool exact = false) {
    std::vector<uint64_t> order;
    for (const auto& [cookie, socket] : exists) order.push_back(cookie);
    std::shuffle(order.begin(), order.end(), random_);
    std::vector<Socket> rows;
    for (size_t i = 0; i < order.size(); ++i) {
      if (steps * i / order.size() != steps * (i + 1) / order.size()) step();
      const auto found = exists.find(order[i]);
      if (found == exists.end() || (!exact && random_() % 20 == 0)) continue;
      rows.push_back(found->second);
      if (!exact && random_() % 20 == 0) rows.push_back(found->second);
    }
    return rows;
  }

  std::map<uint64_t, Socket> exists;
  std::deque<Record> ring;  // on its way to the tracker
  uint64_t now_ns = kSecond;

 private:
  void begin_life() {
    const uint64_t cookie = ++last_cookie_;
    const Life life = LifeBuilder(cookie, 0).life(static_cast<int>(random_() % 8));
    lives_[cookie] = std::deque<Record>(life.begin(), life.end());
  }

  void happen(const Record& record) {
    const uint64_t cookie = record.socket.key.cookie;
    if (record.kind == RecordKind::bind_attempt || record.kind == RecordKind::error) return;
    if (record.kind == RecordKind::state && record.new_state == State::syn_recv) return;
    if (record.kind == RecordKind::state && record.new_state == State::close) {
      exists.erase(cookie);  // bound listeners too: their release came before
      if (!record.has_mini) return;
    }
    if (record.kind == RecordKind::release || record.kind == RecordKind::destroy) {
      const auto found = exists.find(cookie);
      if (found == exists.end()) return;
      Socket& socket = found->second;
      socket.owners.clear();
      socket.inode = 0;
      if (socket.protocol == IPPROTO_UDP || socket.state == State::close) exists.erase(found);
      return;
    }
    Socket socket = record.socket;
    socket.options = {};
    socket.state = State::close;
    if (record.kind == RecordKind::state)
      socket.state = record.has_mini ? record.mini_state : record.new_state;
    if (record.kind == RecordKind::listen) socket.state = State::listen;
    if (record.kind == RecordKind::accept || record.kind == RecordKind::connect)
      socket.state = State::established;
    const auto before = exists.find(cookie);
    if (before != exists.end()) {
      socket.owners = before->second.owners;
      socket.inode = before->second.inode;
    }
    if (record.has_task && record.new_state != State::fin_wait_1 && record.new_state != State::last_ack) {
      socket.owners = DumpRow(cookie, State::close, "0.0.0.0:*").owner(record.task.pid, 4).socket.owners;
      socket.inode = 1000 + static_cast<uint32_t>(cookie);
    }
    exists[cookie] = socket;
  }

  std::mt19937 random_;
  std::map<uint64_t, std::deque<Record>> lives_;
  uint64_t last_cookie_ = 0;
};

void drain(Host& host, Tracked& tracked) {
  while (!host.ring.empty()) {
    tracked << host.ring.front();
    host.ring.pop_front();
  }
}

// As a caller should: `hold` says whether records wait until the rows are in.
ReconcileCounts reconcile(Host& host, Tracked& tracked, bool hold, size_t steps, bool resync,
                          bool exact = false) {
  drain(host, tracked);
  tracked.tracker.begin_dump(++host.now_ns, resync);
  std::vector<Socket> rows = host.dump(steps, exact);
  if (!hold) drain(host, tracked);
  for (Socket& row : rows) tracked.tracker.dump_row(std::move(row));
  drain(host, tracked);
  for (const Socket& suspect : tracked.tracker.suspects({{test::kNetns}, {}})) {
    if (steps != 0) host.step();
    if (!host.exists.contains(suspect.key.cookie)) tracked.tracker.confirm_gone(suspect.key, ++host.now_ns);
  }
  drain(host, tracked);
  return tracked.tracker.finish_dump(++host.now_ns);
}

// The table has exactly the sockets that exist, in their states.
void expect_exact(Host& host, Tracked& tracked, const std::string& where) {
  tracked.tick(host.now_ns += 2 * kMillisecond);
  std::map<uint64_t, std::string> expected, actual;
  for (const auto& [cookie, socket] : host.exists) expected[cookie] = std::string(otel_name(socket.state));
  tracked.table.for_each(
      [&](const Socket& row) { actual[row.key.cookie] = std::string(otel_name(row.state)); });
  std::string differences;
  for (const auto& [cookie, state] : expected)
    if (actual[cookie] != state)
      differences +=
          fmt::format("#{} is {}, should be {}\n{}", cookie, actual[cookie], state, story(tracked, cookie));
  for (const auto& [cookie, state] : actual)
    if (!expected.contains(cookie))
      differences += fmt::format("#{} is {}, should not be\n{}", cookie, state, story(tracked, cookie));
  ASSERT_EQ(differences, "") << where;
}

size_t faults(const ReconcileCounts& counts) {
  return counts.missing + counts.ghosts + counts.wrong_state + counts.wrong_owner;
}

void expect_merge_is_exact(uint32_t seed, bool hold) {
  const std::string where = "seed " + std::to_string(seed) + (hold ? ", held" : ", not held");
  Host host(seed);
  for (int i = 0; i < 300; ++i) host.step();
  host.ring.clear();  // before the tracer was attached

  Tracked tracked;
  for (int i = 0; i < 20; ++i) host.step();
  reconcile(host, tracked, hold, 100, false);
  for (int round = 0; round < 3; ++round) reconcile(host, tracked, hold, 100, true);
  const ReconcileCounts counts = reconcile(host, tracked, hold, 0, true, true);
  ASSERT_EQ(faults(reconcile(host, tracked, hold, 0, true, true)), 0u)
      << where << " first " << faults(counts) << "\n"
      << resynced(tracked);
  expect_exact(host, tracked, where);

  // Afterwards records alone keep it exact, and a dump under load finds nothing wrong with it.
  for (int i = 0; i < 200; ++i) host.step();
  drain(host, tracked);
  expect_exact(host, tracked, where + ", live");
  const size_t told = tracked.events.size();
  for (int round = 0; round < 3; ++round) {
    const ReconcileCounts loaded = reconcile(host, tracked, hold, 100, true);
    ASSERT_EQ(faults(loaded), 0u) << where << "\n" << resynced(tracked);
  }
  drain(host, tracked);
  expect_exact(host, tracked, where + ", audited");
  for (size_t i = told; i < tracked.events.size(); ++i)
    ASSERT_FALSE(tracked.events[i].resync && ends(tracked.events[i]))
        << where << ": a close that was not lost";

  // Loss: the next dumps mend everything.
  for (int i = 0; i < 100; ++i) host.step();
  host.lose(50);
  for (int round = 0; round < 2; ++round) reconcile(host, tracked, hold, 50, true);
  reconcile(host, tracked, hold, 0, true, true);
  reconcile(host, tracked, hold, 0, true, true);
  expect_exact(host, tracked, where + ", after loss");
  expect_replay_is_equal(tracked);
}

TEST(TrackerOrder, DumpAndStreamOfABusyHostMakeOneTableWhenRecordsAreHeld) {
  for (uint32_t seed = 1; seed <= 100; ++seed) expect_merge_is_exact(seed, true);
}

TEST(TrackerOrder, DumpAndStreamOfABusyHostMakeOneTableWhenRecordsAreNotHeld) {
  for (uint32_t seed = 1; seed <= 100; ++seed) expect_merge_is_exact(seed, false);
}

}  // namespace
}  // namespace socktrace
