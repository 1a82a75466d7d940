// Netlink datagrams from whoever: two bytes of length, one of conditions, then the bytes, again and again.
#include "sys/netlink.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

#include "target.h"

using namespace socktrace;

namespace {

class Script final : public sys::NetlinkTransport {
 public:
  Script(const uint8_t* data, size_t size) : rest_(data, size) {}

  Result<void> send(std::span<const std::byte>) override { return {}; }
  uint32_t port_id() const override { return 1; }

  Result<sys::NetlinkDatagram> receive(std::span<std::byte> buffer) override {
    if (rest_.size() < 3) return Error::system("receive", EAGAIN);
    const size_t wanted = rest_[0] | rest_[1] << 8;
    const uint8_t conditions = rest_[2];
    rest_ = rest_.subspan(3);
    if (conditions & 1) return Error::system("receive", (conditions & 2) ? ENOBUFS : EINTR);
    const size_t length = std::min({wanted, rest_.size(), buffer.size()});
    std::copy_n(std::as_bytes(rest_).begin(), length, buffer.begin());
    rest_ = rest_.subspan(length);
    return sys::NetlinkDatagram{.length = (conditions & 4) ? wanted : length,
                                .sender_port_id = (conditions & 8) ? 99u : 0u,
                                .truncated = (conditions & 16) != 0};
  }

 private:
  std::span<const uint8_t> rest_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::span<const std::byte> bytes = fuzz::bytes_of(data + 1, size - 1);
  while (!bytes.empty()) {
    const size_t before = bytes.size();
    if (!sys::take_message(bytes)) break;
    fuzz::require(bytes.size() < before, "every message takes its bytes");
  }
  constexpr uint16_t kSockDiagByFamily = 20;
  sys::Netlink netlink(std::make_unique<Script>(data + 1, size - 1));
  if (data[0] % 4 == 0)
    (void)netlink.get(kSockDiagByFamily, {});
  else if (data[0] % 4 == 1)
    (void)netlink.act(kSockDiagByFamily, {});
  else if (data[0] % 4 == 2)
    while (netlink.next([](uint16_t, std::span<const std::byte>) { return true; })) {
    }
  else
    (void)netlink.dump(kSockDiagByFamily, {}, [](uint16_t, std::span<const std::byte>) { return true; });
  return 0;
}
