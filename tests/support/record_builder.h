#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/record.h"
#include "core/table.h"
#include "core/tracker/tracker.h"

namespace socktrace::test {

inline constexpr uint32_t kNetns = 4026531840;
inline constexpr uint64_t kSecond = 1'000'000'000;
inline constexpr uint64_t kMillisecond = 1'000'000;

// What the hooks report, one call per fact that matters to the test. IPv4 TCP on 127.0.0.1, without a task.
class RecordBuilder {
 public:
  RecordBuilder(RecordKind kind, uint64_t cookie);

  RecordBuilder& at(uint64_t time_ns);
  RecordBuilder& local(const std::string& endpoint);
  RecordBuilder& peer(const std::string& endpoint);
  RecordBuilder& protocol(uint16_t protocol, uint8_t type);
  RecordBuilder& udp();
  RecordBuilder& sk(uint64_t address);
  RecordBuilder& by(uint32_t pid, int32_t fd = -1, uint32_t uid = 0);
  RecordBuilder& thread(uint32_t tid);
  RecordBuilder& result(int32_t error = 0);
  RecordBuilder& error(int32_t error);
  RecordBuilder& mini(State state);
  RecordBuilder& awaited();
  RecordBuilder& gave_up();
  RecordBuilder& stats(uint64_t received, uint64_t sent);
  RecordBuilder& backlog(uint32_t backlog);
  RecordBuilder& locked();
  RecordBuilder& v6_only();
  RecordBuilder& state(State state);  // what the socket is in, where that is not a transition
  RecordBuilder& inode(uint32_t inode);
  RecordBuilder& unix_socket(uint32_t inode);  // of SOCK_STREAM
  RecordBuilder& type(uint8_t type);
  RecordBuilder& name(const std::string& name);
  RecordBuilder& peer_name(const std::string& name);
  RecordBuilder& peer_inode(uint32_t inode);

  Record record;

  operator const Record&() const { return record; }
};

RecordBuilder transition(State from, State to, uint64_t cookie);

// A row as sock_diag gives it, with its owners joined. TCP on 127.0.0.1.
class DumpRow {
 public:
  DumpRow(uint64_t cookie, State state, const std::string& local, const std::string& peer = "0.0.0.0:*");
  DumpRow& owner(uint32_t pid, int32_t fd);
  DumpRow& inode(uint32_t inode);
  DumpRow& netns(uint32_t netns);
  DumpRow& protocol(uint16_t protocol, uint8_t type);
  DumpRow& unix_socket(uint32_t inode);
  DumpRow& name(const std::string& name);

  Socket socket;
};

// A tracker, its table and what it told. Processes are called "p" and their pid.
class Tracked {
 public:
  explicit Tracked(TrackerOptions options = {});

  Tracked& operator<<(const Record& record);
  void tick(uint64_t now_ns) { tracker.tick(now_ns); }
  // begin_dump(), the rows, finish_dump() a microsecond later. Suspects are kept in `suspects`; `gone` says, by cookie or
  // by the inode of a unix socket, which of them the kernel does not know any more.
  ReconcileCounts dump(uint64_t started_ns, const std::vector<DumpRow>& rows, bool resync = false,
                       const std::vector<uint64_t>& gone = {});

  // What was told since the last call, an event a line:
  //   tcp.closed #1 127.0.0.1:40000>127.0.0.1:80 time_wait<fin_wait_2 by 7 owners 7/3! errno 104 gone resync
  // A unix socket is "u", its inode, its name, and ">" whom it has connected to. State and previous state; owners as pid/fd, "i" inherited, "!" exited; "?" an inferred errno.
  std::string told();
  [[nodiscard]] std::string told_all() const;  // since the beginning
  // The rows, in the same notation, by cookie.
  [[nodiscard]] std::string rows() const;
  [[nodiscard]] size_t count(EventKind kind) const;
  [[nodiscard]] const Event& last(EventKind kind) const;

  Table table;
  std::vector<Event> events;
  std::vector<SocketKey> suspects;
  Tracker tracker;

 private:
  ProcessRef process(const Task& task);

  std::map<uint32_t, ProcessRef> processes_;
  size_t told_ = 0;
};

}  // namespace socktrace::test
