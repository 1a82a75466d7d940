#include "cli/help.h"

namespace socktrace::cli {

std::string_view version_text() {
  return "socktrace " SOCKTRACE_VERSION "\n";
}

std::string_view help_text() {
  return R"(socktrace: which sockets exist, who owns them, what just happened to them

  sudo socktrace --listen             listeners now, then ports opening, closing
                                      and failing to open, with who holds them
  sudo socktrace                      listeners now, then everything that happens
  sudo socktrace -t dport = :443      HTTPS connections, as they come and go
  sudo socktrace -j | tee host.jsonl  the same as JSON Lines
  socktrace ss -tulnp                 the table, once, as ss prints it
  sudo socktrace record -o /var/log/socktrace        all day; then:
  socktrace ss --from /var/log/socktrace --at 03:12:07 -tanp

Usage: socktrace [OPTIONS] [FILTER]   table now, then live events until Ctrl-C
       socktrace ss [SS-OPTIONS] [FILTER]          the ss table, once
       socktrace record -o DIR [OPTIONS] [FILTER]  events into a log
       socktrace log [OPTIONS] [FILTER]            recorded events
       socktrace why WHERE      who holds a port, would a bind there work
       socktrace exposed        which ports other hosts may reach
       socktrace doctor         what works on this host, what does not

FILTER is ss's filter language: state established and ( dst 10.0.0.0/8 or
sport = :22 ). As in ss, `and` and `or` have equal precedence, left to right.

Which sockets (as in ss):
  -l, --listen, --listening   listeners and unconnected UDP; bind and listen
                              failures
  -a, --all                   listeners and connections
  -t, --tcp   -u, --udp   -w, --raw   -x, --unix   -4, --ipv4   -6, --ipv6
                              without any: TCP and UDP
  -N, --net NETNS   in that network namespace only: a name (ip netns), a pid, a
                    path, or self. Without: in all of the host, containers
                    included; what is elsewhere says where

What is printed:
  -1, --once        the table, then exit
      --no-table    events only
      --alert-only  only ports that other hosts may reach being opened, and
                    binds and listens that fail
  -H, --no-header   no column titles
  -r, --resolve     service names instead of port numbers
  -j, --json        JSON Lines (the schema of the log), table and events
      --utc         times in UTC
      --color=auto|always|never      NO_COLOR is honoured
  -q, --quiet       no messages but errors
      --verbose     say what every kernel hook does on this host

Recording and stopping:
  -L, --log FILE    also append every selected event to FILE as JSON Lines
      --for TIME    stop after 10s, 5m, 1h30m …
      --strict      exit 6 if events were lost

Tracing:
      --bind-result=auto|fexit|tracepoint|infer      where errno comes from
      --no-connections     with -l: leave connections alone, which costs a busy
                           host next to nothing; one that is in the way is
                           looked up when a bind fails
      --ring-size BYTES    kernel buffer, a power of two (default 8MiB)
      --audit TIME  compare the table with the kernel this often, mend and
                    report what differs (default in record: 60s; 0: never)

  -h, --help   -V, --version

Signals: SIGUSR1 prints the table again; SIGHUP reopens the log.

Exit status: 0 ok, 1 nothing found, 2 usage, 3 privileges missing, 4 tracing
unavailable, 5 damaged input, 6 events lost with --strict.
)";
}

}  // namespace socktrace::cli
