#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "sys/unique_fd.h"

namespace socktrace::sys {

// openat() with O_CLOEXEC; the error names `path` and keeps errno.
Result<UniqueFd> open_at(int dir, const char* path, int flags);
// Everything from the present offset to the end, at most `limit` bytes. Small files of /proc and /sys come
// whole in one read, so that their parts belong together.
Result<std::string> read_all(int fd, size_t limit = size_t{1} << 20);
Result<std::string> read_file_at(int dir, const char* path, size_t limit = size_t{1} << 20);
// The last `limit` bytes of a regular file, or all of a smaller one.
Result<std::string> read_tail(const std::string& path, size_t limit);
// The target of a symbolic link.
Result<std::string> read_link_at(int dir, const char* path);

// Calls `visit` with every name of the directory but "." and ".." until it returns false. getdents64 into one
// buffer: no allocation per name, and unlike readdir() usable on a borrowed descriptor, which is rewound
// first. The name is NUL-terminated and valid during the call; `type` is DT_*.
Result<void> for_each_name(int dir, const std::function<bool(const char* name, unsigned char type)>& visit);

// The file, process or cgroup has ceased to exist.
bool is_gone(const Error& error);  // ENOENT, ESRCH, ENODEV
// It exists, but we may not look at it.
bool is_denied(const Error& error);  // EACCES, EPERM
// Says nothing about it: we lack descriptors or memory.
bool is_shortage(const Error& error);  // EMFILE, ENFILE, ENOMEM

}  // namespace socktrace::sys
