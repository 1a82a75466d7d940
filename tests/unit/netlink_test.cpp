#include "sys/netlink.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>

#include "support/netlink_builder.h"

namespace socktrace::sys {
namespace {

using test::append;
using test::Bytes;
using test::bytes_of;
using test::message;

constexpr uint32_t kPort = 77;
constexpr uint32_t kFirst = 1;  // sequence number of the first request
constexpr uint16_t kRow = 20;   // SOCK_DIAG_BY_FAMILY

// What recvmsg() returns, one after another; then EAGAIN, as if the deadline had passed.
struct Answer {
  Bytes bytes;
  int error = 0;
  uint32_t sender = 0;
  bool truncated = false;
  size_t claimed = SIZE_MAX;  // a length other than that of the bytes
};

class Script final : public NetlinkTransport {
 public:
  explicit Script(std::deque<Answer> answers) : answers_(std::move(answers)) {}

  Result<void> send(std::span<const std::byte>) override { return {}; }
  Result<NetlinkDatagram> receive(std::span<std::byte> buffer) override {
    if (answers_.empty()) return Error::system("receive", EAGAIN);
    const Answer answer = answers_.front();
    if (answers_.size() > 1 || !repeat_last) answers_.pop_front();
    if (answer.error) return Error::system("receive", answer.error);
    std::copy_n(answer.bytes.begin(), std::min(answer.bytes.size(), buffer.size()), buffer.begin());
    return NetlinkDatagram{.length = answer.claimed != SIZE_MAX ? answer.claimed : answer.bytes.size(),
                           .sender_port_id = answer.sender,
                           .truncated = answer.truncated};
  }
  uint32_t port_id() const override { return kPort; }

  bool repeat_last = false;

 private:
  std::deque<Answer> answers_;
};

Bytes row(std::string_view text, uint16_t flags = 0) {
  return message(kRow, kFirst, kPort, bytes_of(text), flags);
}
Bytes done(int32_t code = 0, uint16_t flags = 0) {
  return message(NLMSG_DONE, kFirst, kPort, bytes_of(code), flags);
}
Bytes together(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) append(all, part);
  return all;
}

struct Outcome {
  std::string rows;  // payloads, separated by blanks
  Result<DumpEnd> end = DumpEnd::complete;
};

Outcome dump(std::deque<Answer> answers, bool repeat_last = false, size_t stop_after = SIZE_MAX) {
  auto script = std::make_unique<Script>(std::move(answers));
  script->repeat_last = repeat_last;
  Netlink netlink(std::move(script));
  Outcome outcome;
  size_t count = 0;
  outcome.end = netlink.dump(kRow, {}, [&](uint16_t, std::span<const std::byte> payload) {
    outcome.rows += std::string(reinterpret_cast<const char*>(payload.data()), payload.size()) + " ";
    return ++count < stop_after;
  });
  return outcome;
}

std::string failure(std::deque<Answer> answers, bool repeat_last = false) {
  const Outcome outcome = dump(std::move(answers), repeat_last);
  return outcome.end ? "success" : outcome.end.error().message;
}

// What read_dump() shows as coming and gives, of datagrams whose rows are single letters.
std::string announced(std::initializer_list<std::string_view> datagrams) {
  std::deque<Answer> answers;
  for (const std::string_view letters : datagrams) {
    answers.emplace_back();
    for (const char letter : letters) append(answers.back().bytes, row({&letter, 1}));
  }
  answers.push_back({done()});
  Netlink netlink(std::make_unique<Script>(std::move(answers)));
  EXPECT_TRUE(netlink.ask_for_dump(kRow, {}));
  std::string seen;
  const auto note = [&](std::span<const std::byte> payload) { seen += static_cast<char>(payload[0]); };
  EXPECT_TRUE(netlink.read_dump(
      [&](uint16_t, std::span<const std::byte> payload) {
        note(payload);
        return true;
      },
      [&](std::span<const std::byte> payload) {
        seen += '+';
        note(payload);
      }));
  return seen;
}

TEST(NetlinkDump, ShowsEachMessageOfADatagramWhileUpToEightOthersAreToCome) {
  EXPECT_EQ(announced({"ab", "c"}), "+a+bab+cc");
  EXPECT_EQ(announced({"abcdefghijkl"}), "+a+b+c+d+e+f+g+h+ia+jb+kc+ldefghijkl");
}

TEST(NetlinkDump, StreamsEveryMessageUntilDone) {
  const Outcome outcome = dump({{together({row("one!"), row("two!")})}, {row("four")}, {done()}});
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(*outcome.end, DumpEnd::complete);
  EXPECT_EQ(outcome.rows, "one! two! four ");
}

TEST(NetlinkDump, DoneBehindRowsInOneDatagramEndsIt) {
  const Outcome outcome = dump({{together({row("rows"), done()})}});
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(outcome.rows, "rows ");
}

TEST(NetlinkDump, ErrorInsideDoneIsAnErrorAfterTheRows) {
  const Outcome outcome = dump({{together({row("rows"), done(-ENOMEM)})}});
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ENOMEM);
  EXPECT_EQ(outcome.rows, "rows ");
}

TEST(NetlinkDump, ErrorMessageHasItsErrno) {
  const Outcome outcome = dump({{message(NLMSG_ERROR, kFirst, kPort, bytes_of(int32_t{-ENOENT}))}});
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ENOENT);
}

TEST(NetlinkDump, PermissionIsAPrivilegeError) {
  const Outcome outcome = dump({{message(NLMSG_ERROR, kFirst, kPort, bytes_of(int32_t{-EPERM}))}});
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::privilege);
}

TEST(NetlinkDump, TheKernelsExplanationIsPartOfTheMessage) {
  const Bytes payload = test::MessageBuilder(int32_t{-EINVAL})
                            .attribute(NLMSGERR_ATTR_OFFS, uint32_t{8})
                            .attribute(NLMSGERR_ATTR_MSG, bytes_of(std::string_view("no such family\0", 15)))
                            .bytes();
  EXPECT_EQ(failure({{message(NLMSG_DONE, kFirst, kPort, payload, NLM_F_ACK_TLVS)}}),
            "sock_diag: Invalid argument (no such family)");
}

TEST(NetlinkDump, InterruptedIsReportedWithItsRows) {
  const Outcome outcome = dump({{row("rows", NLM_F_DUMP_INTR)}, {done()}});
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(*outcome.end, DumpEnd::interrupted);
  EXPECT_EQ(outcome.rows, "rows ");
}

TEST(NetlinkDump, InterruptedSaidOnlyByDoneCounts) {
  const Outcome outcome = dump({{row("rows")}, {done(0, NLM_F_DUMP_INTR)}});
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(*outcome.end, DumpEnd::interrupted);
}

TEST(NetlinkDump, AnInterruptedCallIsTriedAgain) {
  const Outcome outcome = dump({{{}, EINTR}, {row("rows")}, {{}, EINTR}, {done()}});
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(outcome.rows, "rows ");
}

TEST(NetlinkDump, EndlessInterruptionsEnd) {
  EXPECT_EQ(failure({{{}, EINTR}}, true), "sock_diag answer: only datagrams from elsewhere");
}

TEST(NetlinkDump, LostMessagesAreAnError) {
  const Outcome outcome = dump({{row("rows")}, {{}, ENOBUFS}});
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ENOBUFS);
  EXPECT_NE(failure({{message(NLMSG_OVERRUN, kFirst, kPort, {})}}), "success");
}

TEST(NetlinkDump, AMissingDoneIsATimeout) {
  const Outcome outcome = dump({{row("rows")}});
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ETIMEDOUT);
}

TEST(NetlinkDump, ATruncatedDatagramIsAnError) {
  EXPECT_EQ(failure({{row("rows"), 0, 0, true}, {done()}}),
            "sock_diag answer: a datagram larger than the receive buffer");
}

TEST(NetlinkDump, AnEmptyDatagramIsAnError) {
  EXPECT_EQ(failure({{Bytes{}}, {done()}}), "sock_diag answer: an empty datagram");
}

TEST(NetlinkDump, ALengthBeyondTheBufferIsAnError) {
  EXPECT_EQ(failure({{row("rows"), 0, 0, false, size_t{1} << 30}}),
            "sock_diag answer: a length beyond the receive buffer");
}

TEST(NetlinkDump, DatagramsOfAProcessAreNotBelieved) {
  Answer forged = {row("fake")};
  forged.sender = 4242;
  const Outcome outcome = dump({forged, {row("real")}, {done()}});
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(outcome.rows, "real ");
}

TEST(NetlinkDump, AFloodFromAProcessEnds) {
  Answer forged = {row("fake")};
  forged.sender = 4242;
  EXPECT_EQ(failure({forged}, true), "sock_diag answer: only datagrams from elsewhere");
}

TEST(NetlinkDump, MessagesOfOtherRequestsArePassedOver) {
  const Bytes stale = message(kRow, kFirst + 8, kPort, bytes_of(std::string_view("old!")));
  const Bytes foreign = message(kRow, kFirst, kPort + 1, bytes_of(std::string_view("else")));
  const Bytes stale_done = message(NLMSG_DONE, kFirst + 8, kPort, bytes_of(int32_t{0}));
  const Outcome outcome = dump({{together({stale, foreign, row("rows")})}, {stale_done}, {done()}});
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(outcome.rows, "rows ");
}

TEST(NetlinkDump, NothingButOtherRequestsEnds) {
  const Bytes stale = message(kRow, kFirst + 8, kPort, bytes_of(std::string_view("old!")));
  EXPECT_EQ(failure({{stale}}, true), "sock_diag answer: only messages of other requests");
}

TEST(NetlinkDump, LengthsThatDoNotFitAreErrors) {
  const Bytes text = bytes_of(std::string_view("rows"));
  EXPECT_EQ(failure({{message(kRow, kFirst, kPort, text, 0, 0)}}),
            "sock_diag answer: a message shorter than its header");
  EXPECT_EQ(failure({{message(kRow, kFirst, kPort, text, 0, 15)}}),
            "sock_diag answer: a message shorter than its header");
  EXPECT_EQ(failure({{message(kRow, kFirst, kPort, text, 0, 4000)}}),
            "sock_diag answer: a message longer than its datagram");
  Bytes cut = row("rows");
  append(cut, Bytes(7));
  EXPECT_EQ(failure({{cut}, {done()}}), "sock_diag answer: cut off in a message header");
}

TEST(NetlinkDump, DoneWithoutItsCodeIsAnError) {
  EXPECT_EQ(failure({{message(NLMSG_DONE, kFirst, kPort, {})}}),
            "sock_diag answer: a message without its error code");
  EXPECT_EQ(failure({{done(5)}}), "sock_diag answer: an error code out of range");
  EXPECT_EQ(failure({{done(INT32_MIN)}}), "sock_diag answer: an error code out of range");
}

TEST(NetlinkDump, AnAcknowledgementIsNoEmptyTable) {
  EXPECT_EQ(failure({{message(NLMSG_ERROR, kFirst, kPort, bytes_of(int32_t{0}))}}),
            "sock_diag answer: acknowledged, not dumped");
}

TEST(NetlinkDump, DatagramsOf64KiBAreRead) {
  Bytes large;
  while (large.size() + 1000 < 64 * 1024) append(large, row(std::string(900, 'x')));
  const Outcome outcome = dump({{large}, {done()}});
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(outcome.rows.size() / 901, large.size() / (sizeof(nlmsghdr) + 900));
}

TEST(NetlinkDump, TheSinkCanStop) {
  const Outcome outcome = dump({{together({row("one!"), row("two!")})}, {done()}}, false, 1);
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(*outcome.end, DumpEnd::stopped);
  EXPECT_EQ(outcome.rows, "one! ");
}

Result<std::optional<std::vector<std::byte>>> get(std::deque<Answer> answers) {
  Netlink netlink(std::make_unique<Script>(std::move(answers)));
  return netlink.get(kRow, {});
}

TEST(NetlinkGet, ReturnsThePayload) {
  auto answer = get({{row("rows")}});
  ASSERT_TRUE(answer);
  ASSERT_TRUE(*answer);
  EXPECT_EQ(**answer, bytes_of(std::string_view("rows")));
}

TEST(NetlinkGet, ASocketThatIsGoneOrReplacedIsNothing) {
  for (const int code : {ENOENT, ESTALE}) {
    auto answer = get({{message(NLMSG_ERROR, kFirst, kPort, bytes_of(int32_t{-code}))}});
    ASSERT_TRUE(answer) << code;
    EXPECT_FALSE(*answer);
  }
}

TEST(NetlinkGet, OtherFailuresAreErrors) {
  for (const int code : {EPERM, EINVAL, ENOMEM}) {
    auto answer = get({{message(NLMSG_ERROR, kFirst, kPort, bytes_of(int32_t{-code}))}});
    ASSERT_FALSE(answer) << code;
    EXPECT_EQ(answer.error().code, code);
  }
  EXPECT_FALSE(get({}));
  EXPECT_FALSE(get({{done()}}));
}

}  // namespace
}  // namespace socktrace::sys
