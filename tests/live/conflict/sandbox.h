#pragma once

#include <cstdint>
#include <string>

#include "diagnose/host_facts.h"
#include "sys/unique_fd.h"

namespace socktrace::test {

// A network namespace of our own: loopback, a veth with addresses, and listeners to connect to. The process
// stays in it until it makes the next; the namespace and its TIME_WAITs end with the last socket in it.
class Sandbox {
 public:
  static constexpr uint16_t kServerPort = 60000;
  static constexpr diagnose::PortRange kClientPorts{50000, 59999};

  Sandbox();

  void set_local_ports(diagnose::PortRange range);
  void set_unprivileged_start(uint16_t port);

  // The facts as the reader under test sees them, with the ports set above.
  [[nodiscard]] diagnose::HostFacts facts() const;
  [[nodiscard]] uint32_t loopback() const { return loopback_; }
  [[nodiscard]] uint32_t device() const { return device_; }
  // Accepts the connection just made to kServerPort, of either family.
  [[nodiscard]] sys::UniqueFd accept() const;

 private:
  diagnose::HostFacts facts_;
  uint32_t loopback_ = 0;
  uint32_t device_ = 0;
  sys::UniqueFd server_;
  sys::UniqueFd local_ports_;
  sys::UniqueFd unprivileged_;
};

}  // namespace socktrace::test
