#pragma once

#include <string>
#include <vector>

#include "core/event.h"
#include "core/time.h"
#include "diagnose/host_facts.h"
#include "diagnose/port_answer.h"
#include "sink/event_line.h"

namespace socktrace::cli {

// The view that an answer is printed from: when it is of, and how times look.
struct WhyView {
  uint64_t now_ns = 0;  // CLOCK_BOOTTIME
  WallClock clock;
  sink::LineStyle style;
};

// One protocol's answer:
//
//   8080/tcp  taken: a bind fails with EADDRINUSE
//       held by  nginx[991] root nginx.service  LISTEN 0.0.0.0:8080  fd 6  process since 09:14:02 (1d17h)
//       command  nginx: master process /usr/sbin/nginx
//       why      same port, overlapping address, neither socket has SO_REUSEPORT
//       next     systemctl status nginx.service
//       works    [::]:8080 with IPV6_V6ONLY
//       note     no conflict, but in network namespace blue: nginx[1204] root  LISTEN 0.0.0.0:8080  fd 6
void append_answer(std::string& out, const diagnose::PortAnswer& answer, const diagnose::HostFacts& facts,
                   const WhyView& view);

// A process and the ports it holds: listeners and bound sockets one by one, connections by number.
void append_holdings(std::string& out, const Process& process, const std::vector<const Socket*>& sockets,
                     const NetnsNames& netns);

}  // namespace socktrace::cli
