#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include "core/diag/request.h"
#include "core/diag/row.h"
#include "support/netlink_builder.h"

namespace socktrace::diag {
namespace {

using test::Bytes;
using test::bytes_of;
using test::MessageBuilder;

inet_diag_msg inet_header(uint8_t family = AF_INET, State state = State::established) {
  inet_diag_msg header{};
  header.idiag_family = family;
  header.idiag_state = static_cast<uint8_t>(state);
  header.id.idiag_sport = htons(8080);
  header.id.idiag_dport = htons(40000);
  header.id.idiag_src[0] = htonl(0x7f000001);
  header.id.idiag_dst[0] = htonl(0x7f000002);
  header.id.idiag_if = 3;
  header.id.idiag_cookie[0] = 0x11;
  header.id.idiag_cookie[1] = 0x22;
  header.idiag_rqueue = 5;
  header.idiag_wqueue = 6;
  header.idiag_uid = 1000;
  header.idiag_inode = 4711;
  return header;
}

TEST(Attributes, KeepsThemByType) {
  const Bytes bytes =
      MessageBuilder().attribute(3, uint32_t{42}).attribute(0, bytes_of(std::string_view("abc"))).bytes();
  const Result<Attributes> attributes = Attributes::parse(bytes, 0);
  ASSERT_TRUE(attributes);
  EXPECT_EQ(attributes->value<uint32_t>(3), 42U);
  EXPECT_EQ(attributes->bytes(0).size(), 3U);
  EXPECT_FALSE(attributes->has(1));
  EXPECT_TRUE(attributes->bytes(1).empty());
}

TEST(Attributes, AnEmptyOneIsThere) {
  const Bytes bytes = MessageBuilder().attribute(2, Bytes{}).bytes();
  const Result<Attributes> attributes = Attributes::parse(bytes, 0);
  ASSERT_TRUE(attributes);
  EXPECT_TRUE(attributes->has(2));
  EXPECT_FALSE(attributes->value<uint8_t>(2));
}

TEST(Attributes, AShorterValueIsNoneButAStructureIsPadded) {
  const Bytes bytes = MessageBuilder().attribute(2, uint32_t{7}).bytes();
  const Result<Attributes> attributes = Attributes::parse(bytes, 0);
  ASSERT_TRUE(attributes);
  EXPECT_FALSE(attributes->value<uint64_t>(2));
  EXPECT_EQ(attributes->padded<uint64_t>(2), 7U);
}

TEST(Attributes, UnknownTypesAndFlagsAreNoError) {
  const Bytes bytes =
      MessageBuilder().attribute(900, uint32_t{1}).attribute(NLA_F_NESTED | 4, uint32_t{2}).bytes();
  const Result<Attributes> attributes = Attributes::parse(bytes, 0);
  ASSERT_TRUE(attributes);
  EXPECT_EQ(attributes->value<uint32_t>(4), 2U);
}

TEST(Attributes, LengthsThatDoNotFitAreDamage) {
  for (const uint16_t length : {0, 3, 9, 65535}) {
    Bytes bytes = MessageBuilder().attribute(1, uint32_t{1}).bytes();
    std::memcpy(bytes.data(), &length, sizeof length);
    const Result<Attributes> attributes = Attributes::parse(bytes, 0);
    ASSERT_FALSE(attributes) << length;
    EXPECT_EQ(attributes.error().kind, ErrorKind::damaged);
  }
  EXPECT_FALSE(Attributes::parse(Bytes(3), 0));
  EXPECT_FALSE(Attributes::parse(Bytes(size_t{1} << 17), 0));
}

TEST(Attributes, NestedOnesAreFound) {
  const Bytes inner = MessageBuilder().attribute(1, uint32_t{5}).attribute(7, uint16_t{9}).bytes();
  const Bytes bytes = MessageBuilder().attribute(2, uint64_t{0}).attribute(3, inner).bytes();
  const Result<Attributes> attributes = Attributes::parse(bytes, 0);
  ASSERT_TRUE(attributes);
  EXPECT_EQ(attributes->nested(3).value<uint32_t>(1), 5U);
  EXPECT_EQ(attributes->nested(3).value<uint16_t>(7), 9U);
  EXPECT_FALSE(attributes->nested(9).has(1));
}

TEST(DiagRow, InetSocket) {
  const Bytes bytes = MessageBuilder(inet_header())
                          .attribute(INET_DIAG_SHUTDOWN, uint8_t{2})
                          .attribute(INET_DIAG_MARK, uint32_t{0x2a})
                          .attribute(INET_DIAG_CGROUP_ID, uint64_t{99})
                          .bytes();
  const Result<Row> row = parse_row(Table::tcp, bytes);
  ASSERT_TRUE(row);
  const Socket& socket = row->socket;
  EXPECT_EQ(to_string(socket.family, socket.local), "127.0.0.1:8080");
  EXPECT_EQ(to_string(socket.family, socket.peer), "127.0.0.2:40000");
  EXPECT_EQ(socket.key.cookie, 0x2200000011U);
  EXPECT_EQ(socket.state, State::established);
  EXPECT_EQ(socket.protocol, 6);
  EXPECT_EQ(netid(socket), "tcp");
  EXPECT_EQ(socket.uid, 1000U);
  EXPECT_EQ(socket.inode, 4711U);
  EXPECT_EQ(socket.ifindex, 3U);
  EXPECT_EQ(socket.recv_q, 5U);
  EXPECT_EQ(socket.send_q, 6U);
  EXPECT_EQ(socket.mark, 0x2aU);
  EXPECT_EQ(socket.cgroup_id, 99U);
  EXPECT_EQ(socket.shutdown, 2);
  EXPECT_FALSE(socket.options.v6_only_known);
}

TEST(DiagRow, V6OnlyIsKnownOnlyWhenSaid) {
  const Bytes bytes =
      MessageBuilder(inet_header(AF_INET6, State::listen)).attribute(INET_DIAG_SKV6ONLY, uint8_t{1}).bytes();
  const Result<Row> row = parse_row(Table::tcp, bytes);
  ASSERT_TRUE(row);
  EXPECT_TRUE(row->socket.options.v6_only_known);
  EXPECT_TRUE(row->socket.options.v6_only);
}

TEST(DiagRow, MiniSocketsHaveNoUid) {
  inet_diag_msg time_wait = inet_header(AF_INET, State::time_wait);
  time_wait.idiag_timer = 3;
  time_wait.idiag_uid = 0;
  time_wait.idiag_expires = 59'000;
  const Result<Row> row = parse_row(Table::tcp, bytes_of(time_wait));
  ASSERT_TRUE(row);
  EXPECT_EQ(row->socket.uid, UINT32_MAX);
  EXPECT_EQ(row->timer.expires_ms, 59'000U);
  inet_diag_msg request = inet_header(AF_INET, State::syn_recv);
  EXPECT_EQ(parse_row(Table::tcp, bytes_of(request))->socket.uid, UINT32_MAX);
}

TEST(DiagRow, TheTimerOfAMiniSocketTellsWhenItBegan) {
  constexpr uint64_t kSecond = 1'000'000'000;
  constexpr Timer timewait{.kind = 3, .expires_ms = 59'000};
  EXPECT_EQ(timewait.timewait_began_ns(100 * kSecond), 99 * kSecond);
  EXPECT_EQ(timewait.timewait_began_ns(kSecond / 2), 0U);  // before the boot
  constexpr Timer retransmit{.kind = 1, .expires_ms = 59'000};
  EXPECT_EQ(retransmit.timewait_began_ns(100 * kSecond), 0U);
}

TEST(DiagRow, AStateOfTheFutureIsUnknown) {
  inet_diag_msg header = inet_header();
  header.idiag_state = 200;
  EXPECT_EQ(parse_row(Table::tcp, bytes_of(header))->socket.state, State::none);
}

TEST(DiagRow, RawSocketsTellTheirProtocol) {
  const Bytes bytes = MessageBuilder(inet_header()).attribute(INET_DIAG_PROTOCOL, uint8_t{1}).bytes();
  const Result<Row> row = parse_row(Table::raw, bytes);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->socket.protocol, 1);
  EXPECT_EQ(netid(row->socket), "raw");
}

TEST(DiagRow, EveryLengthOfEveryFamilyIsARowOrDamage) {
  const Bytes bytes = MessageBuilder(inet_header()).attribute(INET_DIAG_CGROUP_ID, uint64_t{1}).bytes();
  for (int table = 0; table < kTableCount; ++table)
    for (size_t length = 0; length <= bytes.size(); ++length) {
      const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
      const Result<Row> row = parse_row(static_cast<Table>(table), cut);
      if (!row) {
        EXPECT_EQ(row.error().kind, ErrorKind::damaged);
      }
      if (bit(static_cast<Table>(table)) & kInetTables) {
        const bool whole = length == sizeof(inet_diag_msg) || length == bytes.size();
        EXPECT_EQ(row.has_value(), whole) << length;
      }
    }
}

Bytes unix_message(uint8_t type, const Bytes& name) {
  unix_diag_msg header{};
  header.udiag_family = AF_UNIX;
  header.udiag_type = type;
  header.udiag_state = static_cast<uint8_t>(State::listen);
  header.udiag_ino = 12;
  return MessageBuilder(header)
      .attribute(UNIX_DIAG_NAME, name)
      .attribute(UNIX_DIAG_PEER, uint32_t{13})
      .attribute(UNIX_DIAG_RQLEN, unix_diag_rqlen{.udiag_rqueue = 1, .udiag_wqueue = 128})
      .bytes();
}

TEST(DiagRow, UnixPathEndsAtItsNul) {
  const Bytes message = unix_message(SOCK_STREAM, bytes_of(std::string_view("/run/x\0junk", 11)));
  const Result<Row> row = parse_row(Table::unix_stream, message);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->table, Table::unix_stream);
  EXPECT_EQ(row->socket.details->name, "/run/x");
  EXPECT_EQ(row->socket.details->peer_inode, 13U);
  EXPECT_EQ(row->socket.recv_q, 1U);
  EXPECT_EQ(row->socket.send_q, 128U);
}

TEST(DiagRow, AbstractUnixNameKeepsItsNuls) {
  const Bytes message = unix_message(SOCK_DGRAM, bytes_of(std::string_view("\0a\0b", 4)));
  const Result<Row> row = parse_row(Table::unix_stream, message);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->table, Table::unix_dgram);
  EXPECT_EQ(row->socket.details->name, std::string_view("@a\0b", 4));
}

TEST(DiagRow, UnixPathThatFillsItsFieldHasNoNul) {
  const Bytes message = unix_message(SOCK_SEQPACKET, bytes_of(std::string_view(std::string(108, 'p'))));
  EXPECT_EQ(parse_row(Table::unix_stream, message)->socket.details->name.size(), 108U);
}

TEST(DiagRow, PacketSocket) {
  packet_diag_msg header{};
  header.pdiag_family = AF_PACKET;
  header.pdiag_type = SOCK_DGRAM;
  header.pdiag_num = 0x0806;
  packet_diag_info info{};
  info.pdi_index = 2;
  const Bytes message = MessageBuilder(header).attribute(PACKET_DIAG_INFO, info).bytes();
  const Result<Row> row = parse_row(Table::packet_raw, message);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->table, Table::packet_dgram);
  EXPECT_EQ(row->socket.protocol, 0x0806);
  EXPECT_EQ(row->socket.ifindex, 2U);
}

TEST(DiagRow, NetlinkSocket) {
  netlink_diag_msg header{};
  header.ndiag_family = AF_NETLINK;
  header.ndiag_protocol = 16;
  header.ndiag_portid = 4'000'000'000U;
  const std::array<uint32_t, 9> memory = {832, 1, 2, 3, 4, 5, 6, 7, 8};
  const Bytes message = MessageBuilder(header).attribute(NETLINK_DIAG_MEMINFO, memory).bytes();
  const Result<Row> row = parse_row(Table::netlink, message);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->socket.details->port, 4'000'000'000U);
  EXPECT_EQ(row->socket.recv_q, 832U);
  EXPECT_EQ(row->socket.send_q, 2U);
}

TEST(ProcRow, Ipv4Raw) {
  const Result<Row> row = parse_proc_row(
      Table::raw, Family::inet,
      "   89: 0100007F:0059 00000000:0000 07 00000001:00000340 00:00000000 00000000  1000        0 70475 2 "
      "00000000deadbeef 0");
  ASSERT_TRUE(row);
  EXPECT_EQ(to_string(Family::inet, row->socket.local), "127.0.0.1:89");
  EXPECT_EQ(row->socket.state, State::close);
  EXPECT_EQ(row->socket.send_q, 1U);
  EXPECT_EQ(row->socket.recv_q, 0x340U);
  EXPECT_EQ(row->socket.uid, 1000U);
  EXPECT_EQ(row->socket.inode, 70475U);
  EXPECT_EQ(row->socket.key.sk, 0xdeadbeefU);
  EXPECT_EQ(row->socket.protocol, 89);
}

TEST(ProcRow, Ipv6) {
  const Result<Row> row = parse_proc_row(Table::udp, Family::inet6,
                                         "  12: 00000000000000000000000001000000:14E9 "
                                         "00000000000000000000000000000000:0000 07 00000000:00000000 "
                                         "00:00000000 00000000     0        0 9 2 0000000000000000 0");
  ASSERT_TRUE(row);
  EXPECT_EQ(to_string(Family::inet6, row->socket.local), "[::1]:5353");
  EXPECT_EQ(row->socket.key.sk, 9U) << "the inode stands in for a hidden pointer";
}

TEST(ProcRow, AnythingElseIsDamage) {
  for (const char* line :
       {"", "   1:", "   1: 0100007F:0059 00000000", "   1: zz00007F:0059 00000000:0000 07"}) {
    const Result<Row> row = parse_proc_row(Table::raw, Family::inet, line);
    ASSERT_FALSE(row) << line;
    EXPECT_EQ(row.error().kind, ErrorKind::damaged);
  }
}

template <typename Header>
Header header_of(const Bytes& message) {
  Header header{};
  EXPECT_GE(message.size(), sizeof header);
  std::memcpy(&header, message.data(), std::min(message.size(), sizeof header));
  return header;
}

TEST(DiagRequest, AsksForWhatIsShown) {
  Query query{.table = Table::tcp, .family = Family::inet6, .states = 0xfff, .detail = {}, .bytecode = {}};
  EXPECT_EQ(header_of<inet_diag_req_v2>(dump_request(query)).idiag_ext, 0);
  query.detail = {.memory = true, .information = true, .tos = true, .files = true};
  const auto header = header_of<inet_diag_req_v2>(dump_request(query));
  EXPECT_EQ(header.sdiag_family, AF_INET6);
  EXPECT_EQ(header.sdiag_protocol, 6);
  EXPECT_EQ(header.idiag_states, 0xfffU);
  EXPECT_EQ(header.idiag_ext, 0x7f);  // MEMINFO … SKMEMINFO
}

TEST(DiagRequest, MptcpGoesIntoAnAttribute) {
  const Bytes message = dump_request(
      {.table = Table::mptcp, .family = Family::inet, .states = 1, .detail = {}, .bytecode = {}});
  EXPECT_EQ(header_of<inet_diag_req_v2>(message).sdiag_protocol, 0) << "262 & 0xff would be TCP";
  const Result<Attributes> attributes = Attributes::parse(message, sizeof(inet_diag_req_v2));
  ASSERT_TRUE(attributes);
  EXPECT_EQ(attributes->value<uint32_t>(INET_DIAG_REQ_PROTOCOL), 262U);
}

TEST(DiagRequest, CarriesTheKernelsFilter) {
  const Bytes program = bytes_of(uint64_t{0x1122334455667788});
  const Bytes message = dump_request(
      {.table = Table::udp, .family = Family::inet, .states = 1, .detail = {}, .bytecode = program});
  const Result<Attributes> attributes = Attributes::parse(message, sizeof(inet_diag_req_v2));
  ASSERT_TRUE(attributes);
  EXPECT_EQ(attributes->value<uint64_t>(INET_DIAG_REQ_BYTECODE), 0x1122334455667788U);
}

TEST(DiagRequest, OneSocketByAddressesAndCookie) {
  const Socket socket = parse_row(Table::tcp, bytes_of(inet_header()))->socket;
  const auto header = header_of<inet_diag_req_v2>(get_request(socket));
  EXPECT_EQ(header.id.idiag_sport, htons(8080));
  EXPECT_EQ(header.id.idiag_src[0], htonl(0x7f000001));
  EXPECT_EQ(header.id.idiag_if, 3U);
  EXPECT_EQ(header.id.idiag_cookie[1], 0x22U);
}

TEST(DiagRequest, WithoutACookieTheAddressesAlone) {
  Socket socket = parse_row(Table::tcp, bytes_of(inet_header()))->socket;
  socket.key = {0, 0xffff888000001000};
  const auto header = header_of<inet_diag_req_v2>(get_request(socket));
  EXPECT_EQ(header.id.idiag_sport, htons(8080));
  EXPECT_EQ(header.id.idiag_cookie[0], ~0U);
  EXPECT_EQ(header.id.idiag_cookie[1], ~0U);
}

TEST(DiagRequest, RawSocketsAreFoundByTheirProtocolToo) {
  Socket socket = parse_row(Table::raw, bytes_of(inet_header()))->socket;
  socket.protocol = 89;
  const auto header = header_of<inet_diag_req_v2>(get_request(socket));
  EXPECT_EQ(header.sdiag_protocol, IPPROTO_RAW);
  EXPECT_EQ(header.pad, 89) << "sdiag_raw_protocol of inet_diag_req_raw";
}

TEST(DiagRequest, UnixSocketsAreFoundByInodeWhereNoCookieIsKnown) {
  Socket socket;
  socket.family = Family::unix;
  socket.inode = 77;
  const auto header = header_of<unix_diag_req>(get_request(socket));
  EXPECT_EQ(header.udiag_ino, 77U);
  EXPECT_EQ(header.udiag_cookie[0], ~0U);
}

}  // namespace
}  // namespace socktrace::diag
