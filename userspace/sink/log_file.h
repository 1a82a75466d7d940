#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/log/encode.h"
#include "core/log/record.h"
#include "core/result.h"
#include "sink/append_file.h"
#include "sink/rotation.h"
#include "sys/worker.h"

namespace socktrace::sink {

// Now, on both clocks: the log file has no clock of its own.
struct Moment {
  uint64_t boottime_ns = 0;
  uint64_t realtime_ns = 0;
};

struct LogFileOptions {
  std::string path;  // "-": standard output; then nothing is rotated or synced
  LogHeader header;  // session, host, boot, kernel, tool, filter and probes; the rest is filled in
  const NetnsNames* netns = nullptr;  // as for LogEncoder
  Rotation rotation;
  uint64_t sync_interval_ns = 1'000'000'000;
  uint64_t keyframe_interval_ns = 300'000'000'000;  // 0: only at the start of each file
  // And sooner after so much else: what is replayed to reach a moment, a fraction of a second whatever the rate.
  uint64_t keyframe_every_bytes = 32 << 20;
  // Of lines that wait for a slow disk; what comes above it is dropped.
  size_t most_waiting_bytes = 64 << 20;
};

using SocketVisitor = std::function<void(const Socket&)>;

struct LogFileHooks {
  // Calls the visitor for every socket of the table; null: no keyframes.
  std::function<void(const SocketVisitor&)> sockets;
  // A message for people, at most one every 10 s.
  std::function<void(const std::string&)> warn;
  // CLOCK_BOOTTIME in ns, to see how long a write takes; null: that clock.
  std::function<uint64_t()> clock;
};

// The event log on disk: records are gathered by add() and written by flush(), one write(2) a batch.
//
// A failing disk, one that is nearly full, or a directory that is gone never blocks or ends tracing. On a disk so slow that
// the kernel lets writers wait, a second may pass so at any time; beyond it the disk is left alone for five times as long as it
// took, two seconds at most: meanwhile lines are kept, within a bound. A file that
// was removed is made anew within a second. What could not be written is dropped and counted; the first
// record written afterwards is the loss, where = "disk". The disk is tried again with every flush, at most
// ten times a second. fdatasync() runs on another thread, once a second and at once after bind.failed,
// listen.failed, tcp.listen and loss.
class LogFile {
 public:
  static Result<std::unique_ptr<LogFile>> open(LogFileOptions options, LogFileHooks hooks, Moment now);
  ~LogFile();

  void add(const Event& event);
  void add(const LogLoss& loss);
  void add(const LogClock& clock);
  void add(const LogAudit& audit);
  // Writes every socket of the table between key records.
  void keyframe(std::string_view reason, Moment now);
  // Ends a batch: writes, rotates and syncs as it is due.
  void flush(Moment now);
  // SIGHUP: goes on in the file that is at the path now. On failure the old file stays in use.
  Result<void> reopen(Moment now);
  // Trailer, last write, fsync. Nothing may be added afterwards. `records`: of the whole session.
  void close(Moment now, std::optional<RecordCounts> records = std::nullopt);

  [[nodiscard]] uint64_t events_written() const { return encoder_.events() - events_dropped_; }
  [[nodiscard]] uint64_t events_dropped() const { return events_dropped_; }
  [[nodiscard]] int last_error() const { return last_error_; }  // errno of the last write; 0: it went well

 private:
  LogFile(LogFileOptions options, LogFileHooks hooks, AppendFile file);
  void begin_file(std::string_view reason, Moment now);
  void write(uint64_t now_ns);
  void write_now(uint64_t now_ns);
  void note_duration(uint64_t began_ns, uint64_t ended_ns);
  [[nodiscard]] uint64_t clock_ns() const;
  void rebuild_lead();
  void lead_written(size_t bytes);
  void drop(size_t written, uint64_t now_ns);
  void warn(uint64_t now_ns, const std::string& message);
  void write_if(size_t most, uint64_t now_ns);
  bool has_room(uint64_t now_ns);
  AppendFile::Wrote try_write(uint64_t now_ns);
  void check_path(Moment now);
  void begin_anew(Moment now);
  void tell_sync_error(uint64_t now_ns);
  void sync_if_due(uint64_t now_ns);
  void sync_name();
  void rotate(Moment now);
  void end_file(Moment now, std::optional<RecordCounts> records);

  LogFileOptions options_;
  LogFileHooks hooks_;
  AppendFile file_;
  LogEncoder encoder_;
  std::string buffer_;  // whole lines that are not written yet

  uint64_t file_began_realtime_ns_ = 0;
  uint64_t file_began_ns_ = 0;
  uint64_t next_number_ = 0;     // of the next file that is put aside
  uint64_t keyframe_ns_ = 0;     // of the last keyframe
  uint64_t keyframe_bytes_ = 0;  // its size
  uint64_t bytes_since_keyframe_ = 0;

  // What has to stand in front of everything else in the file, at the front of buffer_: the header of a new
  // file, and the record of a loss.
  bool header_pending_ = false;
  size_t header_bytes_ = 0;  // of the lead
  size_t lead_bytes_ = 0;    // header and loss
  LogLoss missing_;          // records dropped and not yet told of in the file; count 0: none
  uint64_t missing_seq_ = 0;
  bool keyframe_wanted_ = false;  // after a loss

  bool path_is_gone_ = false;  // somebody removed the file, and there is no making it anew
  uint64_t path_checked_ns_ = 0;
  bool low_space_ = false;  // less is free than Rotation::min_free_bytes
  uint64_t space_checked_ns_ = 0;

  uint64_t slow_ns_ = 0;         // of slow writes, less a share of the time since then
  uint64_t slow_at_ns_ = 0;      // when that was so
  uint64_t rests_until_ns_ = 0;  // 0: the last write did not take too long
  bool waiting_ = false;         // buffer_ holds what was not tried to be written yet

  int last_error_ = 0;
  uint64_t retry_ns_ = 0;  // not before this time after an error
  uint64_t events_dropped_ = 0;
  uint64_t events_lost_ = 0;  // by the losses that were added: the kernel's
  uint64_t warned_ns_ = 0;    // 0: not yet

  bool unsynced_ = false;
  bool sync_now_ = false;
  uint64_t synced_ns_ = 0;
  std::shared_ptr<std::atomic<bool>> sync_queued_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::atomic<int>> sync_error_ =
      std::make_shared<std::atomic<int>>(0);  // errno, not yet said
  sys::Worker syncer_;
  sys::Worker compressor_{sys::Worker::Urgency::can_wait};
};

}  // namespace socktrace::sink
