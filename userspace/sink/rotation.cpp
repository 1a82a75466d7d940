#include "sink/rotation.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <tuple>

#include "core/time.h"
#include "sink/compress.h"
#include "sys/unique_fd.h"

namespace socktrace::sink {
namespace {

constexpr std::string_view kExtension = ".jsonl";
constexpr std::string_view kCompressed = ".zst";
constexpr std::string_view kPattern =
    "-ddddddddTddddddZ-";  // d: a digit; a number of six digits or more follows
constexpr size_t kLeastDigits = 6;

// "socktrace" of "/var/log/socktrace.jsonl".
std::string stem_of(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  if (name.ends_with(kExtension)) name.resize(name.size() - kExtension.size());
  return name;
}

bool is_like(std::string_view text, std::string_view pattern) {
  return std::equal(text.begin(), text.end(), pattern.begin(), pattern.end(), [](char c, char expected) {
    return expected == 'd' ? c >= '0' && c <= '9' : c == expected;
  });
}

// Nothing: it was not put aside for `stem`.
std::optional<uint64_t> number_in(std::string_view name, std::string_view stem) {
  if (!name.starts_with(stem)) return std::nullopt;
  name.remove_prefix(stem.size());
  if (name.ends_with(kCompressed)) name.remove_suffix(kCompressed.size());
  if (!name.ends_with(kExtension)) return std::nullopt;
  name.remove_suffix(kExtension.size());
  if (!is_like(name.substr(0, kPattern.size()), kPattern)) return std::nullopt;
  name.remove_prefix(kPattern.size());
  uint64_t number = 0;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (name.size() < kLeastDigits || failure != std::errc{} || end != name.data() + name.size())
    return std::nullopt;
  return number;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> sync_directory_of(const std::string& path) {
  const std::string directory = directory_of(path);
  const sys::UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || fsync(fd.get()) != 0) return Error::system("sync " + directory, errno);
  return {};
}

std::string rotated_path(const std::string& path, uint64_t began_realtime_ns, uint64_t number) {
  const std::string time = format_rfc3339(began_realtime_ns);  // 2026-09-20T03:00:00.000000Z
  return fmt::format("{}/{}-{}{}{}T{}{}{}Z-{:06}{}", directory_of(path), stem_of(path), time.substr(0, 4),
                     time.substr(5, 2), time.substr(8, 2), time.substr(11, 2), time.substr(14, 2),
                     time.substr(17, 2), number, kExtension);
}

Result<void> put_aside(const std::string& path, const std::string& rotated) {
  if (renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, rotated.c_str(), RENAME_NOREPLACE) == 0) return {};
  return Error::system("rename event log " + path + " to " + rotated, errno);
}

Result<std::vector<RotatedFile>> rotated_files(const std::string& path) {
  const std::unique_ptr<DIR, CloseDirectory> directory(opendir(directory_of(path).c_str()));
  if (!directory) return Error::system("list " + directory_of(path), errno);
  const std::string stem = stem_of(path);
  std::vector<RotatedFile> files;
  while (const dirent* entry = readdir(directory.get())) {
    struct stat info {};
    const std::optional<uint64_t> number = number_in(entry->d_name, stem);
    if (!number) continue;
    if (fstatat(dirfd(directory.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISREG(info.st_mode)) continue;
    files.push_back({entry->d_name, *number, static_cast<uint64_t>(info.st_size),
                     std::string_view(entry->d_name).ends_with(kCompressed)});
  }
  std::ranges::sort(files, {}, [](const RotatedFile& file) { return std::tie(file.number, file.name); });
  return files;
}

Result<FreeSpace> free_space(const std::string& path) {
  struct statvfs info {};
  const std::string directory = directory_of(path);
  if (statvfs(directory.c_str(), &info) != 0) return Error::system("file system of " + directory, errno);
  return FreeSpace{uint64_t{info.f_bavail} * info.f_frsize, uint64_t{info.f_blocks} * info.f_frsize};
}

Result<void> tidy(const std::string& path, const Rotation& rotation) {
  const std::string directory = directory_of(path) + "/";
  Result<std::vector<RotatedFile>> files = rotated_files(path);
  if (!files) return std::move(files.error());
  for (size_t i = 0; rotation.compress && i + 1 < files->size(); ++i) {
    if ((*files)[i].compressed) continue;
    const std::string plain = directory + (*files)[i].name;
    Result<void> compressed = compress_log(plain, plain + std::string(kCompressed));
    if (!compressed) return std::move(compressed.error()).within("compress event log");
  }
  files = rotated_files(path);
  if (!files) return std::move(files.error());
  uint64_t total = 0;
  for (const RotatedFile& file : *files) total += file.bytes;
  const auto wants_room = [&] {
    if (rotation.total_bytes != 0 && total > rotation.total_bytes) return true;
    if (rotation.min_free_bytes == 0) return false;
    const Result<FreeSpace> space = free_space(path);
    return space && space->free_bytes < rotation.min_free_bytes;
  };
  for (const RotatedFile& file : *files) {
    if (!wants_room()) break;
    if (unlink((directory + file.name).c_str()) != 0)
      return Error::system("delete old event log " + file.name, errno);
    total -= file.bytes;
  }
  return {};
}

}  // namespace socktrace::sink
