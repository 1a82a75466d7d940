#include "sys/read_ahead.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <new>
#include <thread>

#include "support/netlink_builder.h"
#include "sys/unique_fd.h"

namespace socktrace::sys {
namespace {

constexpr size_t kLong = 20'000;
constexpr size_t kAtMost = 8 * 1024 * 1024;  // read_ahead.h

// A socket pair in the kernel's place: its datagrams come in order, and end with an error when `answers` is closed.
class Pair final : public NetlinkTransport {
 public:
  Pair(int fd, std::atomic<int>& received) : fd_(fd), received_(received) {}

  // The error that the message names, if any.
  Result<void> send(std::span<const std::byte> message) override {
    sender_ = std::this_thread::get_id();
    if (message[0] == std::byte{0}) return {};
    return Error::system("send", std::to_integer<int>(message[0]));
  }
  Result<NetlinkDatagram> receive(std::span<std::byte> buffer) override {
    if (is_interrupted.exchange(false)) return Error::system("receive", EINTR);
    if (lacks_memory.exchange(false)) throw std::bad_alloc();
    const ssize_t length = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    ++received_;
    if (length <= 0) return Error::system("receive", ENOBUFS);
    return NetlinkDatagram{.length = static_cast<size_t>(length), .sender_port_id = 7, .truncated = true};
  }
  uint32_t port_id() const override { return 42; }
  int fd() const override { return fd_.get(); }

  static std::atomic<bool> is_interrupted;  // once
  static std::atomic<bool> lacks_memory;    // once
  // Who has sent the last message.
  static std::thread::id sender() { return sender_; }

 private:
  static std::atomic<std::thread::id> sender_;
  UniqueFd fd_;
  std::atomic<int>& received_;
};

std::atomic<std::thread::id> Pair::sender_;
std::atomic<bool> Pair::is_interrupted = false;
std::atomic<bool> Pair::lacks_memory = false;

class ReadAheadTest : public testing::Test {
 protected:
  void SetUp() override { begin(AheadFrom::long_answer); }

  void begin(AheadFrom from, const std::shared_ptr<Baton>& after = nullptr) {
    std::array<int, 2> fds{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()), 0);
    answers_ = UniqueFd(fds[0]);
    transport_ =
        read_ahead(std::make_unique<Pair>(fds[1], received_), {.from = from, .after = after, .next = next_});
  }

  Result<void> send(int error) {
    const std::array message{static_cast<std::byte>(error)};
    return transport_->send(message);
  }

  // A datagram of `length` bytes that begins with `number`.
  void answer(int number, size_t length) {
    std::vector<std::byte> bytes(length);
    std::memcpy(bytes.data(), &number, sizeof number);
    answer(bytes);
  }

  void answer(std::span<const std::byte> bytes) {
    ASSERT_EQ(::send(answers_.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }

  // The number of the next datagram; -1: an error.
  int next(size_t length) {
    const Result<NetlinkDatagram> datagram = transport_->receive(buffer_);
    if (!datagram) return -1;
    EXPECT_EQ(datagram->length, length);
    EXPECT_EQ(datagram->sender_port_id, 7U);
    EXPECT_TRUE(datagram->truncated);
    int number = 0;
    std::memcpy(&number, datagram->bytes ? datagram->bytes : buffer_.data(), sizeof number);
    return number;
  }

  // Datagrams `first` to `last`, from another thread, as they do not all fit into the socket.
  std::thread answers(int first, int last) {
    return std::thread([=, this] {
      for (int i = first; i <= last; ++i) answer(i, kLong);
    });
  }

  // Whether something comes true within ten seconds.
  static bool within_time(const std::function<bool()>& condition) {
    for (int i = 0; i < 10'000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return condition();
  }

  // Whether so many are received.
  bool receives(int count) {
    return within_time([&] { return received_ >= count; });
  }

  // Whether the baton has been handed over.
  [[nodiscard]] bool is_next() const {
    pollfd fd{next_->await(), POLLIN, 0};
    return poll(&fd, 1, 0) == 1;
  }

  static ptrdiff_t threads() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                         std::filesystem::directory_iterator());
  }

  std::atomic<int> received_{0};
  UniqueFd answers_;
  std::shared_ptr<Baton> next_ = std::make_shared<Baton>();
  std::unique_ptr<NetlinkTransport> transport_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(64 * 1024);
};

TEST_F(ReadAheadTest, HasNoThreadAfterAShortAnswer) {
  const ptrdiff_t before = threads();
  answer(0, 100);
  answer(1, kLong);
  EXPECT_EQ(next(100), 0);
  EXPECT_EQ(threads(), before);
  EXPECT_EQ(received_, 1);
  EXPECT_EQ(next(kLong), 1);
  EXPECT_EQ(threads(), before + 1);
}

TEST_F(ReadAheadTest, ReceivesWhileWeAreBusyAfterALongOne) {
  answer(0, kLong);
  EXPECT_EQ(next(kLong), 0);
  answer(1, kLong);
  answer(2, 100);
  EXPECT_TRUE(receives(3));
  EXPECT_EQ(next(kLong), 1);
  EXPECT_EQ(next(100), 2);
}

TEST_F(ReadAheadTest, KeepsTheOrderOfMoreThanItHolds) {
  std::thread kernel = answers(0, 999);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(next(kLong), i);
  kernel.join();
}

TEST_F(ReadAheadTest, IsAheadBySoMuchAtMost) {
  constexpr int kMost = kAtMost / kLong;
  answer(0, kLong);
  EXPECT_EQ(next(kLong), 0);
  std::thread kernel = answers(1, 2 * kMost);
  for (int i = 1; i <= 2 * kMost; ++i) {
    // Places at the ends may not do, as the next datagram might be longer.
    EXPECT_TRUE(receives(std::min(i + kMost - 10, 2 * kMost)));
    EXPECT_LE(received_, i + kMost);
    EXPECT_EQ(next(kLong), i);
  }
  kernel.join();
}

TEST_F(ReadAheadTest, TellsAnErrorAfterWhatCameBeforeItAndAgainWhenAskedAgain) {
  answer(0, kLong);
  EXPECT_EQ(next(kLong), 0);
  answer(1, kLong);
  answers_ = UniqueFd();
  EXPECT_EQ(next(kLong), 1);
  EXPECT_EQ(next(0), -1);
  EXPECT_EQ(transport_->receive(buffer_).error().code, ENOBUFS);
}

TEST_F(ReadAheadTest, GoesOnAfterAnInterruption) {
  answer(0, kLong);
  EXPECT_EQ(next(kLong), 0);
  Pair::is_interrupted = true;
  answer(1, kLong);
  EXPECT_EQ(next(kLong), 1);
  EXPECT_FALSE(Pair::is_interrupted);
}

TEST_F(ReadAheadTest, ALackOfMemoryOfItsThreadIsAnError) {
  answer(0, kLong);
  EXPECT_EQ(next(kLong), 0);
  Pair::lacks_memory = true;
  answer(1, kLong);
  EXPECT_EQ(transport_->receive(buffer_).error().code, ENOMEM);
}

TEST_F(ReadAheadTest, EndsWhenItIsNoLongerNeeded) {
  answer(0, kLong);
  EXPECT_EQ(next(kLong), 0);
  transport_.reset();  // while its thread waits for more
}

TEST_F(ReadAheadTest, EndsWhileItIsFull) {
  answer(0, kLong);
  EXPECT_EQ(next(kLong), 0);
  constexpr int kLess = kAtMost / kLong - 10;
  std::thread kernel = answers(1, kLess);
  EXPECT_TRUE(receives(kLess));
  kernel.join();
  transport_.reset();
}

TEST_F(ReadAheadTest, AsksAndReceivesByItsThreadFromTheRequestOn) {
  begin(AheadFrom::request);
  EXPECT_TRUE(send(0));
  answer(0, 100);
  EXPECT_TRUE(receives(1));
  EXPECT_NE(Pair::sender(), std::this_thread::get_id());
  EXPECT_EQ(next(100), 0);
}

TEST_F(ReadAheadTest, TellsARequestThatCouldNotBeSentByReceive) {
  begin(AheadFrom::request);
  EXPECT_TRUE(send(ENOBUFS));
  EXPECT_EQ(transport_->receive(buffer_).error().code, ENOBUFS);
  EXPECT_EQ(transport_->receive(buffer_).error().code, ENOBUFS);
  EXPECT_EQ(received_, 0);
}

TEST_F(ReadAheadTest, AsksWhenItHasBeenHandedTheBaton) {
  const auto baton = std::make_shared<Baton>();
  begin(AheadFrom::request, baton);
  EXPECT_TRUE(send(0));
  answer(0, 100);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(received_, 0);
  baton->hand_over();
  EXPECT_EQ(next(100), 0);
}

TEST_F(ReadAheadTest, EndsWhileItWaitsForTheBaton) {
  begin(AheadFrom::request, std::make_shared<Baton>());
  EXPECT_TRUE(send(0));
  transport_.reset();
  EXPECT_EQ(received_, 0);
}

TEST_F(ReadAheadTest, HandsTheBatonOverWhenTheKernelHasSaidAll) {
  answer(0, kLong);
  EXPECT_EQ(next(kLong), 0);
  answer(1, kLong);
  EXPECT_TRUE(receives(2));
  EXPECT_FALSE(is_next());
  test::Bytes last = test::message(20, 1, 42, {});
  test::append(last, test::message(NLMSG_DONE, 1, 42, test::bytes_of(int32_t{0})));
  answer(last);
  EXPECT_TRUE(within_time([&] { return is_next(); }));
}

TEST_F(ReadAheadTest, HandsTheBatonOverToWhoWaitsForItWhenTheReaderHasToWait) {
  answer(0, kLong);
  EXPECT_EQ(next(kLong), 0);
  (void)next_->await();
  std::thread kernel([&] {
    EXPECT_TRUE(within_time([&] { return is_next(); }));
    answer(1, kLong);
  });
  EXPECT_EQ(next(kLong), 1);
  kernel.join();
}

TEST_F(ReadAheadTest, HandsTheBatonOverWhenItFailsOrEnds) {
  answer(0, kLong);
  EXPECT_EQ(next(kLong), 0);
  answers_ = UniqueFd();
  EXPECT_TRUE(within_time([&] { return is_next(); }));
  next_ = std::make_shared<Baton>();
  begin(AheadFrom::long_answer);
  transport_.reset();
  EXPECT_TRUE(is_next());
}

TEST_F(ReadAheadTest, SendsByItselfBeforeALongAnswer) {
  EXPECT_EQ(send(ENOBUFS).error().code, ENOBUFS);
  EXPECT_EQ(Pair::sender(), std::this_thread::get_id());
}

}  // namespace
}  // namespace socktrace::sys
