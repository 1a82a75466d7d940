#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "bpf/abi.h"
#include "core/record.h"

namespace socktrace {
namespace {

// The bytes of a record as the kernel writes them: the parts that its flags name, in order.
struct RecordBytes {
  st_head head{};
  st_sock sock{};
  st_task task{};
  st_stats stats{};
  st_name name{};

  RecordBytes() {
    head.kind = ST_STATE;
    head.time_ns = 1'000'000'007;
    head.cookie = 0x1002;
    head.sk = 0xffff888000001000;
    head.netns = 4026531840;
    head.lost = 3;
    head.cpu = 1;
    sock.family = 2;
    sock.protocol = 6;
    sock.type = 1;
    sock.laddr[0] = 127;
    sock.laddr[3] = 1;
    sock.raddr[0] = 10;
    sock.lport = 8080;
    sock.rport = 443;
    sock.old_state = 7;
    sock.new_state = 2;
    sock.options = ST_O_KNOWN | ST_O_REUSEADDR;
    sock.ifindex = 4;
    sock.mark = 77;
    sock.uid = 1000;
    sock.inode = 121192;
    task.pid = 991;
    task.tid = 992;
    task.uid = 33;
    task.fd = 6;
    task.start_ns = 42;
    task.cgroup_id = 9;
    std::memcpy(task.comm, "nginx", 6);
    stats = {100, 7, 1294, 2};
  }

  std::vector<std::byte> bytes() const {
    std::vector<std::byte> out;
    append(out, head);
    append(out, sock);
    if (head.flags & ST_F_TASK) append(out, task);
    if (head.flags & ST_F_STATS) append(out, stats);
    if (head.flags & ST_F_NAME) append(out, name);
    return out;
  }

 private:
  template <typename T>
  static void append(std::vector<std::byte>& out, const T& part) {
    const auto* begin = reinterpret_cast<const std::byte*>(&part);
    out.insert(out.end(), begin, begin + sizeof part);
  }
};

std::string refusal(const std::vector<std::byte>& bytes) {
  const Result<Record> record = decode(bytes);
  if (record) return "accepted";
  return record.error().kind == ErrorKind::damaged ? record.error().message : "not called damaged";
}

TEST(Decode, EveryFieldOfHeadAndSocketArrives) {
  const Result<Record> record = decode(RecordBytes().bytes());
  ASSERT_TRUE(record);
  EXPECT_EQ(record->kind, RecordKind::state);
  EXPECT_EQ(record->time_ns, 1'000'000'007u);
  EXPECT_EQ(record->cpu, 1);
  EXPECT_EQ(record->lost, 3u);
  EXPECT_EQ(record->old_state, State::close);
  EXPECT_EQ(record->new_state, State::syn_sent);
  const Socket& socket = record->socket;
  EXPECT_EQ(to_string(socket.family, socket.local), "127.0.0.1:8080");
  EXPECT_EQ(to_string(socket.family, socket.peer), "10.0.0.0:443");
  EXPECT_EQ(socket.key, (SocketKey{0x1002, 0}));
  EXPECT_EQ(socket.protocol, 6);
  EXPECT_EQ(socket.type, 1);
  EXPECT_EQ(socket.state, State::syn_sent);
  EXPECT_EQ(socket.netns, 4026531840u);
  EXPECT_EQ(socket.inode, 121192u);
  EXPECT_EQ(socket.uid, 1000u);
  EXPECT_EQ(socket.ifindex, 4u);
  EXPECT_EQ(socket.mark, 77u);
  EXPECT_TRUE(socket.owners.empty());
}

TEST(Decode, EveryFlagCombinationHasTheLengthItsFlagsSay) {
  for (int flags = 0; flags < 128; ++flags) {
    RecordBytes raw;
    raw.head.flags = static_cast<uint8_t>(flags);
    raw.head.error = 98;
    if (flags & ST_F_MINI) raw.sock.mini_state = 6;
    const std::vector<std::byte> bytes = raw.bytes();
    const Result<Record> record = decode(bytes);
    ASSERT_TRUE(record) << flags;
    EXPECT_EQ(record->has_task, (flags & ST_F_TASK) != 0);
    EXPECT_EQ(record->has_stats, (flags & ST_F_STATS) != 0);
    EXPECT_EQ(record->has_result, (flags & ST_F_RESULT) != 0);
    EXPECT_EQ(record->has_mini, (flags & ST_F_MINI) != 0);
    EXPECT_EQ(record->gave_up, (flags & ST_F_GIVEN_UP) != 0);
    EXPECT_EQ(record->is_awaited, (flags & ST_F_AWAITED) != 0);
    EXPECT_EQ(record->error, 98);
    EXPECT_EQ(record->mini_state, flags & ST_F_MINI ? State::time_wait : State::none);
    EXPECT_EQ(record->task.pid, flags & ST_F_TASK ? 991u : 0u);
    EXPECT_EQ(record->stats, flags & ST_F_STATS ? (TcpStats{100, 7, 1294, 2}) : TcpStats{});
    for (size_t length = 0; length <= bytes.size() + 8; ++length) {
      std::vector<std::byte> cut = bytes;
      cut.resize(length);
      EXPECT_EQ(decode(cut).has_value(), length == bytes.size()) << flags << " " << length;
    }
  }
}

// A socket of inode 121192 that `kind` was called on.
RecordBytes unix_record(uint8_t kind, std::string_view name) {
  RecordBytes raw;
  raw.head.kind = kind;
  raw.head.flags = ST_F_NAME;
  raw.head.cookie = raw.head.sk = 0;
  raw.sock = {};
  raw.sock.family = 1;
  raw.sock.type = 1;
  raw.sock.inode = 121192;
  raw.name.peer_inode = 7;
  raw.name.length = static_cast<uint32_t>(name.size());
  std::memcpy(raw.name.bytes, name.data(), name.size());
  return raw;
}

TEST(Decode, UnixSocketIsKnownByItsInodeAndHasAName) {
  const Result<Record> record = decode(unix_record(ST_BIND, std::string_view("/run/x\0", 7)).bytes());
  ASSERT_TRUE(record);
  EXPECT_EQ(record->socket.key, (SocketKey{0, 121192}));
  ASSERT_TRUE(record->socket.details);
  EXPECT_EQ(record->socket.details->name, "/run/x");
  EXPECT_EQ(record->socket.details->peer_inode, 7u);
}

TEST(Decode, WhatAUnixSocketConnectsToIsTheNameOfItsPeer) {
  const Result<Record> record = decode(unix_record(ST_CONNECT, std::string_view("\0x\0y", 4)).bytes());
  ASSERT_TRUE(record);
  EXPECT_EQ(record->socket.details->name, "");
  EXPECT_EQ(record->socket.details->peer_name, std::string("@x\0y", 4));
}

TEST(Decode, ANameLongerThanItsFieldIsDamage) {
  RecordBytes raw = unix_record(ST_BIND, "x");
  raw.name.length = ST_NAME_BYTES + 1;
  EXPECT_EQ(refusal(raw.bytes()), "decode record: a name of 129 bytes");
}

TEST(Decode, TheTaskIsComplete) {
  RecordBytes raw;
  raw.head.flags = ST_F_TASK;
  const Result<Record> record = decode(raw.bytes());
  ASSERT_TRUE(record);
  EXPECT_EQ(record->task.pid, 991u);
  EXPECT_EQ(record->task.tid, 992u);
  EXPECT_EQ(record->task.uid, 33u);
  EXPECT_EQ(record->task.fd, 6);
  EXPECT_EQ(record->task.start_ns, 42u);
  EXPECT_EQ(record->task.cgroup_id, 9u);
  EXPECT_EQ(record->task.comm, "nginx");
}

TEST(Decode, ACommWithoutATerminatorStopsAtItsEnd) {
  RecordBytes raw;
  raw.head.flags = ST_F_TASK | ST_F_STATS;
  std::memset(raw.task.comm, 'x', sizeof raw.task.comm);
  const Result<Record> record = decode(raw.bytes());
  ASSERT_TRUE(record);
  EXPECT_EQ(record->task.comm, std::string(16, 'x'));
}

TEST(Decode, EveryKindOfTheAbiIsKnownAndNoOther) {
  for (int kind = 0; kind < 256; ++kind) {
    RecordBytes raw;
    raw.head.kind = static_cast<uint8_t>(kind);
    const Result<Record> record = decode(raw.bytes());
    ASSERT_EQ(record.has_value(), kind >= ST_STATE && kind <= ST_SEND) << kind;
    if (record) {
      EXPECT_EQ(static_cast<int>(record->kind), kind);
    }
  }
}

TEST(Decode, EveryOptionBitIsReadByItself) {
  for (int bits = 0; bits < 32; ++bits) {
    RecordBytes raw;
    raw.sock.family = AF_INET6;
    raw.sock.options = static_cast<uint8_t>(bits);
    const Result<Record> record = decode(raw.bytes());
    ASSERT_TRUE(record);
    const BindOptions& options = record->socket.options;
    EXPECT_EQ(options.reuse_address, (bits & ST_O_REUSEADDR) != 0);
    EXPECT_EQ(options.reuse_port, (bits & ST_O_REUSEPORT) != 0);
    EXPECT_EQ(options.v6_only, (bits & ST_O_V6ONLY) != 0);
    EXPECT_EQ(options.known, (bits & ST_O_KNOWN) != 0);
    EXPECT_EQ(options.v6_only_known, (bits & ST_O_KNOWN) != 0);
    EXPECT_EQ(options.port_locked, (bits & ST_O_PORT_LOCKED) != 0);
  }
}

TEST(Decode, OnlyIpv6SocketsCanBeForIpv6Alone) {
  RecordBytes raw;
  raw.sock.family = AF_INET;
  raw.sock.options = ST_O_KNOWN;
  const Result<Record> record = decode(raw.bytes());
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->socket.options.known);
  EXPECT_FALSE(record->socket.options.v6_only_known);
}

TEST(Decode, StatesOutOfRangeAreDamage) {
  for (int state = 0; state < 256; ++state) {
    RecordBytes raw;
    raw.sock.new_state = static_cast<uint8_t>(state);
    EXPECT_EQ(decode(raw.bytes()).has_value(), state < kStateCount) << state;
    std::swap(raw.sock.old_state, raw.sock.new_state);
    EXPECT_EQ(decode(raw.bytes()).has_value(), state < kStateCount) << state;
  }
}

TEST(Decode, AMiniSocketIsInTimeWaitOrFinWait2AndOnlyWhenFlagged) {
  for (int state = 0; state < 256; ++state) {
    RecordBytes raw;
    raw.sock.mini_state = static_cast<uint8_t>(state);
    EXPECT_EQ(decode(raw.bytes()).has_value(), state == 0) << state;
    raw.head.flags = ST_F_MINI;
    EXPECT_EQ(decode(raw.bytes()).has_value(), state == 5 || state == 6) << state;
  }
}

TEST(Decode, TheKernelAddressIsPartOfTheKeyOnlyWhereCookiesAreShared) {
  RecordBytes raw;
  EXPECT_EQ(decode(raw.bytes())->socket.key, (SocketKey{0x1002, 0}));
  raw.sock.protocol = 262;
  EXPECT_EQ(decode(raw.bytes())->socket.key, (SocketKey{0x1002, 0xffff888000001000}));
  raw.sock.protocol = 6;
  raw.head.cookie = 0;
  EXPECT_EQ(decode(raw.bytes())->socket.key, (SocketKey{0, 0xffff888000001000}));
}

TEST(Decode, Ipv6AddressesTakeAllSixteenBytes) {
  RecordBytes raw;
  raw.sock.family = 10;
  std::memset(raw.sock.laddr, 0, sizeof raw.sock.laddr);
  raw.sock.laddr[15] = 1;
  std::memset(raw.sock.raddr, 0xfe, sizeof raw.sock.raddr);
  const Result<Record> record = decode(raw.bytes());
  ASSERT_TRUE(record);
  EXPECT_EQ(to_string(record->socket.family, record->socket.local), "[::1]:8080");
  EXPECT_EQ(to_string(record->socket.family, record->socket.peer.address),
            "fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe");
}

TEST(Decode, WhatIsWrongIsNamed) {
  EXPECT_EQ(refusal({}), "decode record: 0 bytes, too short");
  RecordBytes raw;
  raw.head.kind = 13;
  EXPECT_EQ(refusal(raw.bytes()), "decode record: unknown kind 13");
  raw = {};
  raw.head.flags = 128;
  EXPECT_EQ(refusal(raw.bytes()), "decode record: unknown flags 128");
  raw = {};
  raw.head.error = -98;
  EXPECT_EQ(refusal(raw.bytes()), "decode record: errno -98");
  raw = {};
  raw.head.flags = ST_F_TASK;
  std::vector<std::byte> cut = raw.bytes();
  cut.resize(cut.size() - 1);
  EXPECT_EQ(refusal(cut), "decode record: 151 bytes, its flags say 152");
}

// Any single changed byte either still decodes or is called damaged; nothing reads outside its bytes (ASan).
TEST(Decode, GarbageIsRefusedOrReadButNeverOverrun) {
  uint32_t seed = 12345;
  const auto next = [&seed] { return seed = seed * 1664525u + 1013904223u; };
  RecordBytes raw;
  raw.head.flags = ST_F_TASK | ST_F_STATS;
  size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes = raw.bytes();
    for (int changes = 0; changes < 3; ++changes)
      bytes[next() % bytes.size()] = static_cast<std::byte>(next() >> 24);
    bytes.resize(next() % 4 == 0 ? next() % (bytes.size() + 16) : bytes.size());
    if (!decode(bytes)) ++refused;
  }
  EXPECT_GT(refused, 5'000u);
  EXPECT_LT(refused, 20'000u);
}

}  // namespace
}  // namespace socktrace
