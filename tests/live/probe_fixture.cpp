#include "live/probe_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace socktrace::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

Address loopback(int family, uint16_t port) {
  Address result;
  if (family == AF_INET) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::memcpy(&result.storage, &address, sizeof address);
    result.length = sizeof address;
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = in6addr_loopback;
    std::memcpy(&result.storage, &address, sizeof address);
    result.length = sizeof address;
  }
  return result;
}

const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}

int outcome(ssize_t result) {
  return result < 0 ? errno : 0;
}

sys::UniqueFd cgroup2() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, path, type;
    fields >> device >> path >> type;
    if (type == "cgroup2") return sys::UniqueFd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  return {};
}

bool raise_loopback() {
  const sys::UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(any.get(), SIOCSIFFLAGS, &request) == 0;
}

constexpr const char* kKinds[] = {"?",       "state",        "destroy", "error", "create",
                                  "release", "bind_attempt", "bind_ok", "bind",  "listen",
                                  "accept",  "connect",      "send"};

}  // namespace

TestSocket::TestSocket(int family, int type, int protocol)
    : fd_(socket(family, type | SOCK_CLOEXEC, protocol)), family_(family) {
  if (!fd_) throw std::runtime_error(std::string("socket: ") + std::strerror(errno));
}

int TestSocket::bind(uint16_t port) {
  const Address address = loopback(family_, port);
  return outcome(::bind(fd(), generic(address), address.length));
}

int TestSocket::connect(uint16_t port) {
  const Address address = loopback(family_, port);
  return outcome(::connect(fd(), generic(address), address.length));
}

int TestSocket::send_to(uint16_t port) {
  const Address address = loopback(family_, port);
  return outcome(sendto(fd(), "x", 1, 0, generic(address), address.length));
}

int TestSocket::listen(int backlog) {
  return outcome(::listen(fd(), backlog));
}

TestSocket TestSocket::accept() {
  sys::UniqueFd child(accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!child) throw std::runtime_error(std::string("accept: ") + std::strerror(errno));
  return {std::move(child), family_};
}

void TestSocket::option(int level, int name, int value) {
  if (setsockopt(fd(), level, name, &value, sizeof value) != 0)
    throw std::runtime_error(std::string("setsockopt: ") + std::strerror(errno));
}

uint16_t TestSocket::port() const {
  Address address = loopback(family_, 0);
  getsockname(fd(), reinterpret_cast<sockaddr*>(&address.storage), &address.length);
  sockaddr_in start;  // the port is at the same place in both families
  std::memcpy(&start, &address.storage, sizeof start);
  return ntohs(start.sin_port);
}

uint64_t TestSocket::cookie() const {
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  getsockopt(fd(), SOL_SOCKET, SO_COOKIE, &cookie, &length);
  return cookie;
}

bool kernel_is_before(int major, int minor) {
  utsname names{};
  uname(&names);
  int this_major = 0, this_minor = 0;
  if (std::sscanf(names.release, "%d.%d", &this_major, &this_minor) != 2)
    throw std::runtime_error(std::string("kernel release ") + names.release);
  return this_major != major ? this_major < major : this_minor < minor;
}

void ProbeTest::SetUp() {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_EQ(unshare(CLONE_NEWNET), 0) << std::strerror(errno);
  ASSERT_TRUE(raise_loopback());
  struct stat status {};
  ASSERT_EQ(stat("/proc/self/ns/net", &status), 0);
  netns_ = static_cast<uint32_t>(status.st_ino);
}

// BIND_RESULT=tracepoint: the other way, on kernels that have both.
probe::BindResult bind_result_under_test() {
  const char* name = std::getenv("BIND_RESULT");
  return name != nullptr && std::string(name) == "tracepoint" ? probe::BindResult::tracepoint
                                                              : probe::BindResult::automatic;
}

void ProbeTest::attach(probe::Options options) {
  static std::optional<probe::Tracer> shared;
  const bool plain = options.bind_result == probe::BindResult::automatic && options.ignore_pid == 0 &&
                     options.ring_bytes == probe::Options().ring_bytes;
  std::optional<probe::Tracer>& tracer = plain ? shared : own_;
  tracer_ = &tracer;
  if (plain) options.bind_result = bind_result_under_test();
  const sys::UniqueFd cgroup = cgroup2();
  ASSERT_TRUE(cgroup) << "no cgroup2 is mounted";
  options.cgroup_fd = cgroup.get();
  if (!tracer) {
    Result<probe::Tracer> attached = probe::Tracer::attach(options);
    ASSERT_TRUE(attached) << attached.error().message;
    tracer.emplace(std::move(*attached));
  }
  delivered_ = 0;
  drain();
  records_.clear();
}

void ProbeTest::detach() {
  tracer_->reset();
}

void ProbeTest::drain() {
  size_t count = 0;
  do {
    const Result<size_t> drained = tracer().drain([this](std::span<const std::byte> bytes) {
      const Result<Record> record = decode(bytes);
      ASSERT_TRUE(record) << record.error().message;
      if (record->socket.netns == netns_) records_.push_back(*record);
    });
    ASSERT_TRUE(drained) << drained.error().message;
    count = *drained;
    delivered_ += count;
  } while (count != 0);
}

void ProbeTest::collect(const std::function<bool()>& done) {
  const char* patience_s = std::getenv("LIVE_DEADLINE_S");
  const Clock::time_point deadline =
      Clock::now() + std::chrono::seconds(patience_s != nullptr ? std::atoi(patience_s) : 20);
  drain();
  while (!done()) {
    if (Clock::now() > deadline) throw std::runtime_error("the records waited for did not arrive");
    pollfd ring{tracer().fd(), POLLIN, 0};
    poll(&ring, 1, 5);
    drain();
  }
}

std::vector<Record> ProbeTest::of(RecordKind kind) const {
  std::vector<Record> result;
  for (const Record& record : records_)
    if (record.kind == kind) result.push_back(record);
  return result;
}

std::string ProbeTest::story(uint64_t cookie) const {
  std::string text;
  for (const Record& record : records_) {
    if (record.socket.key.cookie != cookie) continue;
    if (!text.empty()) text += ' ';
    if (record.kind == RecordKind::state)
      text += std::string(otel_name(record.old_state)) + '>' + std::string(otel_name(record.new_state));
    else
      text += kKinds[static_cast<size_t>(record.kind)];
  }
  return text;
}

}  // namespace socktrace::test
