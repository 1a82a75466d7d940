#include "source/recording.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <utility>

#include "core/log/decode.h"
#include "core/log/front.h"
#include "core/time.h"
#include "sys/file.h"
#include "sys/log_bytes.h"
#include "sys/worker.h"

namespace socktrace::source {
namespace {

constexpr std::string_view kCompressed = ".zst";

bool is_log_name(std::string_view name) {
  if (name.ends_with(kCompressed)) name.remove_suffix(kCompressed.size());
  return name.ends_with(".jsonl") && !name.starts_with('.');
}

Result<std::vector<std::string>> logs_in(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(directory.c_str()), closedir);
  if (!stream) return Error::system("read event logs in " + directory, errno);
  std::vector<std::string> paths;
  while (const dirent* entry = readdir(stream.get()))
    if (is_log_name(entry->d_name)) paths.push_back(directory + "/" + entry->d_name);
  if (paths.empty()) return Error{"no event log (*.jsonl, *.jsonl.zst) in " + directory};
  std::sort(paths.begin(), paths.end());
  return paths;
}

// The wall time in the last whole line of a plain file; 0 when it cannot be told.
uint64_t last_time_in(const std::string& path) {
  constexpr uint64_t kTail = 64 << 10;
  Result<std::string> tail = sys::read_tail(path, kTail);
  if (!tail) return 0;
  std::string_view text = *tail;
  text = text.substr(0, text.rfind('\n'));
  while (!text.empty()) {
    const size_t newline = text.rfind('\n');
    const std::string_view line = newline == std::string_view::npos ? text : text.substr(newline + 1);
    if (const std::optional<LineFront> front = line_front(line))
      if (const Result<uint64_t> time = parse_rfc3339(front->ts)) return *time;
    text = newline == std::string_view::npos ? std::string_view() : text.substr(0, newline);
  }
  return 0;
}

// Calls `sink` with the text of a file; false from it ends the reading.
Result<void> for_each_piece(sys::LogBytes& bytes, const std::function<bool(std::string_view)>& sink) {
  for (;;) {
    Result<std::string_view> piece = bytes.next();
    if (!piece) return std::move(piece.error());
    if (piece->empty() || !sink(*piece)) return {};
  }
}

// What can be read only once, as a file that can be read again.
Result<std::string> spool(const std::string& path, sys::UniqueFd& held) {
  Result<sys::LogBytes> bytes = sys::LogBytes::open(path);
  if (!bytes) return std::move(bytes.error());
  held = sys::UniqueFd(open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!held) held = sys::UniqueFd(memfd_create("socktrace-log", MFD_CLOEXEC));
  if (!held) return Error::system("make a temporary file for " + path, errno);
  std::optional<Error> failure;
  Result<void> read = for_each_piece(*bytes, [&](std::string_view piece) {
    while (!piece.empty()) {
      const ssize_t written = write(held.get(), piece.data(), piece.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) failure = Error::system("write a temporary file for " + path, errno);
      if (written < 0) return false;
      piece.remove_prefix(static_cast<size_t>(written));
    }
    return true;
  });
  if (!read) return std::move(read.error());
  if (failure) return std::move(*failure);
  return fmt::format("/proc/self/fd/{}", held.get());
}

bool can_be_read_again(const std::string& path) {
  struct stat status {};
  return path != "-" && (stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode));
}

// Who wrote it and when; a file without a readable header is still read.
Result<RecordedFile> look_into(const std::string& path) {
  RecordedFile file;
  file.path = path;
  if (!can_be_read_again(path)) return file;
  Result<sys::LogBytes> bytes = sys::LogBytes::open(path);
  if (!bytes) return std::move(bytes.error());
  Result<std::string_view> piece = bytes->next();
  if (!piece) return std::move(piece.error());
  const std::string_view first = piece->substr(0, piece->find('\n'));
  LogDecoder decoder;
  if (const Result<LogRecord> record = decoder.decode(first))
    if (const auto* header = std::get_if<LogHeader>(&record->body)) {
      file.session = header->session;
      file.segment = header->segment;
      file.began_ns = header->realtime_ns;
    }
  if (!path.ends_with(kCompressed)) file.ended_ns = last_time_in(path);
  struct stat status {};
  if (file.ended_ns == 0 && stat(path.c_str(), &status) == 0)
    file.ended_ns = static_cast<uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000 +
                    static_cast<uint64_t>(status.st_mtim.tv_nsec);
  return file;
}

void sort_by_writing(std::vector<RecordedFile>& files) {
  std::map<std::string, uint64_t> session_began;
  for (const RecordedFile& file : files) {
    const auto [known, is_new] = session_began.try_emplace(file.session, file.began_ns);
    if (!is_new) known->second = std::min(known->second, file.began_ns);
  }
  std::stable_sort(files.begin(), files.end(), [&](const RecordedFile& a, const RecordedFile& b) {
    return std::tuple(session_began[a.session], a.session, a.segment) <
           std::tuple(session_began[b.session], b.session, b.segment);
  });
}

// A file that the recorder was just compressing is there twice; the plain one is complete.
void drop_twins(std::vector<std::string>& paths) {
  const std::set<std::string> all(paths.begin(), paths.end());
  std::erase_if(paths, [&](const std::string& path) {
    return path.ends_with(kCompressed) && all.contains(path.substr(0, path.size() - kCompressed.size()));
  });
}

// 0: there is none.
uint64_t inode_of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

// Decoding takes most of the time of reading a log, and its lines are independent of each other.
class DecodeJobs {
 public:
  [[nodiscard]] size_t count() const { return workers_.size() + 1; }

  void run(size_t count, const std::function<void(size_t)>& job) {
    for (size_t i = 1; i < count; ++i) workers_[i - 1].run_or_do([&job, i] { job(i); });
    job(0);
    for (size_t i = 1; i < count; ++i) workers_[i - 1].wait();
  }

 private:
  static constexpr unsigned kMost = 4;

  std::vector<sys::Worker> workers_{std::clamp(std::thread::hardware_concurrency(), 1u, kMost) - 1};
};

// "3 records"
std::string counted(uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// What one file added to a report.
void tell_damage(const RecordedFile& file, const LogReport& before, const LogReport& after,
                 const sys::LogBytes& bytes, Recording::Damage& damage) {
  std::vector<std::string> found;
  if (const uint64_t lines = after.damaged_lines - before.damaged_lines; lines > 0)
    found.push_back(fmt::format("{} skipped, the first is line {} at byte {}: {}",
                                counted(lines, "damaged line"), after.damaged_line, after.damaged_offset,
                                after.damage));
  if (const uint64_t newer = after.newer_lines - before.newer_lines; newer > 0)
    found.push_back(fmt::format("{} of version {} of the log skipped: a newer socktrace has written them",
                                counted(newer, "line"), after.newer_version));
  if (const uint64_t torn = after.torn_bytes - before.torn_bytes; torn > 0)
    found.push_back(fmt::format("the last line is torn, {} skipped: its writer was killed, or is writing",
                                counted(torn, "byte")));
  if (const uint64_t missing = after.missing_records - before.missing_records; missing > 0)
    found.push_back(counted(missing, "record") + " missing, in it or before it");
  if (after.repeated_records > before.repeated_records)
    found.push_back("it repeats earlier records: was a file given twice?");
  if (bytes.damaged_frames() > 0)
    found.push_back(fmt::format("{} skipped, {}", counted(bytes.damaged_frames(), "damaged zstd frame"),
                                counted(bytes.skipped_bytes(), "compressed byte")));
  for (const std::string& text : found) damage.messages.push_back(file.path + ": " + text);
  damage.found |= !found.empty();
}

Result<LogSurvey> survey_file(const std::string& path, std::optional<uint64_t> at_ns) {
  LogSurvey survey(at_ns);
  Result<sys::LogBytes> bytes = sys::LogBytes::open(path);
  if (!bytes) return std::move(bytes.error());
  Result<void> read = for_each_piece(*bytes, [&](std::string_view piece) {
    survey.feed(piece);
    return true;
  });
  if (!read) return std::move(read.error());
  return survey;
}

// Bytes begin..end of a file.
Result<void> replay_file(const RecordedFile& file, const std::string& path, uint64_t begin, uint64_t end,
                         LogReplay& replay, Recording::Damage& damage) {
  Result<sys::LogBytes> bytes = sys::LogBytes::open(path);
  if (!bytes) return std::move(bytes.error());
  const LogReport before = replay.report();
  uint64_t offset = bytes->skip(begin);  // of the next piece
  Result<void> read = for_each_piece(*bytes, [&](std::string_view piece) {
    const uint64_t from = std::clamp(begin, offset, offset + piece.size()) - offset;
    const uint64_t to = std::clamp(end, offset, offset + piece.size()) - offset;
    offset += piece.size();
    replay.feed(piece.substr(from, to - from));
    return offset < end;
  });
  if (!read) return read;
  replay.end_file();
  tell_damage(file, before, replay.report(), *bytes, damage);
  return {};
}

}  // namespace

Result<Recording> Recording::open(const std::vector<std::string>& paths) {
  std::vector<std::string> found;
  for (const std::string& path : paths) {
    struct stat status {};
    if (path != "-" && stat(path.c_str(), &status) != 0)
      return Error::system("read event log " + path, errno);
    if (!S_ISDIR(status.st_mode)) {
      found.push_back(path);
      continue;
    }
    Result<std::vector<std::string>> logs = logs_in(path);
    if (!logs) return std::move(logs.error());
    found.insert(found.end(), logs->begin(), logs->end());
  }
  drop_twins(found);
  Recording recording;
  for (const std::string& path : found) {
    Result<RecordedFile> file = look_into(path);
    if (!file) return std::move(file.error());
    recording.files_.push_back(std::move(*file));
  }
  sort_by_writing(recording.files_);
  return recording;
}

uint64_t Recording::ended_ns() const {
  return files_.empty() ? 0 : files_.back().ended_ns;
}

Result<void> Recording::read(uint64_t from_ns, uint64_t until_ns, Damage& damage, const RecordSink& sink,
                             const std::function<bool()>& more) const {
  DecodeJobs jobs;
  LogReader reader(jobs.count(), [&](size_t count, const auto& job) { jobs.run(count, job); });
  reader.set_window(from_ns, until_ns);
  bool wanted = true;
  const auto feed = [&](std::string_view piece) {
    reader.feed(piece, [&](LogRecord&& record) { wanted = wanted && sink(std::move(record), reader); });
  };
  for (size_t i = 0; i < files_.size() && wanted; ++i) {
    const RecordedFile& file = files_[i];
    const bool is_last = i + 1 == files_.size();
    const bool is_early = from_ns != 0 && file.ended_ns != 0 && file.ended_ns < from_ns;
    const bool is_late = until_ns != 0 && file.began_ns > until_ns;
    if ((is_early && !(is_last && more)) || is_late) {
      reader.forget_position();
      continue;
    }
    for (bool again = true; again && wanted;) {
      again = false;
      const uint64_t inode = inode_of(file.path);
      Result<sys::LogBytes> bytes = sys::LogBytes::open(file.path);
      if (!bytes) return std::move(bytes.error());
      const LogReport before = reader.report();
      while (wanted) {
        Result<std::string_view> piece = bytes->next();
        if (!piece) return std::move(piece.error());
        feed(*piece);
        if (!piece->empty()) continue;
        if (!is_last || !more || !more()) break;
        again = inode_of(file.path) != inode && inode_of(file.path) != 0;
        if (!again) continue;
        // Put aside: the rest of it, then the file that has its name now.
        for (piece = bytes->next(); piece && !piece->empty(); piece = bytes->next()) feed(*piece);
        break;
      }
      if (wanted) reader.end_file();
      tell_damage(file, before, reader.report(), *bytes, damage);
    }
  }
  if (reader.report().hosts > 1)
    damage.messages.push_back(
        fmt::format("these are logs of {} hosts, one after another", reader.report().hosts));
  return {};
}

Result<LogReplay> Recording::table_at(std::optional<uint64_t> at_ns, Damage& damage) const {
  // The last file that began before the moment has it, unless its first keyframe is unfinished.
  size_t last = files_.size() - 1;
  while (at_ns && last > 0 && files_[last].began_ns > *at_ns) --last;
  std::vector<std::string> paths;
  std::vector<sys::UniqueFd> spools(last + 1);
  for (size_t i = 0; i <= last; ++i) {
    Result<std::string> path =
        can_be_read_again(files_[i].path) ? files_[i].path : spool(files_[i].path, spools[i]);
    if (!path) return std::move(path.error());
    paths.push_back(std::move(*path));
  }
  DecodeJobs jobs;
  for (size_t first = last;; --first) {
    LogReplay replay(jobs.count(), [&](size_t count, const auto& job) { jobs.run(count, job); });
    Damage here;
    for (size_t i = first; i <= last; ++i) {
      Result<LogSurvey> survey = survey_file(paths[i], i == last ? at_ns : std::nullopt);
      if (!survey) return std::move(survey.error());
      if (i == first) replay.begin_at(*survey);
      Result<void> read = replay_file(files_[i], paths[i], i == first ? survey->start().offset : 0,
                                      survey->end(), replay, here);
      if (!read) return std::move(read.error());
    }
    if (!replay.is_complete() && first > 0) continue;
    damage.found |= here.found;
    damage.messages.insert(damage.messages.end(), here.messages.begin(), here.messages.end());
    return replay;
  }
}

}  // namespace socktrace::source
