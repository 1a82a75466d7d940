#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "core/socket.h"
#include "diagnose/bind_request.h"
#include "diagnose/conflict.h"
#include "diagnose/host_facts.h"

// Sockets and bind requests for tests, written as one reads them: listener("0.0.0.0:80", "reuseaddr").
namespace socktrace::test {

// "127.0.0.1:80", "[::1]:80"
struct TextEndpoint {
  Family family;
  Endpoint endpoint;
};
TextEndpoint parse_endpoint(const std::string& text);

// Options are words: reuseaddr, reuseport, v6only, uid=N, dev=N, unknown (nobody told the options). Each
// socket gets a new cookie and is opened after those made before it.
Socket tcp(State state, const std::string& local, const std::string& options = "");
Socket listener(const std::string& local, const std::string& options = "");
Socket bound(const std::string& local, const std::string& options = "");
Socket time_wait(const std::string& local, const std::string& options = "");
// Made by connect() without bind: the kernel chose the port.
Socket outgoing(const std::string& local, const std::string& peer, const std::string& options = "");
Socket accepted(const std::string& local, const std::string& peer, const std::string& options = "");
Socket udp(const std::string& local, const std::string& options = "");
Socket owned_by(Socket socket, uint32_t pid, const std::string& name, const std::string& unit = "",
                const std::string& container = "");

// More words: listen (listen() on a socket bound so), rebind (the socket has a port), root (capable), udp,
// freebind.
diagnose::BindRequest request(const std::string& local, const std::string& options = "");

// 127.0.0.0/8, ::1 and fe80::1%2, with the kernel's default sysctls.
diagnose::HostFacts loopback_facts();

std::vector<const Socket*> pointers(const std::vector<Socket>& sockets);

// "EADDRINUSE\n  listener_overlap [LISTEN 0.0.0.0:80]: why | next\n", "0\n" when it succeeds; a doubtful
// verdict is marked with '?'.
std::string text(const diagnose::Verdict& verdict);
std::string text(const std::vector<Conflict>& conflicts);

// The verdict on `request` among `sockets`, as text.
std::string explained(const diagnose::BindRequest& request, const std::vector<Socket>& sockets);

}  // namespace socktrace::test
