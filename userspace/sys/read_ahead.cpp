#include "sys/read_ahead.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include "sys/datagram_ring.h"
#include "sys/unique_fd.h"
#include "sys/worker.h"

namespace socktrace::sys {
namespace {

// The kernel's first datagram is a page less some overhead (NLMSG_GOODSIZE); later ones are as long as the reader's
// buffer. A dump that fills less has nothing more to say that would be worth a thread.
constexpr size_t kLongAnswer = 3 * 1024;
// As long as an answer may take to go on (kDeadline in netlink.cpp), in ms; then receiving finds that out for itself.
constexpr int kPatience = 2000;
constexpr int kForever = -1;

// Of a dump: its last message is that it is done, and the error code, 0 (netlink_dump_done).
bool is_last(std::span<const std::byte> datagram) {
  nlmsghdr header{};
  const size_t length = sizeof header + sizeof(int32_t);
  if (datagram.size() < length) return false;
  std::memcpy(&header, datagram.last(length).data(), sizeof header);
  return header.nlmsg_type == NLMSG_DONE && header.nlmsg_len == length;
}

class ReadAhead final : public NetlinkTransport {
 public:
  ReadAhead(std::unique_ptr<NetlinkTransport> transport, Ahead ahead)
      : transport_(std::move(transport)), ahead_(std::move(ahead)) {}

  ~ReadAhead() override {
    hand_over();
    if (!ring_) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    eventfd_write(stop_.get(), 1);
  }

  Result<void> send(std::span<const std::byte> message) override {
    if (ahead_.from == AheadFrom::request && start(message)) return {};
    return transport_->send(message);
  }
  uint32_t port_id() const override { return transport_->port_id(); }
  int fd() const override { return transport_->fd(); }

  Result<NetlinkDatagram> receive(std::span<std::byte> buffer) override {
    if (ring_) return take();
    Result<NetlinkDatagram> datagram = transport_->receive(buffer);
    if (datagram && datagram->length >= kLongAnswer) start({});
    return datagram;
  }

 private:
  // False: no descriptor, thread or memory to be had; one datagram after the other.
  bool start(std::span<const std::byte> message) {
    if (std::exchange(tried_, true)) return false;
    stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
    if (!stop_) return false;
    try {
      std::vector<std::byte> request(message.begin(), message.end());
      ring_ = std::make_unique<DatagramRing>();
      reader_.run([this, request = std::move(request)] {
        try {
          if (request.empty() || ask(request)) loop();
        } catch (const std::bad_alloc&) {
          give_up();
        }
        hand_over();
      });
    } catch (const std::bad_alloc&) {
      ring_.reset();
    } catch (const std::system_error&) {
      ring_.reset();
    }
    return ring_ != nullptr;
  }

  bool ask(std::span<const std::byte> request) {
    if (ahead_.after && !wait_for(ahead_.after->await(), kForever)) return false;
    const Result<void> sent = transport_->send(request);
    if (sent) return true;
    put(sent.error());
    return false;
  }

  // What was taken before may be written over.
  Result<NetlinkDatagram> take() {
    std::unique_lock lock(mutex_);
    if (std::exchange(lent_, false)) {
      ring_->take();
      changed_.notify_all();
    }
    if (ring_->empty() && ahead_.next) ahead_.next->hand_over_if_awaited();
    changed_.wait(lock, [&] { return !ring_->empty() || given_up_; });
    if (ring_->empty()) return Error::system("receive ahead", ENOMEM);
    lent_ = ring_->front().has_value();  // an error is told again, if asked again: the thread has ended
    return ring_->front();
  }

  void loop() {
    while (true) {
      const std::span<std::byte> room = this->room();
      if (room.empty() || !wait_for(transport_->fd(), kPatience)) return;
      Result<NetlinkDatagram> outcome = transport_->receive(room);
      const bool failed = !outcome;
      if (failed && outcome.error().code == EINTR) continue;
      if (outcome && outcome->length <= room.size() && is_last(room.first(outcome->length))) hand_over();
      put(std::move(outcome));
      if (failed) return;
    }
  }

  void put(Result<NetlinkDatagram> outcome) {
    {
      const std::lock_guard lock(mutex_);
      ring_->put(std::move(outcome));
    }
    changed_.notify_all();
  }

  // There is no memory for what else would come.
  void give_up() {
    {
      const std::lock_guard lock(mutex_);
      given_up_ = true;
    }
    changed_.notify_all();
  }

  // Empty: not needed any more.
  std::span<std::byte> room() {
    std::unique_lock lock(mutex_);
    std::span<std::byte> room;
    changed_.wait(lock, [&] { return stopping_ || !(room = ring_->room()).empty(); });
    return stopping_ ? std::span<std::byte>() : room;
  }

  // Until there is something to read from `fd` (-1: there is nothing to wait for), or nothing for so long. False: not needed any more.
  bool wait_for(int fd, int milliseconds) {
    std::array<pollfd, 2> fds{{{fd, POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    while (fd >= 0 && poll(fds.data(), fds.size(), milliseconds) < 0 && errno == EINTR) {
    }
    return fds[1].revents == 0;
  }

  void hand_over() const {
    if (ahead_.next) ahead_.next->hand_over();
  }

  std::unique_ptr<NetlinkTransport> transport_;
  Ahead ahead_;
  UniqueFd stop_;  // readable: the thread is to end

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<DatagramRing> ring_;  // since the thread has started
  bool lent_ = false;                   // the oldest datagram is being read
  bool given_up_ = false;
  bool stopping_ = false;
  bool tried_ = false;  // to start the thread
  Worker reader_;       // last: it ends before what it uses
};

}  // namespace

std::unique_ptr<NetlinkTransport> read_ahead(std::unique_ptr<NetlinkTransport> transport, Ahead ahead) {
  if (transport->fd() < 0) return transport;
  return std::make_unique<ReadAhead>(std::move(transport), std::move(ahead));
}

}  // namespace socktrace::sys
