// The state machine behind the table: any records in any order, dumps and time-outs between them.
#include "core/tracker/tracker.h"

#include <netinet/in.h>

#include <unordered_set>

#include "core/table.h"
#include "target.h"

using namespace socktrace;

namespace {

// Bytes of the input, zeros after its end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), end_(data + size) {}
  uint8_t next() { return data_ == end_ ? uint8_t{0} : *data_++; }
  [[nodiscard]] bool empty() const { return data_ == end_; }

 private:
  const uint8_t* data_;
  const uint8_t* end_;
};

// Few cookies, addresses and ports, so that they meet.
Socket make_socket(Input& input) {
  Socket socket;
  const uint8_t who = input.next();
  const uint8_t where = input.next();
  socket.key.cookie = who & 7;
  constexpr uint16_t kProtocols[] = {IPPROTO_TCP, IPPROTO_UDP, kMptcp, IPPROTO_RAW};
  socket.protocol = kProtocols[who >> 3 & 3];
  if (socket.protocol == kMptcp || socket.key.cookie == 0) socket.key.sk = 1 + (who >> 5);
  socket.family = (who & 128) != 0 ? Family::inet6 : Family::inet;
  socket.local.port = where & 3;
  socket.peer.port = where >> 2 & 3;
  socket.local.address[0] = where >> 4 & 1;
  socket.peer.address[0] = where >> 5 & 1;
  socket.inode = where >> 6;
  socket.netns = 1;
  return socket;
}

State make_state(uint8_t number) {
  return static_cast<State>(number % kStateCount);
}

Record make_record(Input& input, uint64_t now_ns) {
  Record record;
  record.kind = static_cast<RecordKind>(1 + input.next() % 12);
  const uint8_t flags = input.next();
  record.socket = make_socket(input);
  const uint8_t states = input.next();
  record.old_state = make_state(states & 15);
  record.new_state = make_state(states >> 4);
  record.socket.state = record.new_state;
  record.has_result = flags & 1;
  record.has_task = flags & 2;
  record.has_mini = flags & 4;
  if (record.has_mini) record.mini_state = (flags & 8) != 0 ? State::time_wait : State::fin_wait_2;
  record.has_stats = flags & 16;
  record.error = (flags & 32) != 0 ? 98 : 0;
  record.socket.options.port_locked = flags & 64;
  if (record.has_task) {
    record.task.pid = record.task.tid = 1u + (flags >> 7);
    record.task.fd = 3;
  }
  const uint64_t late_ns = uint64_t{input.next()} * 10'000;
  record.time_ns = now_ns > late_ns ? now_ns - late_ns : 0;
  return record;
}

ProcessRef make_process(const Task& task) {
  auto process = std::make_shared<Process>();
  process->pid = task.pid;
  return process;
}

void dump(Input& input, Tracker& tracker, uint64_t now_ns, bool resync) {
  tracker.begin_dump(now_ns, resync);
  for (uint8_t rows = input.next() % 8; rows > 0; --rows) {
    Socket row = make_socket(input);
    row.state = make_state(input.next());
    tracker.dump_row(std::move(row), now_ns + uint64_t{input.next()} * 1'000'000);
  }
  while (!input.empty() && input.next() % 4 == 0) tracker.apply(make_record(input, now_ns));
  const std::vector<Socket> suspects = tracker.suspects({{1}, {}});
  for (const Socket& suspect : suspects)
    if (input.next() % 2 == 0) tracker.confirm_gone(suspect.key, now_ns);
  tracker.finish_dump(now_ns);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Table table;
  Input input(data, size);
  std::unordered_set<SocketKey, SocketKeyHash> seen;
  Tracker tracker(table, make_process, [&](Event&& event) {
    if (event.kind == EventKind::snapshot_done) return;
    const Socket* row = table.find(event.socket.key);
    fuzz::require(!event.gone || row == nullptr, "what is gone is not in the table");
    fuzz::require(row == nullptr || row->key == event.socket.key, "a row is found by its own key");
    seen.insert(event.socket.key);
  });
  uint64_t now_ns = 1'000'000'000;
  while (!input.empty()) {
    const uint8_t what = input.next();
    now_ns += uint64_t{what} * 100'000;
    if (what % 16 == 0)
      dump(input, tracker, now_ns, what % 32 == 0);
    else if (what % 16 == 1)
      tracker.tick(now_ns += uint64_t{input.next()} * 1'000'000'000);
    else
      tracker.apply(make_record(input, now_ns));
  }
  constexpr uint64_t kHour_ns = 3'600'000'000'000;
  tracker.tick(now_ns + kHour_ns);
  size_t rows = 0;
  table.for_each([&](const Socket& row) {
    ++rows;
    fuzz::require(table.find(row.key) == &row, "every row is found");
    fuzz::require(seen.contains(row.key), "every row was told");
  });
  fuzz::require(rows == table.size(), "the table counts its rows");
  return 0;
}
