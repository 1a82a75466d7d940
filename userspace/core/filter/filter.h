#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/address.h"
#include "core/event.h"
#include "core/filter/ast.h"
#include "core/result.h"
#include "core/socket.h"
#include "core/state.h"

namespace socktrace {

// Where names in a filter are looked up. A function that is absent finds nothing.
struct FilterNames {
  std::function<std::optional<uint16_t>(std::string_view service)> service;
  std::function<std::vector<filter::HostCondition>(std::string_view name, Family)>
      host;                                                              // addresses of a host name
  std::function<std::optional<uint32_t>(std::string_view name)> device;  // ifindex
  std::function<std::optional<uint64_t>(std::string_view path)> cgroup;  // id
  std::function<std::optional<uint32_t>(std::string_view name)> user;    // uid
  std::function<std::vector<uint32_t>(std::string_view name)> netns;     // inode numbers of all called so
};

struct FilterOptions {
  FilterNames names;
  Family family = Family::unspecified;  // of addresses without a prefix such as "unix:"; from -4, -6, -x …
  uint32_t device_netns =
      0;  // the network namespace whose interfaces names.device knows; 0: that of every socket
};

// What a filter needs beside the socket.
struct MatchContext {
  uint16_t first_local_port = 32768;  // net.ipv4.ip_local_port_range: what the kernel chooses from
  uint16_t last_local_port = 60999;
  bool kernel_compares_marks = false;  // a program that does is refused without CAP_NET_ADMIN
  const Event* event = nullptr;  // what happened to the socket, if anything; who did it counts as an owner
};

// The filter language of ss, with pid, comm, user, unit, container, netns, event and errno added.
// The last two are of events, and no socket of a table has them.
//
//   filter := { ("state" | "exclude" | "excl") STATE } [ list ]
//   list   := unary { [ "and" | "or" ] unary }        equal precedence, from left to right; nothing means "and"
//   unary  := ("not" | "!") unary | "(" list ")" | predicate
//
// Operators stand between blanks, as in ss. Words are split at blanks again; a backslash keeps the next character.
class Filter {
 public:
  // An empty list accepts every socket. Errors are ErrorKind::usage and name the word that is wrong.
  static Result<Filter> parse(std::span<const std::string> words, const FilterOptions& options);

  Filter() = default;

  // The state words, then the expression. A socket that matches as far as is known matches: of the sockets of a dump,
  // only the kernel can say which are autobound.
  [[nodiscard]] bool matches(const Socket& socket, const MatchContext& context) const;

  // A program for INET_DIAG_REQ_BYTECODE that accepts every inet socket that matches, and rejects as many others as it can
  // express (ports, addresses, interfaces, marks, autobound);
  // matches() decides about the rest. Nothing when it could not reject any.
  [[nodiscard]] std::optional<std::vector<std::byte>> bytecode(const MatchContext& context) const;
  // Whether that program leaves out an `autobound`, for it stands in an `or` beside what the kernel cannot decide, or is too
  // long: nobody can say then which sockets of a dump match.
  [[nodiscard]] bool loses_autobound(const MatchContext& context) const;

  [[nodiscard]] std::optional<StateMask> states() const { return states_; }
  // A prefix such as "unix:" in an address selects the family, instead of -4, -x …; the last one counts.
  [[nodiscard]] std::optional<Family> family() const { return family_; }
  // Whether owners have to be known to decide: pid, comm, user, unit, container.
  [[nodiscard]] bool needs_owners() const;
  // The same but for user, which a socket has by itself.
  [[nodiscard]] bool needs_processes() const;
  // Whether it asks for what not every caller, or not every kernel, is told.
  [[nodiscard]] bool needs_marks() const;
  [[nodiscard]] bool needs_cgroups() const;
  [[nodiscard]] bool needs_autobound() const;
  [[nodiscard]] bool empty() const { return !root_ && !states_; }

 private:
  std::shared_ptr<const filter::Node> root_;  // immutable, so that copies may share it
  std::optional<StateMask> states_;
  std::optional<Family> family_;
};

}  // namespace socktrace
