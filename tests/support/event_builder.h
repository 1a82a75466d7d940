#pragma once

#include <string>
#include <vector>

#include "core/event.h"

namespace socktrace::test {

// A process with the identity that tests compare: pid, name and a start time derived from the pid.
Process process(uint32_t pid, std::string name, std::string user = "", std::string unit = "");

// IPv4 or IPv6 endpoint from text: "127.0.0.1:80", "[::1]:80", "0.0.0.0:*".
Endpoint endpoint(const std::string& text);
Family family_of(const std::string& text);

// Sockets and events as the tracker would make them, one call per fact that matters to the test.
class EventBuilder {
 public:
  explicit EventBuilder(EventKind kind, const std::string& local = "127.0.0.1:8080");

  EventBuilder& peer(const std::string& peer);
  EventBuilder& cookie(uint64_t cookie);
  EventBuilder& udp();
  EventBuilder& state(State state, State previous = State::none);
  EventBuilder& at(uint64_t time_ns);
  EventBuilder& opened(uint64_t opened_ns, bool is_bound = false);
  EventBuilder& by(Process process, int32_t fd = -1);
  EventBuilder& owned_by(Process process, int32_t fd = -1, OwnerSource source = OwnerSource::call,
                         bool exited = false);
  EventBuilder& ownerless(NoOwner reason);
  EventBuilder& error(int32_t error, bool inferred = false);
  EventBuilder& lived(uint64_t lifetime_ns, bool is_bound = false);
  EventBuilder& stats(TcpStats stats);
  EventBuilder& conflict(Socket holder, std::string reason, std::string why, std::string next);

  Event event;

  operator Event() const { return event; }
};

// A socket that holds a port, for conflicts and rows.
Socket holder(const std::string& local, State state, Process owner, int32_t fd, uint64_t opened_ns);

// Field-by-field equality, processes by value; the first difference as text, empty when equal.
std::string difference(const Socket& a, const Socket& b);
std::string difference(const Event& a, const Event& b);

// Any event of any kind with every field set to something, valid in itself. Bytes of names are arbitrary.
class RandomEvents {
 public:
  explicit RandomEvents(uint64_t seed) : state_(seed) {}
  Event next();
  Socket socket();
  std::string bytes(size_t max_length);
  uint64_t number(uint64_t below);

 private:
  ProcessRef process();
  Owner owner();

  uint64_t state_;
};

}  // namespace socktrace::test
