#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/log/record.h"
#include "core/result.h"
#include "sys/log_bytes.h"

namespace socktrace::source {

// A file of a recording, as its first lines tell.
struct RecordedFile {
  std::string name;                 // as the user knows it; "-": standard input
  std::string path;                 // of the text
  std::string first_line;           // no other file has it; empty: there was none yet
  std::optional<LogHeader> header;  // nothing: it is damaged, or came after other lines
  uint64_t began_ns = 0;            // wall time of its first readable line; 0: unknown

  // No record in it is earlier or later (wall time), as far as the headers around it tell. A clock that was set twice
  // within one file is not seen.
  uint64_t earliest_ns = 0;
  uint64_t latest_ns = UINT64_MAX;
};

struct RecordedFiles {
  std::vector<RecordedFile> files;    // in the order in which they were written
  std::vector<std::string> messages;  // about files in directories that cannot be read
};

// Each of `paths` is a file, plain or zstd, a directory with such files (*.jsonl, *.jsonl.zst), or "-" for standard
// input. A file that is there both plain and compressed is listed once; in a directory what is no regular file is passed
// over. A recorder may put files aside, compress and delete them meanwhile.
Result<RecordedFiles> list_recorded_files(const std::vector<std::string>& paths);

// Opens it wherever it is by now: put aside or compressed. sys::is_gone(error): it was deleted.
Result<sys::LogBytes> open_recorded(const RecordedFile& file);

// Wall time of the last line that is readable; 0: there is none. Reads a compressed file to its end.
uint64_t last_time_in(const RecordedFile& file);

// What identifies a file, of the beginning of its text.
std::string first_line_of(std::string_view piece);

// Its text can be read only once: standard input, a FIFO.
bool is_stream(const RecordedFile& file);

}  // namespace socktrace::source
