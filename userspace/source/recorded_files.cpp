#include "source/recorded_files.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <utility>

#include "core/log/decode.h"
#include "core/log/front.h"
#include "core/log/lines.h"
#include "core/time.h"
#include "sys/file.h"

namespace socktrace::source {
namespace {

constexpr std::string_view kCompressed = ".zst";
constexpr std::string_view kPlain = ".jsonl";
constexpr size_t kLongestFirstLine = 16 << 10;
constexpr uint64_t kSlack_ns = 1'000'000'000;  // clocks are slewed, and events are older than their lines

std::string without_compressed(std::string path) {
  if (path.ends_with(kCompressed)) path.resize(path.size() - kCompressed.size());
  return path;
}

bool is_log_name(std::string_view name) {
  if (name.ends_with(kCompressed)) name.remove_suffix(kCompressed.size());
  return name.ends_with(kPlain) && !name.starts_with('.');
}

bool is_regular(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

// Sorted: a plain file comes before its compressed twin.
Result<std::vector<std::string>> logs_in(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(directory.c_str()), closedir);
  if (!stream) return Error::system("read event logs in " + directory, errno);
  std::vector<std::string> paths;
  while (const dirent* entry = readdir(stream.get())) {
    std::string path = directory + "/" + entry->d_name;
    if (is_log_name(entry->d_name) && is_regular(path)) paths.push_back(std::move(path));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// Of the first line whose front is readable, behind `piece` too; 0: there is none.
Result<uint64_t> first_time_in(sys::LogBytes& bytes, std::string_view piece) {
  LineSplitter lines;
  uint64_t time_ns = 0;
  while (!piece.empty()) {
    lines.feed(piece, [&](const LogLine& line) {
      if (time_ns != 0) return;
      if (const std::optional<LineFront> front = line_front(line.text))
        if (const Result<uint64_t> time = parse_rfc3339(front->ts)) time_ns = *time;
    });
    if (time_ns != 0) break;
    const Result<std::string_view> next = bytes.next();
    if (!next) return Error{next.error()};
    piece = *next;
  }
  return time_ns;
}

Result<RecordedFile> look_into(const std::string& path) {
  RecordedFile file;
  file.name = file.path = path;
  if (is_stream(file)) return file;
  Result<sys::LogBytes> bytes = sys::LogBytes::open(path);
  if (!bytes) return std::move(bytes.error());
  Result<std::string_view> piece = bytes->next();
  if (!piece) return std::move(piece.error());
  file.first_line = first_line_of(*piece);
  LogDecoder decoder;
  if (Result<LogRecord> record = decoder.decode(piece->substr(0, piece->find('\n'))))
    if (auto* header = std::get_if<LogHeader>(&record->body)) file.header = std::move(*header);
  if (file.header && file.header->realtime_ns != 0) {
    file.began_ns = file.header->realtime_ns;
    return file;
  }
  Result<uint64_t> began = first_time_in(*bytes, *piece);
  if (!began) return std::move(began.error());
  file.began_ns = *began;
  return file;
}

// What is in one directory. A file that is put aside while the names are read may be missing among them, and the one that
// has taken its place is found instead: they are read again until nothing is new.
class Directory {
 public:
  explicit Directory(RecordedFiles& recorded) : recorded_(recorded) {}

  Result<void> list(const std::string& directory) {
    constexpr int kMostRounds = 10;
    for (bool again = true; again && round_ < kMostRounds; ++round_) {
      Result<std::vector<std::string>> paths = logs_in(directory);
      if (!paths) return std::move(paths.error());
      again = false;
      for (const std::string& path : *paths) again |= take(path);
    }
    if (known_.empty()) return Error{"no event log (*.jsonl, *.jsonl.zst) in " + directory};
    return {};
  }

 private:
  // True when it is new.
  bool take(const std::string& path) {
    if (known_.contains(without_compressed(path))) return false;
    Result<RecordedFile> file = look_into(path);
    if (!file && sys::is_gone(file.error())) return true;  // compressed or deleted meanwhile
    known_.insert(without_compressed(path));
    if (!file) {
      recorded_.messages.push_back(std::move(file.error().message));
      return true;
    }
    const bool is_first = file->first_line.empty() || first_lines_.insert(file->first_line).second;
    if (is_first || round_ == 0) recorded_.files.push_back(std::move(*file));  // else it was put aside since
    return true;
  }

  RecordedFiles& recorded_;
  int round_ = 0;
  std::set<std::string> known_;  // names without .zst
  std::set<std::string> first_lines_;
};

// The boot, the run and the number of a file, and how long after the beginning of the boot it was begun.
struct Place {
  std::string host;
  std::string boot;
  std::string session;
  uint32_t segment = 0;
  uint64_t boottime_ns = 0;
};

Place place_of(const LogHeader& header) {
  return {header.host_id, header.boot_id, header.session, header.segment, header.boottime_ns};
}

// A file without a header goes on with the one that was begun before it.
Place place_by_time(const RecordedFile& file, const std::vector<RecordedFile>& files) {
  const RecordedFile* before = nullptr;
  for (const RecordedFile& other : files)
    if (other.header && other.began_ns <= file.began_ns &&
        (before == nullptr || other.began_ns > before->began_ns))
      before = &other;
  return before != nullptr ? place_of(*before->header) : Place{};
}

// Boots by the wall time when their last file was begun, which has been corrected longest; runs within a boot by the time since
// its beginning, which nobody can set; files of a run by their number.
void sort_by_writing(std::vector<RecordedFile>& files) {
  struct Last {
    uint64_t boottime_ns = 0;
    uint64_t began_ns = 0;
  };
  std::map<std::pair<std::string, std::string>, Last> boots;
  std::map<std::string, uint64_t> sessions;  // and their beginnings
  std::vector<std::pair<Place, RecordedFile>> placed;
  for (RecordedFile& file : files) {
    Place place = file.header ? place_of(*file.header) : place_by_time(file, files);
    placed.emplace_back(std::move(place), RecordedFile{});
  }
  for (size_t i = 0; i < files.size(); ++i) placed[i].second = std::move(files[i]);
  for (const auto& [place, file] : placed) {
    Last& last = boots[{place.host, place.boot}];
    if (place.boottime_ns >= last.boottime_ns) last = {place.boottime_ns, file.began_ns};
    const auto [known, is_new] = sessions.try_emplace(place.session, place.boottime_ns);
    if (!is_new) known->second = std::min(known->second, place.boottime_ns);
  }
  const auto key = [&](const std::pair<Place, RecordedFile>& one) {
    const Place& place = one.first;
    return std::tuple(boots[{place.host, place.boot}].began_ns, std::tie(place.host, place.boot),
                      sessions[place.session], std::tie(place.session, place.segment), one.second.began_ns);
  };
  std::ranges::stable_sort(placed, [&](const auto& a, const auto& b) { return key(a) < key(b); });
  for (size_t i = 0; i < files.size(); ++i) files[i] = std::move(placed[i].second);
}

// From CLOCK_BOOTTIME to wall time.
int64_t offset_of(const LogHeader& header) {
  return static_cast<int64_t>(header.realtime_ns - header.boottime_ns);
}

// Between two files of a run the clock was set once at most: all times are by the clock before, or by that after.
void set_bounds(std::vector<RecordedFile>& files) {
  for (size_t i = 0; i + 1 < files.size(); ++i) {
    const std::optional<LogHeader>& header = files[i].header;
    const std::optional<LogHeader>& next = files[i + 1].header;
    if (!header || !next || header->session != next->session || header->boot_id != next->boot_id) continue;
    const auto [least, most] = std::minmax({offset_of(*header), offset_of(*next)});
    const uint64_t earliest_ns = header->boottime_ns + static_cast<uint64_t>(least);
    files[i].earliest_ns = earliest_ns - std::min(earliest_ns, kSlack_ns);
    files[i].latest_ns = next->boottime_ns + static_cast<uint64_t>(most) + kSlack_ns;
  }
}

// A file that the recorder was just compressing is there twice; the plain one is complete.
void drop_twins(std::vector<RecordedFile>& files) {
  std::set<std::string> all;
  for (const RecordedFile& file : files) all.insert(file.path);
  std::erase_if(files, [&](const RecordedFile& file) {
    return file.path.ends_with(kCompressed) && all.contains(without_compressed(file.path));
  });
}

// Another file may have its name by now.
Result<sys::LogBytes> open_as(const RecordedFile& file, const std::string& path) {
  Result<sys::LogBytes> bytes = sys::LogBytes::open(path);
  if (!bytes || file.first_line.empty()) return bytes;
  const Result<std::string_view> piece = bytes->peek();
  if (!piece) return Error{piece.error()};
  if (!piece->starts_with(file.first_line)) return Error::system("read event log " + path, ENOENT);
  return bytes;
}

// "socktrace-20260920T030000Z-000012.jsonl": it keeps that name until it is compressed or deleted.
bool is_put_aside(std::string_view path) {
  path.remove_suffix(std::min(kPlain.size(), path.size()));
  const size_t digits = path.size() - 1 - std::min(path.find_last_not_of("0123456789"), path.size() - 1);
  path.remove_suffix(digits);
  return digits >= 6 && path.ends_with("Z-");
}

// Where a file that is not at its path any more may be; the likeliest first.
std::vector<std::string> other_places(const RecordedFile& file) {
  const std::string plain = without_compressed(file.path);
  std::vector<std::string> places = {plain + std::string(kCompressed)};
  if (is_put_aside(plain)) return places;
  const size_t slash = file.path.rfind('/');
  Result<std::vector<std::string>> paths =
      logs_in(slash == std::string::npos ? "." : file.path.substr(0, slash));
  if (!paths) return places;
  std::ranges::reverse(*paths);
  for (const std::string& path : *paths) {
    places.push_back(path);
    if (!path.ends_with(kCompressed))
      places.push_back(path + std::string(kCompressed));  // it may become that meanwhile
  }
  return places;
}

// Of the last readable line in a text that begins anywhere; 0: there is none.
uint64_t last_time_in(std::string_view text) {
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

}  // namespace

std::string first_line_of(std::string_view piece) {
  return std::string(piece.substr(0, std::min(piece.find('\n'), kLongestFirstLine)));
}

bool is_stream(const RecordedFile& file) {
  struct stat status {};
  return file.path == "-" || (stat(file.path.c_str(), &status) == 0 && !S_ISREG(status.st_mode));
}

Result<RecordedFiles> list_recorded_files(const std::vector<std::string>& paths) {
  RecordedFiles recorded;
  for (const std::string& path : paths) {
    struct stat status {};
    if (path != "-" && stat(path.c_str(), &status) != 0)
      return Error::system("read event log " + path, errno);
    if (S_ISDIR(status.st_mode)) {
      if (Result<void> listed = Directory(recorded).list(path); !listed) return std::move(listed.error());
      continue;
    }
    Result<RecordedFile> file = look_into(path);
    if (!file) return std::move(file.error());
    recorded.files.push_back(std::move(*file));
  }
  if (recorded.files.empty()) return Error{recorded.messages.front()};
  drop_twins(recorded.files);
  sort_by_writing(recorded.files);
  set_bounds(recorded.files);
  return recorded;
}

Result<sys::LogBytes> open_recorded(const RecordedFile& file) {
  Result<sys::LogBytes> bytes = open_as(file, file.path);
  if (bytes || !sys::is_gone(bytes.error())) return bytes;
  for (const std::string& path : other_places(file))
    if (Result<sys::LogBytes> found = open_as(file, path)) return found;
  return bytes;
}

uint64_t last_time_in(const RecordedFile& file) {
  constexpr uint64_t kTail = 64 << 10;
  if (is_stream(file)) return 0;
  if (!file.path.ends_with(kCompressed))
    if (const Result<std::string> tail = sys::read_tail(file.path, kTail)) return last_time_in(*tail);
  uint64_t time_ns = 0;
  Result<sys::LogBytes> bytes = open_recorded(file);
  while (bytes) {
    const Result<std::string_view> piece = bytes->next();
    if (!piece || piece->empty()) break;
    if (const uint64_t last_ns = last_time_in(*piece); last_ns != 0) time_ns = last_ns;
  }
  return time_ns;
}

}  // namespace socktrace::source
