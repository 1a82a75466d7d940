#include "sink/log_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/batch.h"
#include "sys/clock.h"

namespace socktrace::sink {
namespace {

constexpr size_t kLargeBatch = 256 << 10;         // of rows, written without waiting for flush()
constexpr size_t kMostUnwritten = 8 << 20;        // of events, likewise: flush() should do it
constexpr size_t kMostKept = 2 * kMostUnwritten;  // of memory, between batches
constexpr uint64_t kRetry_ns = 100'000'000;       // after an error
constexpr uint64_t kSlow_ns = 20'000'000;         // a write to the page cache takes microseconds
// A fifth of the time may be spent in slow writes, and a second without a rest: the kernel's own writing comes in bouts.
constexpr uint64_t kSlowShare = 5;
constexpr uint64_t kSlowAtOnce_ns = 1'000'000'000;
constexpr uint64_t kLongestRest_ns = 2'000'000'000;
constexpr uint64_t kPathInterval_ns = 1'000'000'000;
constexpr uint64_t kSpaceInterval_ns = 1'000'000'000;
constexpr uint64_t kMostFree = uint64_t{1} << 30;
constexpr uint64_t kWarnInterval_ns = 10'000'000'000;
constexpr uint64_t kLossKeyframe_ns = 10'000'000'000;  // between keyframes that losses cause
constexpr uint64_t kLeastAside = 64 << 10;             // a file that has met a limit of its size
constexpr uint64_t kKeyframeShare = 5;                 // keyframes take at most a fifth of the bytes

struct Lines {
  uint64_t records = 0;
  uint64_t events = 0;
};

Lines count(std::string_view lines) {
  Lines counted;
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    const std::string_view line = lines.substr(0, end);
    ++counted.records;
    if (line.starts_with(R"({"k":"event")") || line.starts_with(R"({"k":"conn")")) ++counted.events;
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
  }
  return counted;
}

// For the next file that is put aside.
uint64_t number_after_all(const std::string& path) {
  if (path == "-") return 0;
  const Result<std::vector<RotatedFile>> files = rotated_files(path);
  return files && !files->empty() ? files->back().number + 1 : 0;
}

bool is_urgent(EventKind kind) {
  return kind == EventKind::bind_failed || kind == EventKind::listen_failed || kind == EventKind::tcp_listen;
}

}  // namespace

Result<std::unique_ptr<LogFile>> LogFile::open(LogFileOptions options, LogFileHooks hooks, Moment now) {
  Result<AppendFile> file = AppendFile::open(options.path);
  if (!file) return std::move(file.error());
  if (options.rotation.min_free_bytes == Rotation::kAutomatic) {
    const Result<FreeSpace> space = free_space(options.path);
    options.rotation.min_free_bytes = space ? std::min(space->total_bytes / 20, kMostFree) : 0;
  }
  std::unique_ptr<LogFile> log(new LogFile(std::move(options), std::move(hooks), std::move(*file)));
  if (const uint64_t torn = log->file_.trimmed_bytes(); torn > 0 && log->hooks_.warn)
    log->hooks_.warn(fmt::format("event log {}: {} bytes of a torn last line cut off: its writer was killed",
                                 log->options_.path, torn));
  log->next_number_ = number_after_all(log->options_.path);
  log->begin_file("start", now);
  log->flush(now);
  log->sync_name();
  return log;
}

LogFile::LogFile(LogFileOptions options, LogFileHooks hooks, AppendFile file)
    : options_(std::move(options)),
      hooks_(std::move(hooks)),
      file_(std::move(file)),
      encoder_(options_.netns) {}

LogFile::~LogFile() = default;

// When nothing but a lead is left in buffer_.
void LogFile::begin_file(std::string_view reason, Moment now) {
  LogHeader& header = options_.header;
  header.realtime_ns = now.realtime_ns;
  header.boottime_ns = now.boottime_ns;
  if (header.t0_ns == 0 || encoder_.needs_header(now.boottime_ns)) header.t0_ns = now.boottime_ns;
  header_pending_ = true;
  rebuild_lead();
  file_began_ns_ = now.boottime_ns;
  file_began_realtime_ns_ = now.realtime_ns;
  keyframe(reason, now);
}

void LogFile::rebuild_lead() {
  empty_batch(buffer_, kMostKept);
  options_.header.next_seq = missing_.count > 0 ? missing_seq_ : encoder_.next_seq();
  if (header_pending_) encoder_.header(buffer_, options_.header);
  header_bytes_ = buffer_.size();
  if (missing_.count > 0) encoder_.loss_at(buffer_, missing_, missing_seq_);
  lead_bytes_ = buffer_.size();
}

// `bytes` from the front of buffer_, whole lines, are in the file.
void LogFile::lead_written(size_t bytes) {
  if (header_pending_ && bytes >= header_bytes_) header_pending_ = false;
  if (missing_.count > 0 && bytes >= lead_bytes_) {
    missing_ = {};
    keyframe_wanted_ = true;
    sync_now_ = true;
  }
}

void LogFile::add(const Event& event) {
  encoder_.event(buffer_, event);
  sync_now_ |= is_urgent(event.kind);
  write_if(kMostUnwritten, event.time_ns);
}

void LogFile::add(const LogLoss& loss) {
  events_lost_ += loss.count;
  encoder_.loss(buffer_, loss);
  sync_now_ = true;
  write_if(kMostUnwritten, loss.time_ns);
}

void LogFile::add(const LogClock& clock) {
  encoder_.clock(buffer_, clock);
  write_if(kMostUnwritten, clock.time_ns);
}

void LogFile::add(const LogAudit& audit) {
  encoder_.audit(buffer_, audit);
  write_if(kMostUnwritten, audit.time_ns);
}

void LogFile::keyframe(std::string_view reason, Moment now) {
  keyframe_ns_ = now.boottime_ns;
  if (!hooks_.sockets) return;
  const uint64_t before = file_.size() + buffer_.size();
  uint64_t rows = 0;
  hooks_.sockets([&](const Socket&) { ++rows; });
  encoder_.keyframe_begin(buffer_, {now.boottime_ns, std::string(reason), rows});
  hooks_.sockets([&](const Socket& socket) {
    encoder_.row(buffer_, socket, now.boottime_ns);
    write_if(kLargeBatch, now.boottime_ns);
  });
  encoder_.keyframe_end(buffer_, {now.boottime_ns, rows});
  keyframe_bytes_ = file_.size() + buffer_.size() - before;
  bytes_since_keyframe_ = 0;
}

void LogFile::flush(Moment now) {
  const bool over = now.boottime_ns >= keyframe_ns_ + options_.keyframe_interval_ns ||
                    (!file_.is_stdout() && bytes_since_keyframe_ >= options_.keyframe_every_bytes);
  const bool interval_over = options_.keyframe_interval_ns != 0 && over &&
                             bytes_since_keyframe_ >= (kKeyframeShare - 1) * keyframe_bytes_;
  const bool after_loss = keyframe_wanted_ && now.boottime_ns >= keyframe_ns_ + kLossKeyframe_ns;
  if (interval_over || after_loss) {
    keyframe_wanted_ = false;
    keyframe(interval_over ? "interval" : "loss", now);
  }
  write(now.boottime_ns);
  if (waiting_) return;
  if (encoder_.needs_header(now.boottime_ns)) begin_file("interval", now);
  sync_if_due(now.boottime_ns);
  check_path(now);
  // RLIMIT_FSIZE: only a new file goes on, if there is more room in it than for a beginning.
  const bool at_limit =
      last_error_ == EFBIG && file_.size() >= kLeastAside + kKeyframeShare * keyframe_bytes_;
  if (file_.is_stdout() || (last_error_ != 0 && !at_limit)) return;
  const Rotation& rotation = options_.rotation;
  const bool too_large = rotation.max_bytes != 0 && file_.size() >= rotation.max_bytes &&
                         file_.size() >= kKeyframeShare * keyframe_bytes_;
  const bool too_old = rotation.max_age_ns != 0 && now.boottime_ns >= file_began_ns_ + rotation.max_age_ns;
  if (too_large || too_old || at_limit) rotate(now);
}

void LogFile::write_if(size_t most, uint64_t now_ns) {
  if (buffer_.size() >= most) write(now_ns);
}

uint64_t LogFile::clock_ns() const {
  return hooks_.clock ? hooks_.clock() : sys::boottime_ns();
}

// Leaves the disk alone for a while when it is slow, so that events go on being taken from the kernel.
void LogFile::write(uint64_t now_ns) {
  waiting_ = rests_until_ns_ != 0 && !file_.is_stdout() && clock_ns() < rests_until_ns_;
  if (!waiting_) return write_now(now_ns);
  if (buffer_.size() < options_.most_waiting_bytes) return;
  waiting_ = false;
  drop(0, now_ns);
  warn(now_ns,
       fmt::format("event log {}: the disk is too slow; tracing goes on, {} events not written so far",
                   options_.path, events_dropped_));
}

void LogFile::write_now(uint64_t now_ns) {
  waiting_ = false;
  if (buffer_.empty()) return;
  if (last_error_ != 0 && now_ns < retry_ns_) {
    drop(0, now_ns);
    return;
  }
  const uint64_t began_ns = clock_ns();
  const AppendFile::Wrote wrote = try_write(now_ns);
  note_duration(began_ns, clock_ns());
  unsynced_ |= wrote.bytes > 0;
  bytes_since_keyframe_ += wrote.bytes;
  lead_written(wrote.bytes);
  const int error_before = std::exchange(last_error_, wrote.error);
  if (wrote.error != 0) {
    retry_ns_ = now_ns + kRetry_ns;
    drop(wrote.bytes, now_ns);
    const std::string what =
        low_space_ ? fmt::format("less than {} MiB free", options_.rotation.min_free_bytes >> 20)
                   : std::strerror(wrote.error);
    warn(now_ns, fmt::format("event log {}: {}; tracing goes on, {} events not written so far", options_.path,
                             what, events_dropped_));
    return;
  }
  empty_batch(buffer_, kMostKept);
  header_bytes_ = lead_bytes_ = 0;
  if (error_before != 0)
    warn(now_ns, fmt::format("event log {}: writing again; {} events were not written", options_.path,
                             events_dropped_));
}

void LogFile::note_duration(uint64_t began_ns, uint64_t ended_ns) {
  rests_until_ns_ = 0;
  const uint64_t took_ns = ended_ns - began_ns;
  if (took_ns < kSlow_ns) return;
  const uint64_t paid_ns = (ended_ns - slow_at_ns_) / kSlowShare;
  slow_ns_ = std::min(took_ns + (slow_ns_ > paid_ns ? slow_ns_ - paid_ns : 0),
                      kSlowAtOnce_ns + kLongestRest_ns / kSlowShare);
  slow_at_ns_ = ended_ns;
  if (slow_ns_ > kSlowAtOnce_ns) rests_until_ns_ = ended_ns + (slow_ns_ - kSlowAtOnce_ns) * kSlowShare;
}

AppendFile::Wrote LogFile::try_write(uint64_t now_ns) {
  if (path_is_gone_) return {.bytes = 0, .error = ENOENT};
  if (!has_room(now_ns)) return {.bytes = 0, .error = ENOSPC};
  return file_.write(buffer_);
}

// What goes into a file without a name is lost when it is closed. A file that has taken the place of ours is left
// to SIGHUP.
void LogFile::check_path(Moment now) {
  const uint64_t interval_ns = path_is_gone_ ? kRetry_ns : kPathInterval_ns;
  if (file_.is_stdout() || now.boottime_ns < path_checked_ns_ + interval_ns) return;
  path_checked_ns_ = now.boottime_ns;
  if (file_.notice_cut()) return begin_anew(now);
  struct stat info {};
  if (!path_is_gone_ && lstat(options_.path.c_str(), &info) == 0) return;
  const Result<void> reopened = reopen(now);
  path_is_gone_ = !reopened;
  warn(now.boottime_ns, reopened ? "event log " + options_.path + " was removed; it goes on in a new file"
                                 : reopened.error().message + "; tracing goes on");
}

// The header and the table are gone; the lines that were lost show as missing numbers.
void LogFile::begin_anew(Moment now) {
  warn(now.boottime_ns, "event log " + options_.path +
                            " was truncated by somebody, and lines are lost; use SIGHUP instead of "
                            "copytruncate");
  ++options_.header.segment;
  begin_file("truncated", now);
  write_now(now.boottime_ns);
}

// Asked once a second, oftener while there is none. The oldest files make room, on the other thread.
bool LogFile::has_room(uint64_t now_ns) {
  const uint64_t floor = options_.rotation.min_free_bytes;
  if (floor == 0 || file_.is_stdout()) return true;
  if (space_checked_ns_ != 0 && now_ns < space_checked_ns_ + (low_space_ ? kRetry_ns : kSpaceInterval_ns))
    return !low_space_;
  space_checked_ns_ = now_ns;
  const Result<FreeSpace> space = free_space(options_.path);
  const bool was_low = std::exchange(low_space_, space && space->free_bytes < floor);
  if (low_space_ && !was_low)
    compressor_.run_or_do(
        [path = options_.path, rotation = options_.rotation] { (void)tidy(path, rotation); });
  return !low_space_;
}

// Forgets what is in buffer_ behind its first `written` bytes, and puts the record that says so in front of
// what comes next.
void LogFile::drop(size_t written, uint64_t now_ns) {
  const Lines dropped = count(std::string_view(buffer_).substr(std::max(written, lead_bytes_)));
  if (dropped.records > 0) {
    if (missing_.count == 0) {
      missing_seq_ = encoder_.next_seq() - dropped.records;
      missing_.where = "disk";
      missing_.from_ns = now_ns;
    }
    missing_.count += dropped.records;
    missing_.time_ns = missing_.to_ns = now_ns;
    events_dropped_ += dropped.events;
  }
  rebuild_lead();
}

void LogFile::warn(uint64_t now_ns, const std::string& message) {
  if (!hooks_.warn || (warned_ns_ != 0 && now_ns < warned_ns_ + kWarnInterval_ns)) return;
  warned_ns_ = now_ns;
  hooks_.warn(message);
}

void LogFile::tell_sync_error(uint64_t now_ns) {
  if (const int error = sync_error_->exchange(0); error != 0)
    warn(now_ns, fmt::format("event log {}: sync: {}; what was written before may be lost", options_.path,
                             std::strerror(error)));
}

void LogFile::sync_if_due(uint64_t now_ns) {
  tell_sync_error(now_ns);
  if (file_.is_stdout() || !unsynced_) return;
  if (!sync_now_ && now_ns < synced_ns_ + options_.sync_interval_ns) return;
  if (sync_queued_->exchange(true)) return;  // the disk is slow: one sync at a time
  synced_ns_ = now_ns;
  unsynced_ = sync_now_ = false;
  syncer_.run_or_do([fd = file_.descriptor(), queued = sync_queued_, error = sync_error_] {
    queued->store(false);
    if (fdatasync(fd->get()) != 0) *error = errno;
  });
}

// Of a file that was made or put aside; its contents alone are not found again after a loss of power.
void LogFile::sync_name() {
  if (file_.is_stdout()) return;
  syncer_.run_or_do([path = options_.path] { (void)sync_directory_of(path); });
}

// Trailer of a file that is left in order.
void LogFile::end_file(Moment now, std::optional<RecordCounts> records) {
  encoder_.trailer(buffer_, {now.boottime_ns, encoder_.events(), events_dropped_ + events_lost_, records});
  write_now(now.boottime_ns);
  if (!file_.is_stdout())
    syncer_.run_or_do([fd = file_.descriptor(), error = sync_error_] {
      if (fsync(fd->get()) != 0) *error = errno;
    });
}

void LogFile::rotate(Moment now) {
  if (!file_.is_at(options_.path)) {
    if (Result<void> reopened = reopen(now); !reopened) warn(now.boottime_ns, reopened.error().message);
    return;
  }
  const std::string rotated = rotated_path(options_.path, file_began_realtime_ns_, next_number_);
  if (Result<void> renamed = put_aside(options_.path, rotated); !renamed) {
    warn(now.boottime_ns, renamed.error().message);
    file_began_ns_ = now.boottime_ns;  // not again at once
    return;
  }
  ++next_number_;
  options_.header.previous = rotated.substr(rotated.rfind('/') + 1);
  if (Result<void> reopened = reopen(now); !reopened) warn(now.boottime_ns, reopened.error().message);
  compressor_.run_or_do([path = options_.path, rotation = options_.rotation] { (void)tidy(path, rotation); });
}

Result<void> LogFile::reopen(Moment now) {
  if (file_.is_stdout() || file_.is_at(options_.path)) return {};
  Result<AppendFile> next = AppendFile::open(options_.path);
  if (!next) return std::move(next.error());
  path_is_gone_ = false;
  end_file(now, std::nullopt);
  file_ = std::move(*next);
  sync_name();
  retry_ns_ = 0;
  ++options_.header.segment;
  begin_file("rotate", now);
  write_now(now.boottime_ns);
  return {};
}

void LogFile::close(Moment now, std::optional<RecordCounts> records) {
  write_now(now.boottime_ns);
  end_file(now, records);
  syncer_.wait();
  tell_sync_error(now.boottime_ns);
  compressor_.wait();
}

}  // namespace socktrace::sink
