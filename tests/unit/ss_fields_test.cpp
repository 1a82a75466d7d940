#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include <set>

#include "core/fields.h"
#include "core/ss/columns.h"
#include "core/ss/json.h"
#include "core/ss/summary.h"
#include "support/netlink_builder.h"

namespace socktrace::ss {
namespace {

using diag::Row;
using diag::Table;
using test::Bytes;
using test::bytes_of;
using test::MessageBuilder;

Row listener(uint16_t port, uint32_t queue = 0) {
  inet_diag_msg header{};
  header.idiag_family = AF_INET;
  header.idiag_state = static_cast<uint8_t>(State::listen);
  header.id.idiag_sport = htons(port);
  header.id.idiag_cookie[0] = 0xab;
  header.idiag_rqueue = queue;
  header.idiag_wqueue = 128;
  header.idiag_inode = 7;
  header.idiag_uid = 33;
  return *diag::parse_row(Table::tcp, bytes_of(header));
}

Owner owner(uint32_t pid, std::string name, int fd) {
  auto process = std::make_shared<Process>();
  process->pid = pid;
  process->name = std::move(name);
  return {.process = process, .fd = fd};
}

TEST(Fields, KeysAndShortNamesAreUnique) {
  std::set<std::string_view> seen;
  for (const Field& field : fields()) {
    EXPECT_TRUE(seen.insert(field.key).second) << field.key;
    EXPECT_TRUE(seen.insert(field.name).second) << field.name;
    EXPECT_FALSE(field.title.empty());
    EXPECT_FALSE(field.help.empty());
    EXPECT_EQ(find_field(field.key), &field);
    EXPECT_EQ(find_field(field.name), &field);
  }
  EXPECT_EQ(find_field("nonsense"), nullptr);
}

TEST(Fields, CommonPrefixesStandTogether) {
  std::set<std::string_view> closed;
  std::string_view current;
  for (const Field& field : fields()) {
    const std::string_view prefix = field.key.substr(0, field.key.find('.'));
    if (prefix == current) continue;
    EXPECT_TRUE(closed.insert(prefix).second) << prefix << " would be written twice";
    current = prefix;
  }
}

TEST(Fields, NothingSortsBeforeNumbersAndNumbersByValue) {
  EXPECT_TRUE(less({}, FieldValue(uint64_t{0})));
  EXPECT_TRUE(less(FieldValue(uint64_t{9}), FieldValue(uint64_t{10})));
  EXPECT_TRUE(less(FieldValue(uint64_t{10}), FieldValue(std::string("9"))));
}

TEST(SsJson, OneObjectNestedAtTheDots) {
  Row row = listener(22);
  row.socket.netns = 4026531840;
  row.socket.owners = {owner(9, "ssh\x1b\"d", 3)};
  std::string out;
  append_json(out, row);
  EXPECT_EQ(
      out,
      R"({"network":{"transport":"tcp","type":"ipv4","local":{"address":"0.0.0.0","port":22},)"
      R"("connection":{"state":"listen"}},"socket":{"netid":"tcp","cookie":"ab","netns":4026531840,)"
      R"("inode":7,"protocol":6,"type":"stream","uid":33,"recv_q":0,"send_q":128},)"
      R"("process":{"pid":9,"name":"ssh\\x1b\"d","fd":3},"owners":[{"pid":9,"name":"ssh\\x1b\"d","fd":3}]})"
      "\n");
}

TEST(SsJson, NumbersBeyondDoublesAreStrings) {
  tcp_info info{};
  info.tcpi_bytes_sent = (uint64_t{1} << 53) + 1;
  inet_diag_msg header{};
  header.idiag_family = AF_INET;
  header.idiag_state = static_cast<uint8_t>(State::established);
  const Bytes message = MessageBuilder(header).attribute(INET_DIAG_INFO, info).bytes();
  std::string out;
  append_json(out, *diag::parse_row(Table::tcp, message));
  EXPECT_NE(out.find(R"("bytes_sent":"9007199254740993","bytes_retrans":0)"), std::string::npos) << out;
}

TEST(SsColumns, ChosenFieldsAligned) {
  ColumnTable table({find_field("proto"), find_field("lport"), find_field("pid"), find_field("process")});
  Row row = listener(22);
  row.socket.owners = {owner(100, "sshd", 3), owner(2000, "sshd-child", 3)};
  table.add(row);
  table.add(listener(8080));
  std::string out;
  table.render(out, true);
  EXPECT_EQ(out,
            "Proto LPort  Pid Process\n"
            "tcp      22 2000 sshd-child\n"
            "tcp    8080    - -\n");
}

TEST(SsColumns, LinesAreCutAtTheWidthOfATerminal) {
  ColumnTable table({find_field("proto"), find_field("process")});
  Row row = listener(22);
  row.socket.owners = {owner(100, "日本語", 3)};
  table.add(row);
  std::string out;
  table.render(out, true, 9);
  EXPECT_EQ(out, "Proto Pr…\ntcp   日…\n");
  table.add(row);
  out.clear();
  table.render(out, false, 12);
  EXPECT_EQ(out, "tcp   日本語\n");
}

TEST(SsColumns, RowsThatComeLaterAreShownOnceInColumnsAsWide) {
  ColumnTable table({find_field("proto"), find_field("lport")});
  table.add(listener(8080));
  std::string out;
  table.render(out, false);
  EXPECT_EQ(out, "tcp 8080\n");
  table.add(listener(22));
  out.clear();
  table.render(out, false);
  EXPECT_EQ(out, "tcp   22\n");
}

TEST(SsGroups, TheMostFrequentFirst) {
  GroupTable table(*find_field("lport"));
  for (const uint16_t port : {80, 22, 80, 443, 80}) table.add(listener(port));
  std::string out;
  table.render(out, true);
  EXPECT_EQ(out, "Sockets LPort\n      3 80\n      1 22\n      1 443\n");
  out.clear();
  table.render_json(out);
  EXPECT_EQ(out,
            "{\"network.local.port\":80,\"sockets\":3}\n{\"network.local.port\":22,\"sockets\":1}\n"
            "{\"network.local.port\":443,\"sockets\":1}\n");
}

TEST(SsGroups, SocketsThatNobodyHasAreGroupedByTheReason) {
  GroupTable table(*find_field("process"));
  Row row = listener(80);
  for (const NoOwner reason : {NoOwner::kernel, NoOwner::exited, NoOwner::exited}) {
    row.socket.no_owner = reason;
    table.add(row);
  }
  row.socket.owners = {owner(9, "sshd", 3)};
  table.add(row);
  std::string out;
  table.render(out, false);
  EXPECT_EQ(out, "2 ?exited\n1 ?kernel\n1 sshd\n");
  out.clear();
  table.render_json(out);
  EXPECT_EQ(out,
            "{\"owner.absent\":\"exited\",\"sockets\":2}\n{\"owner.absent\":\"kernel\",\"sockets\":1}\n"
            "{\"process.name\":\"sshd\",\"sockets\":1}\n");
}

TEST(SsSorting, ByKeysInTurnWithTheirAttributes) {
  SortedRows rows({{find_field("recvq"), true}, {find_field("lport"), false}});
  for (const auto& [port, queue] : {std::pair<uint16_t, uint32_t>{80, 1}, {22, 5}, {443, 1}, {21, 5}}) {
    tcp_info info{};
    info.tcpi_rtt = port;
    inet_diag_msg header{};
    header.idiag_family = AF_INET;
    header.idiag_state = static_cast<uint8_t>(State::established);
    header.id.idiag_sport = htons(port);
    header.idiag_rqueue = queue;
    const Bytes message = MessageBuilder(header).attribute(INET_DIAG_INFO, info).bytes();
    rows.add(std::move(*diag::parse_row(Table::tcp, message)));
  }  // the messages are gone
  std::vector<uint64_t> order;
  rows.for_each([&](const Row& row) {
    order.push_back(std::get<uint64_t>(find_field("rtt")->get(row)));
    return true;
  });
  EXPECT_EQ(order, (std::vector<uint64_t>{21, 22, 80, 443}));
}

TEST(SsSorting, AddressesByNumberThoseOfIpv4First) {
  SortedRows rows({{find_field("laddr"), false}});
  for (const auto& [family, text] : {std::pair{AF_INET6, "::1"},
                                     {AF_INET, "10.0.0.9"},
                                     {AF_INET, "9.0.0.1"},
                                     {AF_INET, "10.0.0.10"},
                                     {AF_INET, "200.0.0.1"}}) {
    inet_diag_msg header{};
    header.idiag_family = static_cast<uint8_t>(family);
    header.idiag_state = static_cast<uint8_t>(State::listen);
    ASSERT_EQ(inet_pton(family, text, header.id.idiag_src), 1);
    const Bytes message = MessageBuilder(header).bytes();
    rows.add(std::move(*diag::parse_row(Table::tcp, message)));
  }
  std::vector<std::string> order;
  rows.for_each([&](const Row& row) {
    order.push_back(std::get<std::string>(find_field("laddr")->get(row)));
    return true;
  });
  EXPECT_EQ(order, (std::vector<std::string>{"9.0.0.1", "10.0.0.9", "10.0.0.10", "200.0.0.1", "::1"}));
}

TEST(SsSummary, FromThreeFiles) {
  EXPECT_EQ(summary_text(
                "sockets: used 105\n"
                "TCP: inuse 40 orphan 2 tw 3 alloc 51 mem 6\n"
                "UDP: inuse 6 mem 1\nUDPLITE: inuse 0\nRAW: inuse 4\nFRAG: inuse 0 memory 0\n",
                "TCP6: inuse 6\nUDP6: inuse 4\nUDPLITE6: inuse 0\nRAW6: inuse 1\nFRAG6: inuse 0 memory 0\n",
                "Tcp: RtoAlgorithm CurrEstab InSegs\nTcp: 1 23 99\n"),
            "Total: 105\n"
            "TCP:   54 (estab 23, closed 8, orphaned 2, timewait 3)\n"
            "\n"
            "Transport Total     IP        IPv6\n"
            "RAW\t  5         4         1        \n"
            "UDP\t  10        6         4        \n"
            "TCP\t  46        40        6        \n"
            "INET\t  61        50        11       \n"
            "FRAG\t  0         0         0        \n"
            "\n");
}

TEST(SsSummary, WhatTheFilesHaveOfTheWholeHostIsReplacedByWhatWasCounted) {
  const std::string text = summary_text("TCP: inuse 2 orphan 70 tw 3 alloc 900 mem 6\n", "TCP6: inuse 1\n",
                                        "", TcpCounts{.sockets = 5, .closed = 2, .orphaned = 1});
  EXPECT_NE(text.find("TCP:   8 (estab 0, closed 2, orphaned 1, timewait 3)\n"), std::string::npos) << text;
}

TEST(SsSummary, MissingFilesAreZeros) {
  EXPECT_NE(summary_text("", "", "").find("Total: 0\n"), std::string::npos);
}

}  // namespace
}  // namespace socktrace::ss
