#pragma once

#include <string>
#include <vector>

#include "core/address.h"
#include "core/filter/filter.h"
#include "core/process.h"
#include "core/socket.h"

// Filters in a world where a few names are known, and sockets for them to choose from.
namespace socktrace::test::filters {

// ssh is 22 and http-alt 8080; twins.example is 192.0.2.1 and .2; eth0 is interface 2; the cgroup /system.slice is 77, www-data
// user 33, blue network namespace 4026532000, and twins two of them, 4026532001 and the next.
filter::HostCondition ipv4_host(const AddressBytes& address);
FilterNames names();

Result<Filter> parse(std::vector<std::string> words, Family family = Family::unspecified);
// A filter that is right.
Filter parsed(const std::string& text, Family family = Family::unspecified);
bool accepts(const std::string& text, const Socket& socket);
// What is said of a filter that is wrong.
std::string error(const std::string& text);

Socket tcp(const std::string& local, const std::string& peer = "0.0.0.0:*", State state = State::established);
// A socket of a family without Endpoints.
Socket other(Family family, uint32_t port = 0, uint32_t node = 0);
Socket unix_named(const std::string& name);
Process process(uint32_t pid, const std::string& name);
Socket owned_by(const Process& process);

}  // namespace socktrace::test::filters
