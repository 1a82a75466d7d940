#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/log/reader.h"
#include "core/log/replay.h"
#include "core/result.h"
#include "source/recorded_files.h"
#include "sys/unique_fd.h"

namespace socktrace::source {

// Event logs that are read as one, in the order in which they were written.
class Recording {
 public:
  // As list_recorded_files().
  static Result<Recording> open(std::vector<std::string> paths);

  [[nodiscard]] const std::vector<RecordedFile>& files() const { return files_; }
  // Wall time of the last record, as far as it is known without reading everything; 0 unknown.
  [[nodiscard]] uint64_t ended_ns();

  // What was wrong goes to `messages`: where, and what was skipped. An error is a file that cannot be read.
  struct Damage {
    bool found = false;
    std::vector<std::string> messages;
  };

  // Every record of the wall times from..until (0: open), file after file; files that cannot hold any are not
  // opened. False from the sink ends the reading. `more`, when given, is asked at the end of the last file, when all damage
  // so far is told: true when what has been written since is to be read, there or in files that have followed it.
  using RecordSink = std::function<bool(LogRecord&& record, const LogReader& reader)>;
  Result<void> read(uint64_t from_ns, uint64_t until_ns, Damage& damage, const RecordSink& sink,
                    const std::function<bool()>& more = nullptr) const;

  // The table at a moment (wall time; nothing: at the end), read from no more files than it takes.
  Result<LogReplay> table_at(std::optional<uint64_t> at_ns, Damage& damage);

 private:
  Result<void> spool_streams();
  void tell_unread(Damage& damage) const;
  Result<LogReplay> try_table_at(std::optional<uint64_t> at_ns, Damage& damage) const;

  std::vector<std::string> paths_;
  std::vector<RecordedFile> files_;
  std::vector<std::string> unread_;    // messages about files that cannot be read
  std::vector<sys::UniqueFd> spools_;  // what can be read only once
  std::optional<uint64_t> ended_ns_;
};

}  // namespace socktrace::source
