#include "support/filter_world.h"

#include <gtest/gtest.h>

#include "support/record_builder.h"

namespace socktrace::test::filters {
using filter::HostCondition;

HostCondition ipv4_host(const AddressBytes& address) {
  HostCondition host;
  host.family = Family::inet;
  host.address = address;
  host.prefix_length = 32;
  return host;
}

FilterNames names() {
  return {
      .service = [](std::string_view name) -> std::optional<uint16_t> {
        if (name == "ssh") return 22;
        if (name == "http-alt") return 8080;
        return std::nullopt;
      },
      .host = [](std::string_view name, Family family) -> std::vector<HostCondition> {
        std::vector<HostCondition> found;
        if (name != "twins.example") return found;
        if (family != Family::inet6)
          for (const uint8_t last : {1, 2}) found.push_back(ipv4_host({192, 0, 2, last}));
        return found;
      },
      .device = [](std::string_view name) -> std::optional<uint32_t> {
        if (name == "eth0") return 2;
        return std::nullopt;
      },
      .cgroup = [](std::string_view path) -> std::optional<uint64_t> {
        if (path == "/system.slice") return 77;
        return std::nullopt;
      },
      .user = [](std::string_view name) -> std::optional<uint32_t> {
        if (name == "www-data") return 33;
        return std::nullopt;
      },
      .netns = [](std::string_view name) -> std::vector<uint32_t> {
        if (name == "blue") return {4026532000};
        if (name == "twins") return {4026532001, 4026532002};
        return {};
      },
  };
}

Result<Filter> parse(std::vector<std::string> words, Family family) {
  return Filter::parse(words, {names(), family});
}

Filter parsed(const std::string& text, Family family) {
  Result<Filter> filter = parse({text}, family);
  EXPECT_TRUE(filter) << text << ": " << (filter ? "" : filter.error().message);
  return filter ? *filter : Filter();
}

bool accepts(const std::string& text, const Socket& socket) {
  return parsed(text).matches(socket, {});
}

std::string error(const std::string& text) {
  Result<Filter> filter = parse({text});
  if (filter) return "accepted";
  EXPECT_EQ(filter.error().kind, ErrorKind::usage) << text;
  return filter.error().message;
}

Socket tcp(const std::string& local, const std::string& peer, State state) {
  return DumpRow(1, state, local, peer).socket;
}

Socket other(Family family, uint32_t port, uint32_t node) {
  Socket socket;
  socket.family = family;
  socket.state = State::close;
  socket.details.make().port = port;
  socket.details->node = node;
  return socket;
}

Socket unix_named(const std::string& name) {
  Socket socket = other(Family::unix);
  socket.details->name = name;
  return socket;
}

Process process(uint32_t pid, const std::string& name) {
  Process made;
  made.pid = pid;
  made.name = name;
  return made;
}

Socket owned_by(const Process& process) {
  Socket socket = tcp("127.0.0.1:80");
  socket.owners.push_back({.process = std::make_shared<const Process>(process), .fd = 3});
  return socket;
}

}  // namespace socktrace::test::filters
