#pragma once

#include <optional>

#include "core/socket.h"
#include "crowd.h"
#include "diagnose/bind_request.h"
#include "sandbox.h"
#include "sys/unique_fd.h"

namespace socktrace::test {

// A real socket and what a tracer would know of it.
class Member {
 public:
  // Created by the uid of the spec, with its options; not bound yet. Nothing: the kernel refused an option.
  static std::optional<Member> open(const MemberSpec& spec);

  [[nodiscard]] diagnose::BindRequest bind_request() const;
  [[nodiscard]] diagnose::BindRequest listen_request() const;

  // 0 or the errno.
  int bind();
  int listen();

  // Brings the socket, bound unless its role is autobound, into its role. False: not with this address or
  // protocol; the socket is then as it was.
  bool take_role(Sandbox& sandbox);

  // At the given role's end there may be no descriptor: nobody can close a TIME_WAIT.
  [[nodiscard]] bool closable() const { return static_cast<bool>(fd_); }
  // Closes without leaving a TIME_WAIT behind.
  void close_at_once();

  [[nodiscard]] const Socket& model() const { return model_; }
  [[nodiscard]] const MemberSpec& spec() const { return spec_; }

 private:
  Member(const MemberSpec& spec, sys::UniqueFd fd);
  void refresh();
  bool connect(const Endpoint& peer);
  bool connect_to_server(Sandbox& sandbox);
  bool become_accepted(Sandbox& sandbox);

  MemberSpec spec_;
  sys::UniqueFd fd_;
  sys::UniqueFd peer_;
  Socket model_;
};

}  // namespace socktrace::test
