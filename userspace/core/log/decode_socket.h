#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/log/fields.h"
#include "core/time.h"

namespace socktrace {

// How the times of a line are to be read.
struct LineTimes {
  bool has_t0 =
      false;  // a header has told it; without, times relative to it cannot be used and wall times serve
  uint64_t t0_ns = 0;
  WallClock clock;
};

// Nothing but pid and name: as an event has its own process among the owners.
inline bool is_named_only(const Process& process) {
  return process.uid == UINT32_MAX && process.start_ns == 0;
}

// Reads the parts of a record that describe sockets and processes.
class SocketReader {
 public:
  explicit SocketReader(FieldReader& fields) : fields_(fields) {}

  bool network(JsonValue& value, Socket& socket, State& previous);
  // A socket without changed_ns keeps 0 there. What its network namespace is called goes to `netns_name`.
  bool socket(JsonValue& value, Socket& socket, const LineTimes& times, std::string& netns_name);
  // `tid` as well, which is not part of a Process.
  bool process(JsonValue& value, ProcessRef& process, uint32_t& tid);
  // An owner that is_named_only() may be the process of the event.
  bool owners(JsonValue& value, std::vector<Owner>& owners);
  bool conflicts(JsonValue& value, std::vector<Conflict>& conflicts, const LineTimes& times);

 private:
  struct ProcessText {
    uint32_t pid = 0;
    uint32_t tid = 0;
    uint64_t start_ns = 0;
    uint32_t uid = UINT32_MAX;
    std::string_view name, executable, user, cgroup, unit, container;
  };
  bool process_field(std::string_view key, JsonValue& value, ProcessText& text);
  bool nested(std::string_view key, JsonValue& value, std::string_view inner, std::string_view& out);
  bool intern(ProcessText& text, ProcessRef& process);
  bool options(JsonValue& value, BindOptions& options);
  bool owner(JsonObject& object, Owner& owner);
  bool parents(JsonValue& value, std::vector<Ancestor>& parents);
  bool conflict(JsonValue& value, Conflict& conflict, const LineTimes& times);

  struct Thread {
    ProcessRef process;
    uint32_t tid = 0;
  };

  static constexpr size_t kRecent = 1024;

  FieldReader& fields_;
  std::array<ProcessRef, kRecent> recent_;  // by pid: the same process is one object, as when it was recorded
  std::array<std::string, 6> unescaped_;
  Memo<Thread, kRecent> known_threads_;
  Memo<Owner, kRecent> known_owners_;
  Memo<BindOptions, 16> known_options_;
};

}  // namespace socktrace
