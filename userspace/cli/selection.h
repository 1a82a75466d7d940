#pragma once

#include "cli/trace_options.h"
#include "core/event.h"
#include "core/filter/filter.h"
#include "core/result.h"

namespace socktrace::cli {

// Which sockets and events trace mode shows: the option letters, then the ss filter. The same for table, lines and log.
class Selection {
 public:
  // Names of interfaces are those of the calling thread's network namespace.
  static Result<Selection> from(const TraceOptions& options);

  // Whether the table lists this socket.
  [[nodiscard]] bool lists(const Socket& socket) const;
  // Whether a log keeps it in its keyframes: every socket whose events are told.
  [[nodiscard]] bool records(const Socket& socket) const;
  // Whether this event is told.
  [[nodiscard]] bool tells(const Event& event) const;
  // False: no TCP or SCTP connection is ever told or listed, nor in the way of what is.
  [[nodiscard]] bool may_tell_connections() const { return tcp_ || raw_; }
  // For the log's header: the options and the filter, as they could be typed; empty: everything.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  [[nodiscard]] bool wants(const Socket& socket, const Event* event = nullptr) const;

  bool listening_only_ = false;
  bool alert_only_ = false;
  bool connections_in_table_ = false;
  bool listeners_in_table_ = false;
  bool connected_only_ = false;
  bool tcp_ = false;
  bool udp_ = false;
  bool raw_ = false;
  bool unix_ = false;
  bool ipv4_ = true;
  bool ipv6_ = true;
  std::string text_;
  Filter filter_;
};

}  // namespace socktrace::cli
