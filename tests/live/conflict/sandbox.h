#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "diagnose/host_facts.h"
#include "sys/unique_fd.h"

namespace socktrace::test {

// A network namespace of our own: loopback, a veth with addresses, and listeners to connect to. The process
// stays in it until it makes the next; the namespace and its TIME_WAITs end with the last socket in it.
class Sandbox {
 public:
  static constexpr uint16_t kFirstServerPort = 60000;
  static constexpr diagnose::PortRange kClientPorts{50000, 59999};

  Sandbox();

  void set_local_ports(diagnose::PortRange range);
  void set_unprivileged_start(uint16_t port);

  // The facts as the reader under test sees them, with the ports set above.
  [[nodiscard]] diagnose::HostFacts facts() const;
  [[nodiscard]] uint32_t loopback() const { return loopback_; }
  [[nodiscard]] uint32_t device() const { return device_; }
  // The port of another server each time: a connect() to the server of a TIME_WAIT on its own port would end
  // that.
  uint16_t next_server();
  // Accepts the connection just made to it, of either family.
  [[nodiscard]] sys::UniqueFd accept() const;

 private:
  diagnose::HostFacts facts_;
  uint32_t loopback_ = 0;
  uint32_t device_ = 0;
  std::array<sys::UniqueFd, 8> servers_;
  size_t server_ = 0;
  sys::UniqueFd local_ports_;
  sys::UniqueFd unprivileged_;
};

}  // namespace socktrace::test
