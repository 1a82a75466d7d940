// Errors of connections: which are told by a record of their own, and which by the end of the connection.
#include <linux/icmp.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "live/probe_fixture.h"

namespace socktrace::test {
namespace {

uint16_t checksum(std::span<const uint16_t> words) {
  uint32_t sum = 0;
  for (const uint16_t word : words) sum += word;
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>(~(sum + (sum >> 16)));
}

// A router tells the sender of what is in flight that the other host cannot be reached.
void tell_host_unreachable(const TestSocket& sender, uint16_t peer_port) {
  uint32_t sequence = 0;
  socklen_t length = sizeof sequence;
  for (const auto& [name, value] : {std::pair{TCP_REPAIR, 1}, {TCP_REPAIR_QUEUE, int{TCP_SEND_QUEUE}}})
    ASSERT_EQ(setsockopt(sender.fd(), IPPROTO_TCP, name, &value, sizeof value), 0);
  ASSERT_EQ(getsockopt(sender.fd(), IPPROTO_TCP, TCP_QUEUE_SEQ, &sequence, &length), 0);
  const int off = 0;
  ASSERT_EQ(setsockopt(sender.fd(), IPPROTO_TCP, TCP_REPAIR, &off, sizeof off), 0);

  struct {
    icmphdr icmp{.type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH, .checksum = 0, .un = {}};
    iphdr ip{};
    uint16_t from = 0, to = 0;
    uint32_t sequence = 0;
  } message;
  message.ip.version = 4;
  message.ip.ihl = 5;
  message.ip.protocol = IPPROTO_TCP;
  message.ip.saddr = message.ip.daddr = htonl(INADDR_LOOPBACK);
  message.from = htons(sender.port());
  message.to = htons(peer_port);
  message.sequence = htonl(sequence);
  uint16_t words[sizeof message / 2];
  std::memcpy(words, &message, sizeof message);
  message.icmp.checksum = checksum(words);
  const sys::UniqueFd raw(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(sendto(raw.get(), &message, sizeof message, 0, reinterpret_cast<const sockaddr*>(&address),
                   sizeof address),
            static_cast<ssize_t>(sizeof message));
}

TEST_F(ProbeTest, AnErrorThatDoesNotCloseAConnectionIsTold) {
  attach();
  TestSocket listener(AF_INET, SOCK_STREAM);
  ASSERT_EQ(listener.bind(kPort), 0);
  ASSERT_EQ(listener.listen(1), 0);
  TestSocket client(AF_INET, SOCK_STREAM);
  client.option(IPPROTO_IP, IP_RECVERR, 1);
  ASSERT_EQ(client.connect(kPort), 0);
  tell_host_unreachable(client, kPort);
  const uint64_t cookie = client.cookie();
  client.close();
  collect([&] { return !of(RecordKind::release).empty(); });
  const bool reports_errors = !kernel_is_before(5, 14);
  EXPECT_NE(story(cookie).find(reports_errors ? "syn_sent>established error release"
                                              : "syn_sent>established release"),
            std::string::npos)
      << story(cookie);
  if (reports_errors) {
    EXPECT_EQ(first(RecordKind::error).error, EHOSTUNREACH);
  }
}

TEST_F(ProbeTest, ARefusedConnectionClosesWithItsReason) {
  attach();
  TestSocket client(AF_INET, SOCK_STREAM);
  ASSERT_EQ(client.connect(kPort), ECONNREFUSED);
  const uint64_t cookie = client.cookie();
  client.close();
  collect([&] { return !of(RecordKind::release).empty(); });
  EXPECT_EQ(story(cookie), "closed>syn_sent syn_sent>closed release");
  const Record closed = last(RecordKind::state);
  EXPECT_EQ(closed.error, ECONNREFUSED);
  EXPECT_FALSE(closed.has_mini);
  EXPECT_NE(closed.socket.local.port, 0);
}

}  // namespace
}  // namespace socktrace::test
