#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/log/json_writer.h"
#include "core/log/record.h"
#include "core/netns_names.h"
#include "core/time.h"

namespace socktrace {

// Writes the lines of an event log, socktrace.v1 (man/socktrace-log.5), one JSON object and a newline each.
// Nothing is allocated per event besides what `out` needs, once the buffers have grown.
//
// Every record but the header spends one sequence number; a record that is then not written leaves a gap, and
// a LogLoss with where = "disk" must follow. decode() gives back what was encoded, with these exceptions:
// bytes of an address beyond its family's length, an empty SocketDetails, a tid without a process and an
// inferred mark without an error are dropped, and changed_ns 0 becomes the time of the record.
class LogEncoder {
 public:
  // What the lines call the network namespaces of others; null: nothing. It must outlive the encoder.
  explicit LogEncoder(const NetnsNames* netns = nullptr) : netns_(netns) {}

  // Sets the clock and the zero of t_ns for the lines that follow; next_seq is filled in when it is 0.
  void header(std::string& out, const LogHeader& header);
  void event(std::string& out, const Event& event);
  void keyframe_begin(std::string& out, const KeyframeBegin& mark);
  void row(std::string& out, const Socket& socket, uint64_t time_ns);
  void keyframe_end(std::string& out, const KeyframeEnd& mark);
  void loss(std::string& out, const LogLoss& loss);
  // In place of records that were numbered but not written: `first_seq` is the number of the first of them.
  void loss_at(std::string& out, const LogLoss& loss, uint64_t first_seq);
  // The clock for the lines that follow, if a header stands before them: else all their times are wall times.
  void clock(std::string& out, const LogClock& clock);
  void audit(std::string& out, const LogAudit& audit);
  void trailer(std::string& out, const LogTrailer& trailer);
  // What `why --json` prints, with the names of the log: "k" is "why". `asked` has the socket asked about, the errno
  // that a bind would get (0: none) and the conflicts; `holders` are other sockets on the port, `elsewhere` those
  // in other network namespaces.
  void bind_answer(std::string& out, const Event& asked, const std::vector<std::string>& works_with,
                   const std::vector<const Socket*>& holders, const std::vector<const Socket*>& elsewhere);
  // A socket as `exposed --json` prints it: "k" is "exposed".
  void exposed(std::string& out, const Socket& row, std::string_view reach, bool allowed, uint64_t time_ns);

  [[nodiscard]] uint64_t next_seq() const { return next_seq_; }
  [[nodiscard]] uint64_t events() const { return events_; }  // event and conn lines so far
  // A header with a new t0 has to come before records of this time (52 days after t0), so that t_ns stays a
  // number.
  [[nodiscard]] bool needs_header(uint64_t time_ns) const {
    return time_ns > t0_ns_ && time_ns - t0_ns_ > JsonWriter::kExact / 2;
  }

 private:
  void begin(std::string_view kind, uint64_t time_ns) { begin(kind, time_ns, next_seq_++); }
  void begin(std::string_view kind, uint64_t time_ns, uint64_t seq);
  void finish(std::string& out);
  std::string_view timestamp(uint64_t boottime_ns);
  void network(const Socket& socket, State previous, std::string_view direction);
  void socket(const Socket& socket, uint64_t time_ns);
  void process_fields(const Process& process);
  void owners(const Socket& socket, const ProcessRef& known);
  void holder(const Socket& holder, uint64_t time_ns);
  void error(const Event& event);
  void conflict(const Conflict& conflict, uint64_t time_ns);

  const NetnsNames* netns_;
  JsonWriter json_;
  bool has_header_ = false;
  WallClock clock_;
  uint64_t t0_ns_ = 0;
  uint64_t next_seq_ = 1;
  uint64_t events_ = 0;
  uint64_t timestamp_second_ = UINT64_MAX;
  std::string timestamp_;  // of the last call; its date and time are kept while the second does not change
  std::string message_;
};

}  // namespace socktrace
