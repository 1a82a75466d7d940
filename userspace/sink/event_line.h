#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/event.h"
#include "core/log/record.h"
#include "core/netns_names.h"
#include "core/time.h"

namespace socktrace::sink {

struct LineStyle {
  bool utc = false;    // clock times in UTC, else in the zone of the process
  bool color = false;  // ANSI colours on the glyph and the event word; the text is the same without
  const NetnsNames* netns = nullptr;  // sockets of other network namespaces say which; null: none do
};

// One event as it is shown live and by `socktrace log`, with its newline:
//
//   HH:MM:SS.ffffff GLYPH EVENT  LOCAL[ PEER]/PROTO  [ERROR  ]PROCESS[pid][†][ +N] USER UNIT[  DETAILS]
//
// Two spaces separate the groups, none occurs within one; EVENT is padded to 11 cells. GLYPH is + new, -
// gone, ~ changed, x failed, ! notice, so that colour is never the only sign. † marks a process that has
// exited, "! any iface" a listener that other hosts may reach (core/reach.h), +N counts further owners, and a socket without an owner says why (?permission ?kernel ?netns
// ?exited ?unaccepted). A failed bind or listen is followed by one indented block for each conflict:
//
//   03:12:07.123456 x BIND FAILED  0.0.0.0:8080/tcp  EADDRINUSE  node[1234] deploy myapp.service
//       held by  nginx[991] root nginx.service  LISTEN 0.0.0.0:8080  fd 6  since 09:14:02 (1d17h)
//       command  nginx: master process /usr/sbin/nginx
//       chain    systemd[1] → nginx[991]
//       why      same port, overlapping address, neither socket has SO_REUSEPORT
//       next     systemctl status nginx.service
//       again    failed 3 times in 40s
//
// Lines that would say nothing are left out.
// "since ≥09:14:02 (≥1d17h)": the socket is older than the trace.
void append_event_line(std::string& out, const Event& event, const WallClock& clock, const LineStyle& style);

// The indented lines about one holder, or about a reason without holder.
void append_conflict(std::string& out, const Conflict& conflict, uint64_t now_ns, const WallClock& clock,
                     const LineStyle& style);

// A socket and who holds it, as under a failed bind, without a newline; `now_ns` (CLOCK_BOOTTIME) is what its age
// counts to:
//
//   nginx[991] root nginx.service  LISTEN 0.0.0.0:8080  fd 6  since 09:14:02 (1d17h)
//
// A socket that nobody saw open says "process since" with the start of its process.
void append_holder(std::string& out, const Socket& holder, uint64_t now_ns, const WallClock& clock,
                   const LineStyle& style);

// Records of the log that are no events:
//
//   HH:MM:SS.ffffff ! LOST         412 events (ringbuf)  since 03:12:05.100000
//   HH:MM:SS.ffffff ! CLOCK        set back by 15s
void append_loss_line(std::string& out, const LogLoss& loss, const WallClock& clock, const LineStyle& style);
void append_clock_line(std::string& out, const LogClock& step, const WallClock& clock,
                       const LineStyle& style);
// "HH:MM:SS.ffffff ! WORD  TEXT": what has to be said about the recording itself; the text is escaped.
void append_notice_line(std::string& out, uint64_t time_ns, std::string_view word, std::string_view text,
                        const WallClock& clock, const LineStyle& style);

}  // namespace socktrace::sink
