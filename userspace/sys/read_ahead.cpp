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

#include "sys/unique_fd.h"
#include "sys/worker.h"

namespace socktrace::sys {
namespace {

// A dump that fills less of its first datagram has nothing more to say that would be worth a thread.
constexpr size_t kLongAnswer = 16 * 1024;
constexpr size_t kSlots = 64;
// As long as an answer may take to go on (kDeadline in netlink.cpp), in ms; then receiving finds that out for itself.
constexpr int kPatience = 2000;

class ReadAhead final : public NetlinkTransport {
 public:
  explicit ReadAhead(std::unique_ptr<NetlinkTransport> transport) : transport_(std::move(transport)) {}

  ~ReadAhead() override {
    if (!started_) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    eventfd_write(stop_.get(), 1);
  }

  Result<void> send(std::span<const std::byte> message) override { return transport_->send(message); }
  uint32_t port_id() const override { return transport_->port_id(); }
  int fd() const override { return transport_->fd(); }

  Result<NetlinkDatagram> receive(std::span<std::byte> buffer) override {
    if (started_) return take(buffer);
    Result<NetlinkDatagram> datagram = transport_->receive(buffer);
    if (datagram && datagram->length >= kLongAnswer) start(buffer.size());
    return datagram;
  }

 private:
  // The bytes are left uninitialised: pages that no datagram reaches are never touched.
  struct Slot {
    std::unique_ptr<std::byte[]> bytes;
    std::optional<Result<NetlinkDatagram>> outcome;
  };

  void start(size_t capacity) {
    capacity_ = capacity;
    stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
    if (!stop_) return;
    try {
      reader_.run([this] { loop(); });
      started_ = true;
    } catch (const std::system_error&) {
      // No thread to be had: one datagram after the other.
    }
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
      if (!slot->bytes) slot->bytes = std::make_unique_for_overwrite<std::byte[]>(capacity_);
      if (!wait_for_more()) return;
      slot->outcome.emplace(transport_->receive({slot->bytes.get(), capacity_}));
      const bool failed = !*slot->outcome;
      {
        const std::lock_guard lock(mutex_);
        ++filled_;
      }
      changed_.notify_all();
      if (failed) return;
    }
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
  UniqueFd stop_;  // readable: the thread is to end
  size_t capacity_ = 0;
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

std::unique_ptr<NetlinkTransport> read_ahead(std::unique_ptr<NetlinkTransport> transport) {
  if (transport->fd() < 0) return transport;
  return std::make_unique<ReadAhead>(std::move(transport));
}

}  // namespace socktrace::sys
