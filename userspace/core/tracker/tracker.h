#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/event.h"
#include "core/record.h"
#include "core/table.h"

namespace socktrace {

struct SocketKeyHash {
  size_t operator()(const SocketKey& key) const { return key.cookie * 0x9e3779b97f4a7c15ull ^ key.sk; }
};

// What one comparison of the table with a dump found, and mended.
struct ReconcileCounts {
  size_t rows = 0;         // in the dump, each socket once
  size_t missing = 0;      // in the dump, not in the table
  size_t wrong_state = 0;
  size_t wrong_owner = 0;
  size_t ghosts = 0;       // in the table, in no dump, and confirmed to be gone
  size_t ended = 0;        // timewait mini-sockets that are over: no record tells that, so they count as no fault
};

// What a dump covered: a row of the table outside of it is not missed.
struct DumpScope {
  uint32_t netns = 0;
  std::function<bool(const Socket&)> covers;  // of that namespace; absent: everything
};

// The state machine that turns records and dump rows into events and keeps the table by them.
//
//   record                         known as          event                  the table afterwards
//   ------------------------------ ----------------- ---------------------- ------------------------------------
//   bind ok                        -                 bind.ok | udp.open     close (bound); open for datagrams
//   bind failed                    any               bind.failed            unchanged
//   bind attempt, no ok in 20 ms   any               bind.failed (inferred) unchanged; not for port 0
//   CLOSE -> LISTEN                any               (candidate)            unchanged
//   listen ok                      candidate         tcp.listen             listen
//   listen ok                      listen            tcp.state              listen, with the new backlog
//   listen failed                  candidate         listen.failed          unchanged
//   candidate 1 ms old, no result  -                 tcp.listen             listen
//   LISTEN -> CLOSE                candidate         listen.failed          unchanged (when no result comes)
//   LISTEN -> CLOSE                listen            tcp.closed             close while a descriptor is open, else gone
//   CLOSE -> SYN_SENT              any               tcp.connect            syn_sent
//   SYN_SENT -> ESTABLISHED        any               tcp.established        established, outbound
//   SYN_SENT -> CLOSE              any               tcp.connect_failed     close while bound and open, else gone
//   SYN_RECV -> ESTABLISHED        unknown           tcp.established        established, inbound, inherited owners
//   LISTEN -> SYN_RECV             unknown           tcp.state              syn_recv, inbound (TCP Fast Open)
//   accept                         any               tcp.accept             owner is who accepted
//   any -> CLOSE                   any               tcp.closed             timewait mini-socket | close | gone
//   any other transition           any               tcp.state              the new state
//   destroy, release               close             socket.closed          gone
//   destroy                        any other         tcp.closed             gone
//   release                        fin_wait …        socket.owner           owners marked exited
//   release                        datagram, raw     udp.closed | socket.closed  gone
//   connect                        datagram          udp.connect            established
//   send                           unknown datagram  udp.open               close
//   create                         raw, ping         socket.seen            close
//   mini-socket expired            time_wait …       socket.closed          gone
//
// Records of different CPUs may come slightly out of order; whatever is unknown is made from the record itself.
class Tracker {
 public:
  using FindProcess = std::function<ProcessRef(const Task&)>;

  // The table and what is behind the functions must outlive the tracker. Every event has been applied to the table when
  // the sink gets it.
  Tracker(Table& table, FindProcess find_process, EventSink sink)
      : table_(table), find_process_(std::move(find_process)), sink_(std::move(sink)) {}

  void apply(const Record& record);

  // Time-outs. Every record older than `now_ns` must have been applied.
  void tick(uint64_t now_ns);

  // Comparing the table with a dump of the kernel's sockets. Records must be held from before begin_dump() until
  // finish_dump(): the dump shows the past, and what closed meanwhile must not come back.
  void begin_dump(uint64_t now_ns, bool resync);
  void dump_row(Socket&& row);  // with its owners
  // The sockets that were in the table, but not in the dump: only suspects, since a dump of a busy host misses some.
  // Ask the kernel for each, and confirm those that do not exist.
  [[nodiscard]] std::vector<Socket> suspects(const DumpScope& scope) const;
  void confirm_gone(const SocketKey& key, uint64_t now_ns);
  // Emits snapshot.done after the first dump.
  ReconcileCounts finish_dump(uint64_t now_ns);

 private:
  // What is known of a socket beside its row, until it is settled.
  struct Pending {
    std::optional<Record> bind;    // attempt without result
    std::optional<Record> listen;  // CLOSE -> LISTEN without result
    bool listen_undone = false;    // LISTEN -> CLOSE came after it
    bool released = false;         // the last descriptor is closed
  };

  struct Mini {
    SocketKey key;
    uint64_t expires_ns;
  };

  void on_state(const Record& record);
  void on_connecting(const Record& record);
  void on_established(const Record& record);
  void on_close(const Record& record);
  void on_bind(const Record& record);
  void on_bind_attempt(const Record& record);
  void on_listen(const Record& record);
  void on_accept(const Record& record);
  void on_release(const Record& record);
  void on_destroy(const Record& record);
  void on_connect(const Record& record);
  void on_send(const Record& record);
  void on_create(const Record& record);

  void listening(const Record& record, bool has_result);
  void listen_failed(const Record& record, int32_t error, bool inferred);
  void bind_failed(const Record& record, int32_t error, bool inferred);
  [[nodiscard]] int32_t infer_bind_error(const Record& record) const;

  // The row of the record's socket brought up to date with the record; made from it when there is none.
  Socket current(const Record& record);
  Event event(EventKind kind, const Record& record, Socket socket);
  void add_owner(Socket& socket, const Record& record);
  void inherit_owners(Socket& socket);
  void emit(Event&& event);
  void emit_close(EventKind kind, Event&& event);

  Table& table_;
  FindProcess find_process_;
  EventSink sink_;
  std::unordered_map<SocketKey, Pending, SocketKeyHash> pending_;
  std::vector<Mini> minis_;

  std::unordered_set<SocketKey, SocketKeyHash> dumped_;
  ReconcileCounts counts_;
  uint64_t dump_ns_ = 0;
  bool resync_ = false;
  bool first_dump_done_ = false;
};

SocketKey key_of(const Record& record);
void mark_exited(Socket& socket);

}  // namespace socktrace
