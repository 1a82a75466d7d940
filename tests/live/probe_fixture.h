#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/record.h"
#include "probe/tracer.h"
#include "sys/unique_fd.h"

namespace socktrace::test {

inline constexpr uint16_t kPort = 18080;  // free: every test has a namespace of its own

// A socket of the test; every call that must not fail ends the test when it does.
class TestSocket {
 public:
  TestSocket(int family, int type, int protocol = 0);

  // The loopback address of its family, port as given. 0 or the errno.
  int bind(uint16_t port);
  int connect(uint16_t port);
  int send_to(uint16_t port);
  int listen(int backlog);
  TestSocket accept();
  void option(int level, int name, int value);
  void close() { fd_ = {}; }

  [[nodiscard]] uint16_t port() const;
  [[nodiscard]] uint64_t cookie() const;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  TestSocket(sys::UniqueFd fd, int family) : fd_(std::move(fd)), family_(family) {}
  sys::UniqueFd fd_;
  int family_;
};

// By uname(): what a kernel is too old for is expected to be missing, and on a newer one it is a failure.
bool kernel_is_before(int major, int minor);

// How the tests learn results: automatic, or what the environment's BIND_RESULT says.
probe::BindResult bind_result_under_test();

// A tracer on the whole host, and a network namespace of the test's own with loopback up, so that its records
// are told from everybody else's by their namespace.
class ProbeTest : public testing::Test {
 protected:
  void SetUp() override;

  // With nothing asked for, the tracer of the test before goes on: attaching takes longer than most tests, and a test
  // sees only the records of its own namespace anyway.
  void attach(probe::Options options = {});
  void detach();
  // Drains until `done` says that everything waited for has arrived; throws after LIVE_DEADLINE_S (20) seconds.
  void collect(const std::function<bool()>& done);
  // Drains what there is.
  void drain();
  // Records of this namespace, of one kind, in order.
  [[nodiscard]] std::vector<Record> of(RecordKind kind) const;
  // The first and last of them; throw when there is none.
  [[nodiscard]] Record first(RecordKind kind) const { return of(kind).at(0); }
  [[nodiscard]] Record last(RecordKind kind) const { return of(kind).at(of(kind).size() - 1); }
  // Records of one socket as "close>syn_sent established>..." for ST_STATE and the kind's name otherwise.
  [[nodiscard]] std::string story(uint64_t cookie) const;

  [[nodiscard]] probe::Tracer& tracer() { return **tracer_; }

  std::vector<Record> records_;  // of this namespace
  size_t delivered_ = 0;         // of the whole host
  uint32_t netns_ = 0;

 private:
  std::optional<probe::Tracer> own_;
  std::optional<probe::Tracer>* tracer_ = nullptr;
};

}  // namespace socktrace::test
