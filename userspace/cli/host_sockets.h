#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/process.h"
#include "core/result.h"
#include "core/socket.h"
#include "core/state.h"
#include "enrich/processes.h"
#include "source/owners.h"

namespace socktrace::cli {

// TCP and UDP sockets of this host as they are now, with owners and who these are: for verbs that look once.
class HostSockets {
 public:
  struct Request {
    StateMask states = (StateMask{1} << kStateCount) - 1;
    uint16_t port = 0;  // local; 0: all
  };
  // Those of the calling thread's network namespace. The owners of all sockets of the host are found when the first
  // socket turns up: after the dump, which gives each socket the cookie that its options are found by.
  Result<std::vector<Socket>> dump(const Request& request);

 private:
  Result<void> find_owners();

  std::optional<source::OwnerMap> owners_;
  std::unique_ptr<enrich::Processes> processes_;
};

}  // namespace socktrace::cli
