#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/event.h"
#include "core/hash.h"
#include "core/record.h"
#include "core/table.h"
#include "core/tracker/identities.h"
#include "core/tracker/idle.h"
#include "core/tracker/timewait.h"
#include "core/tracker/tombstones.h"

namespace socktrace {

// What one comparison of the table with a dump found, and mended. Connection requests (SYN_RECV without a child), which no
// record tells of, and unix sockets, of some of which none does (socketpair()), count as no fault.
struct ReconcileCounts {
  size_t rows = 0;     // in the dump, each socket once
  size_t missing = 0;  // in the dump, not in the table
  size_t wrong_state = 0;
  size_t wrong_owner = 0;  // the processes; a descriptor that was not known before is no fault
  size_t ghosts = 0;       // in the table, in no dump, and confirmed to be gone
  size_t unconfirmed = 0;  // in the table, in no dump, and no get can find them: the next comparison decides
  size_t ended = 0;  // timewait mini-sockets that are over: no record tells that, so they count as no fault
};

// What was dumped completely: a row of the table outside of it is not missed.
struct DumpScope {
  std::unordered_set<uint32_t> netns;
  // Of these namespaces; absent: everything. Must be false for what the kernel does not dump: bound TCP sockets
  // in CLOSE before Linux 6.8, tables without their diag module.
  std::function<bool(const Socket&)> covers;
  // Whether a namespace that was not dumped has ceased to exist, and its sockets with it; absent: none has.
  std::function<bool(uint32_t netns)> has_vanished = {};
};

struct TrackerOptions {
  // TCP connections are followed. If not, none is told, and a socket that becomes one leaves the table.
  bool connections = true;
  // Releases or destructions are reported (cgroup/sock_release, tcp_destroy_sock). If not, the end of a
  // connection is also taken for the end of its socket.
  bool ends_are_seen = true;
  // Who dumps looks into every process of the host: whoever is not found to hold a socket does not hold it.
  bool every_process_is_seen = true;
  // net.ipv4.tcp_max_tw_buckets: above it the kernel keeps no more mini-sockets of a network namespace, and does not
  // say so.
  size_t max_timewait = 262'144;
  // By how much the kernel's timers may end a mini-socket later than they were set to.
  uint64_t timers_late_ns = 0;
};

// The state machine that turns records and dump rows into events, and keeps the table by them: every event
// has been applied to the table when the sink gets it, and nothing else changes the table but queues and
// unix peers. No clock, no system calls.
//
// What each record does to which row, and the test of each rule: truth_table.md.
//
// Owners come from records in task context only. After RELEASE they are the last known ones, marked as
// exited; those of a mini-socket too.
class Tracker {
 public:
  using FindProcess = std::function<ProcessRef(const Task&)>;

  // The table and what is behind the functions must outlive the tracker.
  Tracker(Table& table, FindProcess find_process, EventSink sink, TrackerOptions options = {});

  void apply(const Record& record);

  // Time-outs. Every record older than `now_ns` (CLOCK_BOOTTIME) should have been applied; call it after each
  // batch.
  void tick(uint64_t now_ns);

  // Comparing the table with a dump of the kernel's sockets (the race rule):
  //
  //   begin_dump, dump_row ..., suspects, confirm_gone ..., finish_dump
  //
  // Records may be applied all the time, or be held back while the dump is read and applied after its rows:
  // what changed since `started_ns` is newer than the dump and wins, and what closed since then does not come
  // back. Those from before `started_ns` must be applied before begin_dump(), those held before suspects(),
  // and what came meanwhile once more before finish_dump(): else an end that is on its way is mistaken for
  // one that was lost.
  //
  // A dump of a busy host repeats and misses sockets, so absence is only a suspicion: ask the kernel for each
  // suspect and confirm those that do not exist. `resync`: the differences are the traces of lost records;
  // their events say so.
  void begin_dump(uint64_t started_ns, bool resync);
  // The same for a part of the host that was not looked at before: what the dump before this one did not show is
  // not missed a second time by this one.
  void begin_partial_dump(uint64_t started_ns, bool resync);
  [[nodiscard]] bool knows(const Socket& dumped) {
    return table_.find(identities_.resolve(dumped)) != nullptr;
  }
  // A socket with its owners. `expires_ns`: when its mini-socket ends, CLOCK_BOOTTIME; 0 unknown.
  void dump_row(Socket&& row, uint64_t expires_ns = 0);
  // The rows in the scope that the dump did not show and that an exact get can find, and all of namespaces that
  // have vanished. The others (bound TCP, raw and MPTCP sockets) are closed without asking when a second dump in a
  // row misses them, unchanged.
  std::vector<Socket> suspects(const DumpScope& scope);
  // The kernel did not know it at `now_ns`; finish_dump() closes it unless a record has.
  void confirm_gone(const SocketKey& key, uint64_t now_ns);
  // Of sockets that are in no table, but open: `attribute` sets Socket::owners by key and inode to who held it after the
  // dump had begun.
  void update_idle(const std::function<void(Socket&)>& attribute) { idle_.update(dump_ns_, attribute); }
  // The first one emits snapshot.done.
  ReconcileCounts finish_dump(uint64_t now_ns);

 private:
  // A record and the row it is about. The row must not be used after emit().
  struct Hit {
    const Record& record;
    SocketKey key;
    const Socket* row;  // null: unknown
  };
  // CLOSE -> LISTEN is announced before the port is taken: inet_csk_listen_start() may still undo it.
  struct Candidate {
    Record record;
    std::optional<Record> undone;  // LISTEN -> CLOSE came after it
    bool settled = false;          // the result came first; what remains is to swallow the LISTEN -> CLOSE
  };
  // What is known of a row beside it.
  struct Loose {
    int32_t error = 0;
    bool released = false;
    ProcessRef closer;  // whose close() released it, when a transition is to follow
  };
  template <typename T>
  using ByKey = std::unordered_map<SocketKey, T, SocketKeyHash>;

  // tcp.cpp
  void on_state(const Hit& hit);
  void on_connecting(const Hit& hit);
  void on_stream_connect(const Hit& hit);
  void on_unsent_connect(const Hit& hit);
  void on_established(const Hit& hit);
  void on_transition(const Hit& hit);
  void on_close(const Hit& hit);
  void on_accept(const Hit& hit);
  void adopt(Socket& child) const;
  void make_way(const Socket& connected, uint64_t now_ns);
  void other_end_closed(const Socket& closed, bool in_order, uint64_t now_ns);

  // listen.cpp
  void on_candidate(const Hit& hit);
  bool on_listen_undone(const Hit& hit);
  void on_listen(const Hit& hit);
  void listening(const Hit& hit, bool has_result);
  void listen_failed(const Hit& hit, int32_t error, bool inferred);
  void settle_candidate(const SocketKey& key);
  void settle_candidates_before(const Hit& hit);
  void settle_overdue_candidates(uint64_t now_ns);
  void settle_candidates_on(const Socket& child);

  // bind.cpp
  void on_bound(const Hit& hit);
  void on_bind(const Hit& hit);
  void on_bind_attempt(const Hit& hit);
  void bind_failed(const SocketKey& key, const Record& record, int32_t error, bool inferred);
  [[nodiscard]] int32_t infer_bind_error(const SocketKey& key, const Record& record) const;
  void settle_bind(const SocketKey& key);
  void settle_binds_before(const Hit& hit);

  // datagram.cpp
  void on_create(const Hit& hit);
  void on_connect(const Hit& hit);
  void on_disconnect(const Hit& hit);
  void on_send(const Hit& hit);

  // unix.cpp
  void on_unix_connect(const Hit& hit);

  // ends.cpp
  void on_release(const Hit& hit);
  void release_subflow(const Socket& listener);
  void on_destroy(const Hit& hit);
  void end(Event&& closed);
  void end_missed(const SocketKey& key, uint64_t now_ns);
  void end_mini(const SocketKey& key, uint64_t now_ns);
  void leave_bound(const Socket& mini, EventKind kind, uint64_t now_ns);
  void end_silently_known(const SocketKey& key, EventKind kind, uint64_t now_ns, bool resync);

  // tracker.cpp
  void settle_overdue(uint64_t now_ns);
  [[nodiscard]] bool is_over(const Hit& hit);
  [[nodiscard]] bool is_released(const SocketKey& key) const;
  [[nodiscard]] Socket current(const Hit& hit) const;
  void credit(Event& event) const;
  [[nodiscard]] Event event(EventKind kind, const Record& record, Socket&& socket) const;
  void emit(Event&& event);
  void forget(const SocketKey& key, uint64_t now_ns, bool released);

  // reconcile.cpp
  void settle_rows();
  void discover(Socket&& dumped, uint64_t expires_ns);
  void correct(const Socket& row, Socket&& dumped, uint64_t expires_ns);
  void complete(const Socket& row, Socket&& dumped);

  Table& table_;
  FindProcess find_process_;
  EventSink sink_;
  TrackerOptions options_;

  Identities identities_;
  ByKey<Record> binds_;  // attempts without a result
  ByKey<Candidate> listens_;
  ByKey<Loose> loose_;
  Tombstones ended_;
  Idle idle_;
  Timewait timewait_;

  bool dumping_ = false;
  bool resync_ = false;
  bool first_dump_done_ = false;
  uint64_t dump_ns_ = 0;
  uint64_t whole_dump_ns_ = 0;  // the last begin_dump()
  uint64_t previous_dump_ns_ = 0;
  ReconcileCounts counts_;
  std::vector<std::pair<Socket, uint64_t>> rows_;  // of the dump, to be compared, and when they expire
  std::vector<Socket> bound_rows_;                 // of the dump: TCP sockets in CLOSE
  std::unordered_set<SocketKey, SocketKeyHash> dumped_;
  std::vector<std::pair<SocketKey, uint64_t>> confirmed_;   // to be gone, and when
  std::unordered_set<SocketKey, SocketKeyHash> suspected_;  // by this dump
  std::unordered_set<SocketKey, SocketKeyHash> suspected_before_;
};

// Has TCP's states (TCP, MPTCP, SCTP, DCCP), and ends by a transition rather than with its descriptor.
bool is_connection_oriented(const Socket& socket);

}  // namespace socktrace
