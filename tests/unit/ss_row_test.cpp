#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/mptcp.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include "core/ss/row_text.h"
#include "core/ss/tcp_info.h"
#include "support/netlink_builder.h"

namespace socktrace::ss {
namespace {

using diag::Row;
using diag::Table;
using test::Bytes;
using test::bytes_of;
using test::MessageBuilder;

Names names() {
  return {
      .service = [](uint16_t port,
                    Table) { return port == 22 ? std::string_view("ssh") : std::string_view(); },
      .ip_protocol =
          [](uint8_t number) { return number == 1 ? std::string_view("icmp") : std::string_view(); },
      .interface = [](uint32_t, uint32_t) { return std::string_view("lo"); },
      .host = [](Family, const AddressBytes&) { return std::string_view("localhost"); },
      .process = [](uint32_t pid) { return pid == 42 ? std::string("ip") : std::string(); },
      .cgroup = [](uint64_t id) { return id == 1 ? std::string("/") : std::string(); },
      .process_context = [](uint32_t pid) { return pid == 42 ? std::string("a:b\x1b") : std::string(); },
      .socket_context = [](uint32_t, int fd) { return "fd" + std::to_string(fd); },
      .map_value =
          [](uint32_t map, std::span<const std::byte> value) {
            return "m" + std::to_string(map) + ':' + std::to_string(value.size());
          },
  };
}

// The cells with '|' between them.
std::string text(Row row, const Show& show, const std::vector<Owner>& owners = {}) {
  row.socket.owners = owners;
  Line line;
  write_row(line, row, show, names());
  std::string cells;
  for (size_t column = kNetid; column < kColumns; ++column) {
    if (column > kNetid) cells += '|';
    cells += line.at(column);
  }
  return cells;
}

std::string text(Table table, const Bytes& message, const Show& show, const std::vector<Owner>& owners = {}) {
  Result<Row> row = diag::parse_row(table, message);
  EXPECT_TRUE(row) << (row ? "" : row.error().message);
  return row ? text(std::move(*row), show, owners) : "";
}

inet_diag_msg inet_header(uint8_t family, State state) {
  inet_diag_msg header{};
  header.idiag_family = family;
  header.idiag_state = static_cast<uint8_t>(state);
  header.id.idiag_sport = htons(22);
  header.id.idiag_cookie[0] = 0x7a39e;
  header.idiag_inode = 4711;
  return header;
}

inet_diag_msg connection() {
  inet_diag_msg header = inet_header(AF_INET, State::established);
  header.id.idiag_src[0] = htonl(0x7f000001);
  header.id.idiag_dst[0] = htonl(0x0a630001);
  header.id.idiag_dport = htons(40000);
  return header;
}

Owner owner(uint32_t pid, std::string name, int fd) {
  auto process = std::make_shared<Process>();
  process->pid = pid;
  process->name = std::move(name);
  return {.process = process, .fd = fd};
}

TEST(SsRow, Ipv4) {
  EXPECT_EQ(text(Table::tcp, bytes_of(connection()), {}), "tcp|ESTAB|0|0|127.0.0.1:|ssh|10.99.0.1:|40000|");
  EXPECT_EQ(text(Table::tcp, bytes_of(connection()), {.numeric = true}),
            "tcp|ESTAB|0|0|127.0.0.1:|22|10.99.0.1:|40000|");
  EXPECT_EQ(text(Table::tcp, bytes_of(connection()), {.resolve = true}),
            "tcp|ESTAB|0|0|localhost:|ssh|localhost:|40000|");
}

TEST(SsRow, WildcardsTellWhetherAListenerIsDualStack) {
  const inet_diag_msg v6 = inet_header(AF_INET6, State::listen);
  EXPECT_EQ(text(Table::tcp, bytes_of(inet_header(AF_INET, State::listen)), {}),
            "tcp|LISTEN|0|0|0.0.0.0:|ssh|0.0.0.0:|*|");
  EXPECT_EQ(text(Table::tcp, MessageBuilder(v6).attribute(INET_DIAG_SKV6ONLY, uint8_t{0}).bytes(), {}),
            "tcp|LISTEN|0|0|*:|ssh|*:|*|");
  EXPECT_EQ(text(Table::tcp, MessageBuilder(v6).attribute(INET_DIAG_SKV6ONLY, uint8_t{1}).bytes(), {}),
            "tcp|LISTEN|0|0|[::]:|ssh|[::]:|*|");
}

TEST(SsRow, V4MappedIsBracketedAndTheDeviceFollowsTheLocalAddress) {
  inet_diag_msg header = inet_header(AF_INET6, State::established);
  const uint32_t mapped[4] = {0, 0, htonl(0xffff), htonl(0x7f000001)};
  std::memcpy(header.id.idiag_src, mapped, sizeof mapped);
  std::memcpy(header.id.idiag_dst, mapped, sizeof mapped);
  header.id.idiag_if = 1;
  EXPECT_EQ(text(Table::udp, bytes_of(header), {}),
            "udp|ESTAB|0|0|[::ffff:127.0.0.1]%lo:|ssh|[::ffff:127.0.0.1]:|*|");
}

TEST(SsRow, RawSocketsHaveTheirProtocolAsPort) {
  inet_diag_msg header = inet_header(AF_INET, State::close);
  header.id.idiag_sport = htons(1);
  EXPECT_EQ(text(Table::raw, bytes_of(header), {}), "raw|UNCONN|0|0|0.0.0.0:|icmp|0.0.0.0:|*|");
  header.id.idiag_sport = htons(200);
  EXPECT_EQ(text(Table::raw, bytes_of(header), {}), "raw|UNCONN|0|0|0.0.0.0:|ipproto-200|0.0.0.0:|*|");
}

TEST(SsRow, SctpAssociationsStandUnderTheirEndpointWithStatesOfTheirOwn) {
  inet_diag_msg header = connection();
  header.idiag_state = 3;  // SCTP_STATE_ESTABLISHED
  Row row = *diag::parse_row(Table::sctp, bytes_of(header));
  row.association = true;
  EXPECT_EQ(text(row, {.numeric = true}), "|`- ESTAB|0|0|127.0.0.1:|22|10.99.0.1:|40000|");
}

TEST(SsRow, OnATerminalThePeerOfAUnixSocketHasAName) {
  unix_diag_msg header{};
  header.udiag_family = AF_UNIX;
  header.udiag_type = SOCK_STREAM;
  header.udiag_state = static_cast<uint8_t>(State::established);
  header.udiag_ino = 10;
  Row row =
      *diag::parse_row(Table::unix_stream, MessageBuilder(header).attribute(UNIX_DIAG_PEER, 11U).bytes());
  row.peer_owners = {owner(7, "bus", 4), owner(8, "a\x1b", 5)};
  EXPECT_EQ(text(row, {.processes = true}, {owner(9, "x", 3)}),
            "u_str|ESTAB|0|0|* |10|* |11| users:((\"x\",pid=9,fd=3))");
  EXPECT_EQ(text(row, {.processes = true, .every_owner = true}, {owner(9, "x", 3)}),
            "u_str|ESTAB|0|0|* |10|* |11| users:((\"x\",pid=9,fd=3)) peer:(bus[7],a\\x1b[8])");
}

TEST(SsRow, QueuesArePrintedWithASign) {
  inet_diag_msg header = connection();
  header.idiag_wqueue = UINT32_MAX;
  EXPECT_EQ(text(Table::tcp, bytes_of(header), {}), "tcp|ESTAB|0|-1|127.0.0.1:|ssh|10.99.0.1:|40000|");
}

TEST(SsRow, UsersAreHighestPidFirst) {
  EXPECT_EQ(text(Table::tcp, bytes_of(connection()), {.processes = true},
                 {owner(7, "a", 3), owner(9, "b", 3), owner(7, "a", 12)}),
            "tcp|ESTAB|0|0|127.0.0.1:|ssh|10.99.0.1:|40000| "
            "users:((\"b\",pid=9,fd=3),(\"a\",pid=7,fd=12),(\"a\",pid=7,fd=3))");
}

TEST(SsRow, NamesCannotControlTheTerminal) {
  EXPECT_EQ(text(Table::tcp, bytes_of(connection()), {.processes = true}, {owner(7, "\x1b[2J\n", 3)}),
            "tcp|ESTAB|0|0|127.0.0.1:|ssh|10.99.0.1:|40000| users:((\"\\x1b[2J\\x0a\",pid=7,fd=3))");
}

TEST(SsRow, ContextsStandAroundTheDescriptor) {
  const Bytes message = bytes_of(connection());
  const std::vector<Owner> owners = {owner(42, "a", 3), owner(7, "b", 4)};
  EXPECT_EQ(text(Table::tcp, message, {.processes = true, .process_contexts = true}, owners),
            "tcp|ESTAB|0|0|127.0.0.1:|ssh|10.99.0.1:|40000| "
            "users:((\"a\",pid=42,proc_ctx=a:b\\x1b,fd=3),(\"b\",pid=7,proc_ctx=unavailable,fd=4))");
  EXPECT_EQ(text(Table::tcp, message, {.processes = true, .process_contexts = true, .socket_contexts = true},
                 {owner(42, "a", 3)}),
            "tcp|ESTAB|0|0|127.0.0.1:|ssh|10.99.0.1:|40000| "
            "users:((\"a\",pid=42,proc_ctx=a:b\\x1b,fd=3,sock_ctx=fd3))");
}

TEST(SsRow, BpfStoragesOfEveryMapOrOfThoseAskedFor) {
  const auto storage = [](uint32_t map, const Bytes& value) {
    return MessageBuilder()
        .attribute(SK_DIAG_BPF_STORAGE_MAP_ID, map)
        .attribute(SK_DIAG_BPF_STORAGE_MAP_VALUE, value)
        .bytes();
  };
  const Bytes list = MessageBuilder()
                         .attribute(SK_DIAG_BPF_STORAGE | NLA_F_NESTED, storage(5, Bytes(8)))
                         .attribute(SK_DIAG_BPF_STORAGE, storage(6, Bytes(1)))
                         .bytes();
  const auto rest = [&](const Bytes& storages, const Show& show) {
    const std::string all =
        text(Table::tcp, MessageBuilder(connection()).attribute(INET_DIAG_SK_BPF_STORAGES, storages).bytes(),
             show);
    return all.substr(all.rfind('|') + 1);
  };
  EXPECT_EQ(rest(list, {.bpf_maps = true}), "\n\tmap_id:5 m5:8\n\tmap_id:6 m6:1");
  EXPECT_EQ(rest(list, {.one_line = true, .bpf_maps = true, .bpf_map_ids = {6}}), " map_id:6 m6:1");
  EXPECT_EQ(rest(list, {}), "");
  for (size_t cut = 0; cut < list.size(); ++cut)
    EXPECT_LE(
        rest(Bytes(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(cut)), {.bpf_maps = true}).size(),
        40u);
}

TEST(SsRow, ExtendedAndTimer) {
  inet_diag_msg header = connection();
  header.idiag_uid = 33;
  header.idiag_timer = 2;
  header.idiag_expires = 9'288;
  const Bytes message = MessageBuilder(header)
                            .attribute(INET_DIAG_SHUTDOWN, uint8_t{2})
                            .attribute(INET_DIAG_MARK, uint32_t{0x2a})
                            .attribute(INET_DIAG_CGROUP_ID, uint64_t{1})
                            .bytes();
  EXPECT_EQ(
      text(Table::tcp, message, {.timer = true, .extended = true}),
      "tcp|ESTAB|0|0|127.0.0.1:|ssh|10.99.0.1:|40000| timer:(keepalive,9.288ms,0) uid:33 ino:4711 sk:7a39e "
      "fwmark:0x2a cgroup:/ <--");
}

TEST(SsRow, TimerTexts) {
  const auto expiry = [](uint32_t ms) {
    inet_diag_msg header = connection();
    header.idiag_timer = 1;
    header.idiag_retrans = 4;
    header.idiag_expires = ms;
    const std::string all = text(Table::tcp, bytes_of(header), {.timer = true});
    return all.substr(all.rfind('|') + 1);
  };
  EXPECT_EQ(expiry(0), " timer:(on,,4)");
  EXPECT_EQ(expiry(40), " timer:(on,040ms,4)");
  EXPECT_EQ(expiry(1'000), " timer:(on,1sec,4)");
  EXPECT_EQ(expiry(1'132), " timer:(on,1.132ms,4)");
  EXPECT_EQ(expiry(10'500), " timer:(on,10sec,4)");
  EXPECT_EQ(expiry(61'500), " timer:(on,1min1sec,4)");
  EXPECT_EQ(expiry(599'000), " timer:(on,9min59sec,4)");
  EXPECT_EQ(expiry(7'199'000), " timer:(on,119min,4)");
}

TEST(SsRow, UnreachableCgroupsShowTheirId) {
  const Bytes message = MessageBuilder(connection()).attribute(INET_DIAG_CGROUP_ID, uint64_t{0xabc}).bytes();
  EXPECT_EQ(text(Table::tcp, message, {.cgroup = true}),
            "tcp|ESTAB|0|0|127.0.0.1:|ssh|10.99.0.1:|40000| cgroup:unreachable:abc");
}

TEST(SsRow, MemoryOfOlderKernelsHasFewerNumbers) {
  const std::array<uint32_t, 9> all = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const std::array<uint32_t, 8> older = {1, 2, 3, 4, 5, 6, 7, 8};
  const Show show = {.one_line = true, .memory = true};
  EXPECT_EQ(text(Table::tcp, MessageBuilder(connection()).attribute(INET_DIAG_SKMEMINFO, all).bytes(), show),
            "tcp|ESTAB|0|0|127.0.0.1:|ssh|10.99.0.1:|40000| skmem:(r1,rb2,t3,tb4,f5,w6,o7,bl8,d9)");
  EXPECT_EQ(
      text(Table::tcp, MessageBuilder(connection()).attribute(INET_DIAG_SKMEMINFO, older).bytes(), show),
      "tcp|ESTAB|0|0|127.0.0.1:|ssh|10.99.0.1:|40000| skmem:(r1,rb2,t3,tb4,f5,w6,o7,bl8)");
}

TEST(SsRow, TosAndSocketOptions) {
  inet_diag_sockopt options{};
  options.freebind = 1;
  options.bind_address_no_port = 1;
  const Bytes message = MessageBuilder(connection())
                            .attribute(INET_DIAG_TOS, uint8_t{0x10})
                            .attribute(INET_DIAG_CLASS_ID, uint32_t{0})
                            .attribute(INET_DIAG_SOCKOPT, options)
                            .bytes();
  EXPECT_EQ(text(Table::tcp, message, {.tos = true, .socket_options = true}),
            "tcp|ESTAB|0|0|127.0.0.1:|ssh|10.99.0.1:|40000| tos:0x10 class_id:0\n\tinet-sockopt: ( freebind "
            "bind_addr_no_port)");
}

std::string information(const tcp_info& info, size_t sent, State state = State::established,
                        bool numeric = false) {
  inet_diag_msg header = connection();
  header.idiag_state = static_cast<uint8_t>(state);
  Bytes bytes = bytes_of(info);
  bytes.resize(sent);
  const Bytes message = MessageBuilder(header)
                            .attribute(INET_DIAG_INFO, bytes)
                            .attribute(INET_DIAG_CONG, bytes_of(std::string_view("cubic\0", 6)))
                            .bytes();
  std::string out;
  append_information(out, *diag::parse_row(Table::tcp, message), {.numeric = numeric});
  return out;
}

TEST(SsInformation, PrintsWhatIsNotZero) {
  EXPECT_EQ(information({}, sizeof(tcp_info)), " cubic");
  tcp_info info{};
  info.tcpi_options = TCPI_OPT_WSCALE;
  info.tcpi_snd_wscale = 7;
  info.tcpi_rcv_wscale = 10;
  info.tcpi_rto = 204'000;
  info.tcpi_rtt = 4'825;
  info.tcpi_rttvar = 9'623;
  info.tcpi_snd_mss = 1448;
  info.tcpi_snd_cwnd = 10;
  info.tcpi_snd_ssthresh = 0x7fffffff;
  info.tcpi_bytes_acked = uint64_t{1} << 40;
  info.tcpi_busy_time = 17'196'000;
  info.tcpi_rwnd_limited = 8'598'000;
  info.tcpi_reordering = 3;
  info.tcpi_min_rtt = UINT32_MAX;
  info.tcpi_total_retrans = 2;
  info.tcpi_delivery_rate_app_limited = 1;
  EXPECT_EQ(
      information(info, sizeof info),
      " cubic wscale:7,10 rto:204 rtt:4.825/9.623 mss:1448 cwnd:10 bytes_acked:1099511627776 send 24Mbps "
      "app_limited busy:17196ms rwnd_limited:8598ms(50.0%) retrans:0/2");
}

TEST(SsInformation, TheInitialRtoIsNotShown) {
  tcp_info info{};
  info.tcpi_rto = 3'000'000;
  EXPECT_EQ(information(info, sizeof info), " cubic");
}

TEST(SsInformation, TheBacklogOfAListenerIsNotShownAsSacked) {
  tcp_info info{};
  info.tcpi_sacked = 16;
  info.tcpi_unacked = 2;
  EXPECT_EQ(information(info, sizeof info, State::listen), " cubic unacked:2");
  EXPECT_EQ(information(info, sizeof info), " cubic unacked:2 sacked:16");
}

TEST(SsInformation, OlderKernelsSendLess) {
  tcp_info info{};
  info.tcpi_snd_cwnd = 10;
  info.tcpi_snd_wnd = 65'536;
  EXPECT_EQ(information(info, offsetof(tcp_info, tcpi_pacing_rate)), " cubic cwnd:10");
}

TEST(SsInformation, CongestionControls) {
  tcp_bbr_info bbr{};
  bbr.bbr_bw_lo = 1'250'000;
  bbr.bbr_min_rtt = 8;
  bbr.bbr_pacing_gain = 739;
  tcp_dctcp_info dctcp{};
  const Bytes message = MessageBuilder(connection())
                            .attribute(INET_DIAG_INFO, tcp_info{})
                            .attribute(INET_DIAG_BBRINFO, bbr)
                            .attribute(INET_DIAG_DCTCPINFO, dctcp)
                            .bytes();
  std::string out;
  append_information(out, *diag::parse_row(Table::tcp, message), {});
  EXPECT_EQ(out, " dctcp:fallback_mode bbr:(bw:10Mbps,mrtt:0.008,pacing_gain:2.88672)");
}

TEST(SsInformation, KeysAreWrittenInTheirRow) {
  tcp_diag_md5sig key{};
  key.tcpm_family = AF_INET;
  key.tcpm_prefixlen = 24;
  key.tcpm_keylen = 5;
  key.tcpm_addr[0] = htonl(0x0a000000);
  std::memcpy(key.tcpm_key, "a \x01,b", 5);
  const Bytes message = MessageBuilder(connection()).attribute(INET_DIAG_MD5SIG, key).bytes();
  std::string out;
  append_information(out, *diag::parse_row(Table::tcp, message), {});
  EXPECT_EQ(out, " md5keys:10.0.0.0/24=a\\040\\001\\054b");
}

// Kernel modules choose these, and files for --diag-file come from anywhere.
TEST(SsInformation, NamesAreEscaped) {
  const Bytes upper =
      MessageBuilder().attribute(INET_ULP_INFO_NAME, bytes_of(std::string_view("t\x9b\n\0", 4))).bytes();
  const Bytes message = MessageBuilder(connection())
                            .attribute(INET_DIAG_INFO, bytes_of(tcp_info{}))
                            .attribute(INET_DIAG_CONG, bytes_of(std::string_view("c\x1b[2J\0", 6)))
                            .attribute(INET_DIAG_ULP_INFO, upper)
                            .bytes();
  std::string out;
  append_information(out, *diag::parse_row(Table::tcp, message), {});
  EXPECT_EQ(out, " c\\x1b[2J tcp-ulp-t\\x9b\\x0a");
}

TEST(SsInformation, MptcpSubflow) {
  const Bytes subflow = MessageBuilder()
                            .attribute(MPTCP_SUBFLOW_ATTR_FLAGS, uint32_t{1 | 64 | 128})
                            .attribute(MPTCP_SUBFLOW_ATTR_TOKEN_REM, uint32_t{0})
                            .attribute(MPTCP_SUBFLOW_ATTR_TOKEN_LOC, uint32_t{0x847e6162})
                            .attribute(MPTCP_SUBFLOW_ATTR_MAP_DATALEN, uint16_t{5})
                            .bytes();
  const Bytes upper = MessageBuilder()
                          .attribute(INET_ULP_INFO_NAME, bytes_of(std::string_view("mptcp\0", 6)))
                          .attribute(INET_ULP_INFO_MPTCP, subflow)
                          .bytes();
  const Bytes message = MessageBuilder(connection()).attribute(INET_DIAG_ULP_INFO, upper).bytes();
  std::string out;
  append_information(out, *diag::parse_row(Table::tcp, message), {});
  EXPECT_EQ(out, " tcp-ulp-mptcp flags:Mec token:0000(id:0)/847e6162(id:0) maplen:5");
}

TEST(SsInformation, Bandwidths) {
  const auto bandwidth = [](double rate, bool numeric = false) {
    std::string out;
    append_bandwidth(out, rate, numeric);
    return out;
  };
  EXPECT_EQ(bandwidth(999), "999");
  EXPECT_EQ(bandwidth(1'000), "1k");
  EXPECT_EQ(bandwidth(487'437'709), "487M");
  EXPECT_EQ(bandwidth(43'690'666'664), "43.7G");
  EXPECT_EQ(bandwidth(1e12), "1T");
  EXPECT_EQ(bandwidth(487'437'709.4, true), "487437709");
}

TEST(SsRow, Unix) {
  unix_diag_msg header{};
  header.udiag_family = AF_UNIX;
  header.udiag_type = SOCK_STREAM;
  header.udiag_state = static_cast<uint8_t>(State::listen);
  header.udiag_ino = 12;
  const std::array<uint32_t, 2> waiting = {70, 71};
  const Bytes message =
      MessageBuilder(header)
          .attribute(UNIX_DIAG_NAME, bytes_of(std::string_view("\0abstract\0name", 14)))
          .attribute(UNIX_DIAG_VFS, unix_diag_vfs{.udiag_vfs_ino = 9, .udiag_vfs_dev = 254u << 20 | 1})
          .attribute(UNIX_DIAG_ICONS, waiting)
          .attribute(UNIX_DIAG_SHUTDOWN, uint8_t{3})
          .bytes();
  EXPECT_EQ(text(Table::unix_stream, message, {.extended = true}),
            "u_str|LISTEN|0|0|@abstract@name |12|* |0| --- ino:9 dev:254/1 peers: 70 71");
}

TEST(SsRow, Packet) {
  packet_diag_msg header{};
  header.pdiag_family = AF_PACKET;
  header.pdiag_type = SOCK_RAW;
  header.pdiag_num = 0x0806;
  header.pdiag_ino = 5;
  packet_diag_info info{};
  info.pdi_flags = PDI_RUNNING | PDI_LOSS;
  const Bytes message = MessageBuilder(header)
                            .attribute(PACKET_DIAG_INFO, info)
                            .attribute(PACKET_DIAG_FANOUT, uint32_t{1 << 16 | 42})
                            .bytes();
  EXPECT_EQ(text(Table::packet_raw, message, {.extended = true}),
            "p_raw|UNCONN|0|0|arp:|*|*|| ino:5 sk:0\n\tver:0 cpy_thresh:0 flags( running loss )"
            "\n\tfanout(id:42,type:lb)");
  EXPECT_EQ(text(Table::packet_raw, message, {.numeric = true}), "p_raw|UNCONN|0|0|[2054]:|*|*||");
}

TEST(SsRow, Netlink) {
  netlink_diag_msg header{};
  header.ndiag_family = AF_NETLINK;
  header.ndiag_portid = 42;
  EXPECT_EQ(text(Table::netlink, bytes_of(header), {}), "nl|UNCONN|0|0|rtnl:|ip/42|*||");
  EXPECT_EQ(text(Table::netlink, bytes_of(header), {.numeric = true}), "nl|UNCONN|0|0|0:|42|*||");
  header.ndiag_portid = 0;
  EXPECT_EQ(text(Table::netlink, bytes_of(header), {}), "nl|UNCONN|0|0|rtnl:|kernel|*||");
  header.ndiag_portid = static_cast<uint32_t>(-1446148426);
  header.ndiag_dst_portid = 7;
  EXPECT_EQ(text(Table::netlink, bytes_of(header), {}), "nl|UNCONN|0|0|rtnl:|-1446148426|0:|7|");
}

}  // namespace
}  // namespace socktrace::ss
