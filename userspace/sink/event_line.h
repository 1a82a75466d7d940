#pragma once

#include <cstdint>
#include <string>

#include "core/event.h"
#include "core/time.h"

namespace socktrace::sink {

struct LineStyle {
  bool utc = false;        // clock times in UTC, else in the zone of the process
  bool color = false;      // ANSI colours on the glyph and the event word; the text is the same without
  uint32_t own_netns = 0;  // sockets of other network namespaces say which; 0: none do
};

// One event as it is shown live and by `socktrace log`, with its newline:
//
//   HH:MM:SS.ffffff GLYPH EVENT  LOCAL[ PEER]/PROTO  [ERROR  ]PROCESS[pid][†][ +N] USER UNIT[  DETAILS]
//
// Two spaces separate the groups, none occurs within one; EVENT is padded to 11 cells. GLYPH is + new, -
// gone, ~ changed, x failed, ! notice, so that colour is never the only sign. † marks a process that has
// exited, +N counts further owners, and a socket without an owner says why (?permission ?kernel ?netns
// ?exited ?unaccepted). A failed bind or listen is followed by one indented block for each conflict:
//
//   03:12:07.123456 x BIND FAILED  0.0.0.0:8080/tcp  EADDRINUSE  node[1234] deploy myapp.service
//       held by  nginx[991] root nginx.service  LISTEN 0.0.0.0:8080  fd 6  since 09:14:02 (1d17h)
//       why      same port, overlapping address, neither socket has SO_REUSEPORT
//       next     systemctl status nginx.service
//
// "since ≥09:14:02 (≥1d17h)": the socket is older than the trace.
void append_event_line(std::string& out, const Event& event, const WallClock& clock, const LineStyle& style);

}  // namespace socktrace::sink
