#include "sys/datagram_ring.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

namespace socktrace::sys {
namespace {

constexpr size_t kSize = size_t{8} << 20;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kAlignment = 64;  // a cache line: the next datagram is written by another processor

}  // namespace

// Pages that no datagram reaches are never touched; beyond the first two megabytes they are huge, where the kernel gives such
// to those who ask: a dump so long touches all of them, 1,500 page faults otherwise.
DatagramRing::DatagramRing()
    : memory_(static_cast<std::byte*>(operator new(kSize, std::align_val_t(kHugePage)))) {
  (void)madvise(memory_ + kHugePage, kSize - kHugePage, MADV_HUGEPAGE);
}

DatagramRing::~DatagramRing() {
  operator delete(memory_, std::align_val_t(kHugePage));
}

bool DatagramRing::make_room() {
  if (outcomes_.empty()) {
    next_ = 0;  // memory that is in the cache still
    return true;
  }
  if (!outcomes_.front()) return false;
  const auto oldest = static_cast<size_t>(outcomes_.front()->bytes - memory_);
  const bool wrapped = next_ <= oldest;
  if ((wrapped ? oldest : kSize) - next_ >= kReceiveBuffer) return true;
  if (wrapped || oldest < kReceiveBuffer) return false;
  next_ = 0;
  return true;
}

std::span<std::byte> DatagramRing::room() {
  return make_room() ? std::span(memory_ + next_, kReceiveBuffer) : std::span<std::byte>();
}

void DatagramRing::put(Result<NetlinkDatagram> outcome) {
  if (outcome) {
    outcome->bytes = memory_ + next_;
    next_ += (std::min(outcome->length, kReceiveBuffer) + kAlignment - 1) / kAlignment * kAlignment;
  }
  outcomes_.push_back(std::move(outcome));
}

}  // namespace socktrace::sys
