#include "sys/read_ahead.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>
#include <vector>

#include "sys/unique_fd.h"
#include "sys/worker.h"

namespace socktrace::sys {
namespace {

// The kernel's first datagram is a page less some overhead (NLMSG_GOODSIZE); later ones are as long as the reader's
// buffer. A dump that fills less has nothing more to say that would be worth a thread.
constexpr size_t kLongAnswer = 3 * 1024;
constexpr size_t kSlots = 256;
// As long as an answer may take to go on (kDeadline in netlink.cpp), in ms; then receiving finds that out for itself.
constexpr int kPatience = 2000;

class ReadAhead final : public NetlinkTransport {
 public:
  ReadAhead(std::unique_ptr<NetlinkTransport> transport, AheadFrom from)
      : transport_(std::move(transport)), from_(from) {}

  ~ReadAhead() override {
    if (!started_) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    eventfd_write(stop_.get(), 1);
  }

  Result<void> send(std::span<const std::byte> message) override {
    if (from_ == AheadFrom::request && start(std::vector(message.begin(), message.end()))) return {};
    return transport_->send(message);
  }
  uint32_t port_id() const override { return transport_->port_id(); }
  int fd() const override { return transport_->fd(); }

  Result<NetlinkDatagram> receive(std::span<std::byte> buffer) override {
    if (started_) return take(buffer);
    Result<NetlinkDatagram> datagram = transport_->receive(buffer);
    if (datagram && datagram->length >= kLongAnswer) start({});
    return datagram;
  }

 private:
  // The bytes are left uninitialised: pages that no datagram reaches are never touched.
  struct Slot {
    std::unique_ptr<std::byte[]> bytes;
    std::optional<Result<NetlinkDatagram>> outcome;
  };

  // False: no thread to be had, one datagram after the other.
  bool start(std::vector<std::byte>&& request) {
    stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
    if (!stop_) return false;
    try {
      reader_.run([this, request = std::move(request)] {
        if (request.empty() || ask(request)) loop();
      });
      started_ = true;
    } catch (const std::system_error&) {
    }
    return started_;
  }

  bool ask(std::span<const std::byte> request) {
    const Result<void> sent = transport_->send(request);
    if (sent) return true;
    slots_[0].outcome.emplace(sent.error());
    fill();
    return false;
  }

  Result<NetlinkDatagram> take(std::span<std::byte> buffer) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return taken_ != filled_; });
    Slot& slot = slots_[taken_ % kSlots];
    Result<NetlinkDatagram> outcome = *slot.outcome;
    if (!outcome) return outcome;  // and again, if asked again: the thread has ended
    lock.unlock();
    std::memcpy(buffer.data(), slot.bytes.get(), std::min(outcome->length, buffer.size()));
    lock.lock();
    ++taken_;
    lock.unlock();
    changed_.notify_all();
    return outcome;
  }

  void loop() {
    while (Slot* slot = free_slot()) {
      if (!slot->bytes) slot->bytes = std::make_unique_for_overwrite<std::byte[]>(kReceiveBuffer);
      if (!wait_for_more()) return;
      slot->outcome.emplace(transport_->receive({slot->bytes.get(), kReceiveBuffer}));
      const bool failed = !*slot->outcome;
      fill();
      if (failed) return;
    }
  }

  void fill() {
    {
      const std::lock_guard lock(mutex_);
      ++filled_;
    }
    changed_.notify_all();
  }

  // Null: not needed any more.
  Slot* free_slot() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || filled_ - taken_ < kSlots; });
    return stopping_ ? nullptr : &slots_[filled_ % kSlots];
  }

  // Until there is a datagram, or none for so long that receiving is to say so. False: not needed any more.
  bool wait_for_more() {
    std::array<pollfd, 2> fds{{{transport_->fd(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    while (poll(fds.data(), fds.size(), kPatience) < 0 && errno == EINTR) {
    }
    return fds[1].revents == 0;
  }

  std::unique_ptr<NetlinkTransport> transport_;
  AheadFrom from_;
  UniqueFd stop_;  // readable: the thread is to end
  std::array<Slot, kSlots> slots_;

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t filled_ = 0;  // datagrams so far; the thread's to count
  size_t taken_ = 0;   // ours
  bool stopping_ = false;
  bool started_ = false;
  Worker reader_;  // last: it ends before what it uses
};

}  // namespace

std::unique_ptr<NetlinkTransport> read_ahead(std::unique_ptr<NetlinkTransport> transport, AheadFrom from) {
  if (transport->fd() < 0) return transport;
  return std::make_unique<ReadAhead>(std::move(transport), from);
}

}  // namespace socktrace::sys
