#include "source/recording.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <thread>
#include <utility>

#include "sys/file.h"
#include "sys/worker.h"

namespace socktrace::source {
namespace {

using PieceSink = std::function<bool(std::string_view)>;  // false ends the reading

// Calls `sink` with the text of a file, to its end.
Result<void> for_each_piece(sys::LogBytes& bytes, const PieceSink& sink) {
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

// The threads that help to read a log. Decoding takes most of the time, and its lines are independent of each other.
class Helpers {
 public:
  [[nodiscard]] size_t decoders() const { return workers_.size() + 1; }

  // LogReader::RunJobs
  void decode(size_t count, const std::function<void(size_t)>& job) {
    for (size_t i = 1; i < count; ++i) workers_[i - 1].run_or_do([&job, i] { job(i); });
    job(0);
    for (size_t i = 1; i < count; ++i) workers_[i - 1].wait();
  }

  // Reads on to the end while `sink` works on what was read.
  Result<void> read(sys::LogBytes& bytes, const PieceSink& sink) {
    Result<std::string_view> piece = bytes.next();
    while (piece && !piece->empty()) {
      std::optional<Result<std::string_view>> following;
      if (!workers_.empty()) workers_.front().run_or_do([&] { following = bytes.next(); });
      const bool more = sink(*piece);
      if (!workers_.empty()) workers_.front().wait();
      if (!more) return {};
      piece = following ? *std::move(following) : bytes.next();
    }
    if (!piece) return std::move(piece.error());
    return {};
  }

 private:
  static constexpr unsigned kMost = 4;

  std::vector<sys::Worker> workers_{std::clamp(std::thread::hardware_concurrency(), 1u, kMost) - 1};
};

// "3 records"
std::string counted(uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// What has become known of one file since `before` of the report, and of its frames.
void tell_damage(const RecordedFile& file, const LogReport& before, const LogReport& after,
                 uint64_t damaged_frames, uint64_t skipped_bytes, Recording::Damage& damage) {
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
  if (damaged_frames > 0)
    found.push_back(fmt::format("{} skipped, {}", counted(damaged_frames, "damaged zstd frame"),
                                counted(skipped_bytes, "compressed byte")));
  for (const std::string& text : found) damage.messages.push_back(file.name + ": " + text);
  damage.found |= !found.empty();
}

// As an error, is_gone().
Error deleted(const RecordedFile& file) {
  return {file.name + ": the recorder has deleted it meanwhile, to keep within --keep or --min-free",
          ErrorKind::general, ENOENT};
}

// One reading of all files.
class Pass {
 public:
  Pass(uint64_t from_ns, uint64_t until_ns, Recording::Damage& damage, const Recording::RecordSink& sink,
       const std::function<bool()>& more)
      : from_ns_(from_ns), until_ns_(until_ns), damage_(damage), sink_(sink), more_(more) {
    reader_.set_window(from_ns, until_ns);
  }

  // `paths`: where files that follow on these are found.
  Result<void> run(std::vector<RecordedFile> files, const std::vector<std::string>& paths) {
    for (size_t i = 0; i < files.size() && wanted_; ++i) {
      if (!may_hold_wanted(files[i])) {
        reader_.forget_position();
        continue;
      }
      Result<sys::LogBytes> bytes = open_recorded(files[i]);
      if (!bytes && sys::is_gone(bytes.error())) {
        damage_.messages.push_back(deleted(files[i]).message);
        reader_.forget_position();
        continue;
      }
      if (!bytes) return std::move(bytes.error());
      told_ = reader_.report();
      told_frames_ = told_bytes_ = 0;
      Result<void> read = read_on(files[i], *bytes);
      const bool goes_on = more_ && i + 1 == files.size() && !is_stream(files[i]);
      if (read && goes_on) read = follow(i, *bytes, files, paths);
      if (!read) return read;
      if (wanted_) reader_.end_file();
      tell(files[i], *bytes);
    }
    if (reader_.report().hosts > 1)
      damage_.messages.push_back(
          fmt::format("these are logs of {} hosts, one after another", reader_.report().hosts));
    return {};
  }

 private:
  [[nodiscard]] bool may_hold_wanted(const RecordedFile& file) const {
    return (from_ns_ == 0 || file.latest_ns >= from_ns_) && (until_ns_ == 0 || file.earliest_ns <= until_ns_);
  }

  // To where it ends now.
  Result<void> read_on(RecordedFile& file, sys::LogBytes& bytes) {
    const auto take = [&](std::string_view piece) {
      if (file.first_line.empty()) file.first_line = first_line_of(piece);
      reader_.feed(piece,
                   [&](LogRecord&& record) { wanted_ = wanted_ && sink_(std::move(record), reader_); });
      return wanted_;
    };
    // Of a stream, what follows may be long in coming.
    return is_stream(file) ? for_each_piece(bytes, take) : helpers_.read(bytes, take);
  }

  // Until it has been put aside, and `files` is longer, or no more is wanted.
  Result<void> follow(size_t at, sys::LogBytes& bytes, std::vector<RecordedFile>& files,
                      const std::vector<std::string>& paths) {
    for (bool put_aside = false; wanted_ && !put_aside;) {
      tell(files[at], bytes);
      if (!more_()) return {};
      put_aside = access(files[at].path.c_str(), F_OK) == 0 && !bytes.is_at(files[at].path);
      if (put_aside && !more_()) return {};  // it is ended only after the next one has been begun
      if (Result<void> read = read_on(files[at], bytes); !read) return read;
    }
    while (wanted_ && !add_newer(files, paths))
      if (!more_()) return {};
    return {};
  }

  // False when there is none yet.
  static bool add_newer(std::vector<RecordedFile>& files, const std::vector<std::string>& paths) {
    Result<RecordedFiles> now = list_recorded_files(paths);
    if (!now) return false;
    const size_t before = files.size();
    for (RecordedFile& file : now->files) {
      const bool is_known =
          std::ranges::any_of(files.begin(), files.begin() + static_cast<ptrdiff_t>(before),
                              [&](const RecordedFile& known) { return known.first_line == file.first_line; });
      if (!is_known) files.push_back(std::move(file));
    }
    return files.size() > before;
  }

  void tell(const RecordedFile& file, const sys::LogBytes& bytes) {
    tell_damage(file, told_, reader_.report(), bytes.damaged_frames() - told_frames_,
                bytes.skipped_bytes() - told_bytes_, damage_);
    told_ = reader_.report();
    told_frames_ = bytes.damaged_frames();
    told_bytes_ = bytes.skipped_bytes();
  }

  uint64_t from_ns_;
  uint64_t until_ns_;
  Recording::Damage& damage_;
  const Recording::RecordSink& sink_;
  const std::function<bool()>& more_;
  Helpers helpers_;
  LogReader reader_{helpers_.decoders(),
                    [this](size_t count, const auto& job) { helpers_.decode(count, job); }};
  bool wanted_ = true;
  LogReport told_;  // and of the frames of the present file:
  uint64_t told_frames_ = 0;
  uint64_t told_bytes_ = 0;
};

Result<LogSurvey> survey_file(const RecordedFile& file, std::optional<uint64_t> at_ns) {
  LogSurvey survey(at_ns);
  Result<sys::LogBytes> bytes = open_recorded(file);
  if (!bytes) return std::move(bytes.error());
  Result<void> read = for_each_piece(*bytes, [&](std::string_view piece) {
    survey.feed(piece);
    return true;
  });
  if (!read) return std::move(read.error());
  return survey;
}

// Bytes begin..end of a file.
Result<void> replay_file(const RecordedFile& file, uint64_t begin, uint64_t end, LogReplay& replay,
                         Recording::Damage& damage, Helpers& helpers) {
  Result<sys::LogBytes> bytes = open_recorded(file);
  if (!bytes) return std::move(bytes.error());
  const LogReport before = replay.report();
  uint64_t offset = bytes->skip(begin);  // of the next piece
  Result<void> read = helpers.read(*bytes, [&](std::string_view piece) {
    const uint64_t from = std::clamp(begin, offset, offset + piece.size()) - offset;
    const uint64_t to = std::clamp(end, offset, offset + piece.size()) - offset;
    offset += piece.size();
    replay.feed(piece.substr(from, to - from));
    return offset < end;
  });
  if (!read) return read;
  replay.end_file();
  tell_damage(file, before, replay.report(), bytes->damaged_frames(), bytes->skipped_bytes(), damage);
  return {};
}

// The last file with a record that is not later, and where in it the table is found.
Result<size_t> find_table(const std::vector<RecordedFile>& files, std::optional<uint64_t> at_ns,
                          LogSurvey& survey) {
  for (size_t i = files.size() - 1;; --i) {
    if (i > 0 && at_ns && files[i].earliest_ns > *at_ns) continue;
    Result<LogSurvey> found = survey_file(files[i], at_ns);
    if (!found && sys::is_gone(found.error())) return deleted(files[i]);
    if (!found) return std::move(found.error());
    survey = std::move(*found);
    if (i == 0 || survey.end() > 0) return i;
  }
}

// From the last keyframe in the first file to where the survey of the last file ends. A file without a header is read from its
// beginning, so that its damage is told.
Result<void> replay_files(std::span<const RecordedFile> files, const LogSurvey& of_last, LogReplay& replay,
                          Recording::Damage& damage, Helpers& helpers) {
  for (const RecordedFile& file : files) {
    const bool is_last = &file == &files.back();
    uint64_t begin = 0;
    if (&file == &files.front() && file.header) {
      Result<LogSurvey> survey = is_last ? Result<LogSurvey>(of_last) : survey_file(file, std::nullopt);
      if (!survey) return std::move(survey.error());
      replay.begin_at(*survey);
      begin = survey->start().offset;
    }
    Result<void> read =
        replay_file(file, begin, is_last ? of_last.end() : UINT64_MAX, replay, damage, helpers);
    if (!read) return read;
  }
  return {};
}

// When another run of the recorder began right after what the survey of a file has found; 0: none did.
uint64_t next_run_ns(std::span<const RecordedFile> files, size_t at, const LogSurvey& survey,
                     const LogHeader& header) {
  if (survey.end() != UINT64_MAX || at + 1 == files.size()) return survey.next_run_ns();
  const std::optional<LogHeader>& next = files[at + 1].header;
  return next && next->session != header.session ? files[at + 1].began_ns : 0;
}

}  // namespace

Result<Recording> Recording::open(std::vector<std::string> paths) {
  Result<RecordedFiles> listed = list_recorded_files(paths);
  if (!listed) return std::move(listed.error());
  Recording recording;
  recording.paths_ = std::move(paths);
  recording.files_ = std::move(listed->files);
  recording.unread_ = std::move(listed->messages);
  return recording;
}

uint64_t Recording::ended_ns() {
  if (ended_ns_) return *ended_ns_;
  ended_ns_ = 0;
  for (size_t i = files_.size(); i > 0 && *ended_ns_ == 0; --i) ended_ns_ = last_time_in(files_[i - 1]);
  return *ended_ns_;
}

void Recording::tell_unread(Damage& damage) const {
  damage.found |= !unread_.empty();
  damage.messages.insert(damage.messages.end(), unread_.begin(), unread_.end());
}

Result<void> Recording::read(uint64_t from_ns, uint64_t until_ns, Damage& damage, const RecordSink& sink,
                             const std::function<bool()>& more) const {
  tell_unread(damage);
  return Pass(from_ns, until_ns, damage, sink, more).run(files_, paths_);
}

Result<void> Recording::spool_streams() {
  for (RecordedFile& file : files_) {
    if (!is_stream(file)) continue;
    Result<std::string> path = spool(file.path, spools_.emplace_back());
    if (!path) return std::move(path.error());
    file.path = std::move(*path);
  }
  return {};
}

// As the file that had the table is gone, another may have one of that moment, or the newest.
Result<LogReplay> Recording::table_at(std::optional<uint64_t> at_ns, Damage& damage) {
  constexpr int kMostTries = 5;
  if (Result<void> spooled = spool_streams(); !spooled) return std::move(spooled.error());
  for (int tries = 1;; ++tries) {
    Result<LogReplay> replay = try_table_at(at_ns, damage);
    if (replay || !sys::is_gone(replay.error()) || !spools_.empty() || tries == kMostTries) return replay;
    Result<RecordedFiles> listed = list_recorded_files(paths_);
    if (!listed) return std::move(listed.error());
    files_ = std::move(listed->files);
    ended_ns_.reset();
  }
}

// The file that is found has the table, unless the first keyframe there is unfinished; then those before it are read too.
Result<LogReplay> Recording::try_table_at(std::optional<uint64_t> at_ns, Damage& damage) const {
  LogSurvey survey(at_ns);
  Helpers helpers;
  const Result<size_t> last = find_table(files_, at_ns, survey);
  if (!last) return Error{last.error()};
  std::optional<LogReplay> replay;
  Damage of_replay;
  for (size_t first = *last + 1; first > 0 && !(replay && replay->is_complete()); --first) {
    LogReplay longer(helpers.decoders(), [&](size_t count, const auto& job) { helpers.decode(count, job); });
    Damage here;
    const std::span files = std::span(files_).subspan(first - 1, *last + 2 - first);
    Result<void> read = replay_files(files, survey, longer, here, helpers);
    if (!read && sys::is_gone(read.error())) {
      if (!replay) return deleted(files.front());
      of_replay.messages.push_back(deleted(files.front()).message);
      break;
    }
    if (!read) return std::move(read.error());
    replay = std::move(longer);
    of_replay = std::move(here);
  }
  replay->set_next_run(next_run_ns(files_, *last, survey, replay->header()));
  tell_unread(damage);
  damage.found |= of_replay.found;
  damage.messages.insert(damage.messages.end(), of_replay.messages.begin(), of_replay.messages.end());
  return std::move(*replay);
}

}  // namespace socktrace::source
