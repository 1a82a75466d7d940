#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace socktrace::sink {

// When a log file is put aside, and how many of those stay.
struct Rotation {
  uint64_t max_bytes = 64 << 20;             // 0: never because of its size
  uint64_t max_age_ns = 86'400'000'000'000;  // 0: never because of its age
  uint64_t total_bytes = uint64_t{1} << 30;  // of the files put aside; the oldest go first. 0: all stay
  bool compress = true;                      // all but the newest of them
  // What stays free on the file system: the oldest files put aside go first, then writing stops until there is
  // room. kAutomatic: a twentieth of it, at most 1 GiB.
  static constexpr uint64_t kAutomatic = UINT64_MAX;
  uint64_t min_free_bytes = 0;
};

// "/var/log" of "/var/log/socktrace.jsonl", "." of a bare name.
std::string directory_of(const std::string& path);
// Makes a new name of `path` last through a loss of power.
Result<void> sync_directory_of(const std::string& path);

// Where the file at `path` goes: beside it, "socktrace-20260920T030000Z-000012.jsonl" for "socktrace.jsonl".
// Such names do not match a shipper's pattern for the live file. The numbers go on over all runs and tell the order of
// writing, which the time does not when somebody sets the clock.
std::string rotated_path(const std::string& path, uint64_t began_realtime_ns, uint64_t number);
// Renames without ever replacing a file.
Result<void> put_aside(const std::string& path, const std::string& rotated);

struct RotatedFile {
  std::string name;  // without directory
  uint64_t number = 0;
  uint64_t bytes = 0;
  bool compressed = false;

  bool operator==(const RotatedFile&) const = default;
};
// The files that were put aside for `path`, oldest first.
Result<std::vector<RotatedFile>> rotated_files(const std::string& path);

struct FreeSpace {
  uint64_t free_bytes = 0;  // for who is not root
  uint64_t total_bytes = 0;
};
// Of the file system that `path`'s directory is on.
Result<FreeSpace> free_space(const std::string& path);

// Compresses and deletes as `rotation` asks. Slow; for a Worker.
Result<void> tidy(const std::string& path, const Rotation& rotation);

}  // namespace socktrace::sink
