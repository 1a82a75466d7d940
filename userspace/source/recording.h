#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/log/reader.h"
#include "core/log/replay.h"
#include "core/result.h"

namespace socktrace::source {

// A file of a recording, as its first line and its last tell.
struct RecordedFile {
  std::string path;  // "-": standard input
  std::string session;
  uint32_t segment = 0;
  uint64_t began_ns = 0;  // wall time of its header; 0: no readable header
  uint64_t ended_ns = 0;  // of its last line, or when it was last written; 0 unknown
};

// Event logs that are read as one, in the order in which they were written: runs of the recorder by their
// beginning, the files of a run by their number.
class Recording {
 public:
  // Each of `paths` is a file, plain or zstd, a directory with such files (*.jsonl, *.jsonl.zst), or "-" for
  // standard input. A file that is there both plain and compressed is read once.
  static Result<Recording> open(const std::vector<std::string>& paths);

  [[nodiscard]] const std::vector<RecordedFile>& files() const { return files_; }
  // Wall time of the last record, as far as it is known without reading everything; 0 unknown.
  [[nodiscard]] uint64_t ended_ns() const;

  // What was wrong goes to `messages`: where, and what was skipped. An error is a file that cannot be read.
  struct Damage {
    bool found = false;
    std::vector<std::string> messages;
  };

  // Every record of the wall times from..until (0: open), file after file; files that cannot hold any are not
  // opened. False from the sink ends the reading. `more`, when given, is asked at the end of the last file: true
  // when what has been written since is to be read, there or in the file that has taken its place.
  using RecordSink = std::function<bool(LogRecord&& record, const LogReader& reader)>;
  Result<void> read(uint64_t from_ns, uint64_t until_ns, Damage& damage, const RecordSink& sink,
                    const std::function<bool()>& more = nullptr) const;

  // The table at a moment (wall time; nothing: at the end), read from no more files than it takes.
  Result<LogReplay> table_at(std::optional<uint64_t> at_ns, Damage& damage) const;

 private:
  std::vector<RecordedFile> files_;
};

}  // namespace socktrace::source
