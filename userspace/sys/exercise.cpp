#include "sys/exercise.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "sys/unique_fd.h"

namespace socktrace::sys {
namespace {

// What the child writes into the pipe, whole or not at all.
struct Report {
  Exercise exercise;
  const char* failed = nullptr;  // the same literal in both processes
  int code = 0;
};

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

uint16_t port_of(const UniqueFd& socket) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

uint64_t cookie_of(const UniqueFd& socket) {
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length);
  return cookie;
}

// A socket that waits for at most a second (a firewall may swallow what is sent) and is reset when it is closed.
UniqueFd open_socket(int type) {
  UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  const timeval limit{.tv_sec = 1, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  constexpr linger kReset{.l_onoff = 1, .l_linger = 0};
  if (type == SOCK_STREAM) setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &kReset, sizeof kReset);
  return fd;
}

bool bind_to(const UniqueFd& socket, uint16_t port) {
  const sockaddr_in address = loopback(port);
  return bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool connect_to(const UniqueFd& socket, uint16_t port) {
  const sockaddr_in address = loopback(port);
  return connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// The call that failed, or nullptr; errno is its.
const char* exercise(Exercise& done) {
  const UniqueFd listener = open_socket(SOCK_STREAM);
  if (!listener) return "open a TCP socket";
  done.listener = cookie_of(listener);
  if (!bind_to(listener, 0)) return "bind to 127.0.0.1";
  if (listen(listener.get(), 1) != 0) return "listen on 127.0.0.1";
  done.port = port_of(listener);

  const UniqueFd refused = open_socket(SOCK_STREAM);
  if (!refused) return "open a TCP socket";
  done.refused = cookie_of(refused);
  if (bind_to(refused, done.port)) {
    errno = 0;
    return "bind to a port that is in use did not fail";
  }
  if (errno != EADDRINUSE) return "bind to a port that is in use";

  UniqueFd client = open_socket(SOCK_STREAM);
  if (!client) return "open a TCP socket";
  done.client = cookie_of(client);
  if (!connect_to(client, done.port)) return "connect to 127.0.0.1";
  done.client_port = port_of(client);
  const UniqueFd accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!accepted) return "accept on 127.0.0.1";
  done.accepted = cookie_of(accepted);
  client = {};

  const UniqueFd datagram = open_socket(SOCK_DGRAM);
  if (!datagram) return "open a UDP socket";
  done.datagram = cookie_of(datagram);
  if (!bind_to(datagram, 0)) return "bind a UDP socket to 127.0.0.1";
  done.datagram_port = port_of(datagram);
  return nullptr;
}

[[noreturn]] void run_child(int pipe) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Report report;
  report.failed = exercise(report.exercise);
  report.code = errno;
  (void)!write(pipe, &report, sizeof report);
  _exit(0);
}

}  // namespace

Result<Exercise> exercise_loopback() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Error::system("open a pipe", errno);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = fork();
  if (child < 0) return Error::system("start a process", errno);
  if (child == 0) run_child(writer.get());
  writer = {};
  Report report;
  ssize_t got = 0;
  do got = read(reader.get(), &report, sizeof report);
  while (got < 0 && errno == EINTR);
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (got != sizeof report) return Error{"the process that was to open sockets died"};
  if (report.failed != nullptr)
    return report.code == 0 ? Error{report.failed} : Error::system(report.failed, report.code);
  return report.exercise;
}

}  // namespace socktrace::sys
