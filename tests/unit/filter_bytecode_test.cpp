// Filters as the kernel runs them, beside Filter::matches.
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <sys/socket.h>

#include <array>
#include <random>

#include "core/filter/filter.h"
#include "support/diag_bytecode.h"
#include "support/netlink_builder.h"
#include "support/record_builder.h"

namespace socktrace {
namespace {

using test::audit_bytecode;
using test::Bytes;
using test::run_bytecode;

Filter parsed(const std::string& text) {
  FilterNames names;
  names.device = [](std::string_view name) { return std::optional<uint32_t>(name == "eth0" ? 2 : 0); };
  names.cgroup = [](std::string_view) { return std::optional<uint64_t>(77); };
  Result<Filter> filter = Filter::parse(std::vector<std::string>{text}, {names});
  EXPECT_TRUE(filter) << text << ": " << (filter ? "" : filter.error().message);
  return filter ? *filter : Filter();
}

MatchContext as_root() {
  MatchContext context;
  context.kernel_compares_marks = true;
  return context;
}

// What a random expression may hold.
enum class Contents {
  expressible,  // what the kernel can decide: the program has to agree
  anything,     // and what it cannot: the program may accept more, never less
};

// Few values, so that conditions hold often.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}

  size_t below(size_t limit) { return engine_() % limit; }
  template <typename Range>
  auto one_of(const Range& range) {
    return std::data(range)[below(std::size(range))];
  }

  std::string expression(Contents contents, int depth) {
    std::string text = unary(contents, depth);
    for (size_t more = below(3); more > 0; --more)
      text += " " + std::string(one_of(kJoints)) + " " + unary(contents, depth);
    return text;
  }

  Socket socket() {
    const bool six = below(2) != 0;
    const std::string port = std::to_string(one_of(kPorts));
    const std::string peer_port = std::to_string(one_of(kPorts));
    const auto end = [&](const std::string& number) {
      return (six ? "[" + std::string(one_of(kSixes)) + "]" : std::string(one_of(kFours))) + ":" + number;
    };
    const State states[] = {State::established, State::listen, State::close, State::time_wait};
    Socket made = test::DumpRow(1, one_of(states), end(port), end(peer_port)).socket;
    made.ifindex = static_cast<uint32_t>(below(3));
    made.mark = static_cast<uint32_t>(below(4));
    made.cgroup_id = 76 + below(2);
    made.uid = static_cast<uint32_t>(below(2));
    made.netns = static_cast<uint32_t>(below(2));
    made.options.known = true;
    made.options.port_locked = below(2) != 0;
    if (below(2)) {
      Process process;
      process.pid = static_cast<uint32_t>(below(3));
      process.name = below(2) ? "a" : "b";
      made.owners.push_back({.process = std::make_shared<const Process>(process), .fd = 3});
    }
    return made;
  }

 private:
  std::string unary(Contents contents, int depth) {
    if (below(5) == 0) return std::string(below(2) ? "! " : "not ") + unary(contents, depth);
    if (depth > 0 && below(3) == 0) return "( " + expression(contents, depth - 1) + " )";
    return condition(contents);
  }

  std::string condition(Contents contents) {
    if (contents == Contents::anything && below(3) == 0) return std::string(one_of(kOthers));
    if (below(4) == 0) return std::string(one_of(kNumbers));
    if (below(2) == 0) return std::string(below(2) ? "sport " : "dport ") + std::string(one_of(kPortValues));
    std::string text = below(2) ? "src " : "dst ";
    text += one_of(kHosts);
    return below(3) == 0 ? text + ":" + std::to_string(one_of(kPorts)) : text;
  }

  static constexpr uint16_t kPorts[] = {0, 1, 22, 443, 32768, 65535};
  static constexpr std::string_view kJoints[] = {"and", "&&", "", "or", "|", "or"};
  static constexpr std::string_view kFours[] = {"10.0.0.1", "10.0.0.2", "10.0.128.1", "127.0.0.1", "0.0.0.0"};
  static constexpr std::string_view kSixes[] = {"::", "::1", "::ffff:10.0.0.1", "2001:db8::1",
                                                "2001:db8:8000::1"};
  static constexpr std::string_view kHosts[] = {
      "10.0.0.1", "10.0.0.0/8",    "10.0.0.0/17",       "10.0.0.3/31",   "0.0.0.0",         "0/0", "[::]",
      "[::1]",    "[2001:db8::1]", "2001:db8::/32",     "2001:db8::/33", "[2001:db8::/47]", "*",   "any",
      "::/0",     "::ffff:0:0/96", "[::ffff:10.0.0.1]", "127.0.0.1",     "[2001:db8::/127]"};
  static constexpr std::string_view kPortValues[] = {
      "22",  "= :443", "!= 22",    "ne 0", "> 22", "> 65535",  ">= 443", ">= 0",     "< 443",
      "< 0", "<= 22",  "<= 65535", "= *",  "!= *", "eq 65535", "gt 1",   "lt 65535", "geq 32768"};
  static constexpr std::string_view kNumbers[] = {"dev eth0", "dev != 1", "fwmark 1/1", "fwmark 2",
                                                  "fwmark != 2"};
  static constexpr std::string_view kOthers[] = {
      "cgroup /a", "cgroup != /a", "pid 1",       "pid != 1", "comm a",     "comm != b",       "user 0",
      "user != 0", "unit x",       "container c", "netns 1",  "src unix:*", "dst netlink:rtnl"};

  std::mt19937 engine_;
};

constexpr int kExpressions = 4000;  // of each kind
constexpr int kSocketsEach = 64;

TEST(FilterBytecode, DecidesExactlyWhatItCanExpress) {
  Random random(20240611);
  int accepted = 0;
  for (int i = 0; i < kExpressions; ++i) {
    const std::string text = random.expression(Contents::expressible, 3);
    const Filter filter = parsed(text);
    const std::optional<Bytes> program = filter.bytecode(as_root());
    ASSERT_TRUE(program) << text;
    ASSERT_EQ(audit_bytecode(*program), "") << text;
    for (int n = 0; n < kSocketsEach; ++n) {
      const Socket socket = random.socket();
      const bool matches = filter.matches(socket, {});
      ASSERT_EQ(run_bytecode(*program, socket), matches)
          << text << "\n"
          << to_string(socket.family, socket.local) << " " << to_string(socket.family, socket.peer);
      accepted += matches;
    }
  }
  EXPECT_GT(accepted, kExpressions * kSocketsEach / 4);
  EXPECT_LT(accepted, kExpressions * kSocketsEach * 3 / 4);
}

TEST(FilterBytecode, NeverRejectsWhatTheFilterAccepts) {
  Random random(6102024);
  int programs = 0;
  int rejected = 0;
  for (int i = 0; i < kExpressions; ++i) {
    const std::string states = random.below(4) == 0 ? "state established exclude listening " : "";
    const std::string text = states + random.expression(Contents::anything, 3);
    const Filter filter = parsed(text);
    const std::optional<Bytes> program = filter.bytecode(as_root());
    if (!program) continue;
    ++programs;
    ASSERT_EQ(audit_bytecode(*program), "") << text;
    for (int n = 0; n < kSocketsEach; ++n) {
      const Socket socket = random.socket();
      const bool runs = run_bytecode(*program, socket);
      ASSERT_TRUE(runs || !filter.matches(socket, {}))
          << text << "\n"
          << to_string(socket.family, socket.local) << " " << to_string(socket.family, socket.peer);
      rejected += !runs;
    }
  }
  EXPECT_GT(programs, kExpressions / 2);
  EXPECT_GT(rejected, programs * kSocketsEach / 8) << "a program that rejects nothing is of no use";
}

TEST(FilterBytecode, IsAbsentWhenItCouldNotRejectAny) {
  for (const char* text : {"", "state listening", "pid 1", "not pid 1", "sport 22 or pid 1",
                           "dev eth0 or pid 1", "not ( sport 22 and pid 1 )", "src unix:*", "cgroup /a"})
    EXPECT_FALSE(parsed(text).bytecode(as_root())) << text;
  for (const char* text : {"sport 22", "sport 22 and pid 1", "pid 1 sport 22", "not ( sport 22 or pid 1 )",
                           "dev eth0", "not fwmark 7"})
    EXPECT_TRUE(parsed(text).bytecode(as_root())) << text;
}

TEST(FilterBytecode, OfAutoboundKnowsWhatADumpDoesNotTell) {
  for (const char* address : {"127.0.0.1:40000", "127.0.0.1:80"}) {
    Socket socket = test::DumpRow(1, State::listen, address).socket;
    for (const bool locked : {false, true}) {
      socket.options.port_locked = locked;
      const bool autobound = !locked && socket.local.port == 40000;
      for (const char* text : {"autobound", "not autobound"}) {
        const Filter filter = parsed(text);
        EXPECT_EQ(run_bytecode(*filter.bytecode(as_root()), socket), autobound == (text[0] == 'a'))
            << text << address << locked;
        socket.options.known = true;
        EXPECT_EQ(filter.matches(socket, {}), autobound == (text[0] == 'a')) << text << address << locked;
        socket.options.known = false;  // then at least what the kernel accepts
        EXPECT_GE(filter.matches(socket, {}), run_bytecode(*filter.bytecode(as_root()), socket))
            << text << address << locked;
      }
    }
  }
}

TEST(FilterBytecode, LosesAutoboundBesideWhatTheKernelCannotDecide) {
  for (const char* text : {"autobound or user 7", "comm a or not autobound", "not ( autobound and pid 1 )",
                           "( autobound or cgroup /a ) and sport 22"})
    EXPECT_TRUE(parsed(text).loses_autobound(as_root())) << text;
  for (const char* text : {"autobound", "not autobound", "autobound and pid 1", "autobound or sport 22",
                           "not ( autobound or pid 1 )", "pid 1 or dev eth0", "", "autobound or fwmark 7",
                           "not ( autobound and dev eth0 )"})
    EXPECT_FALSE(parsed(text).loses_autobound(as_root())) << text;
}

// The kernel refuses such a program as a whole.
TEST(FilterBytecode, LooksAtMarksOnlyWithTheRightTo) {
  EXPECT_TRUE(parsed("fwmark 7").bytecode(as_root()));
  EXPECT_FALSE(parsed("fwmark 7").bytecode({}));
  EXPECT_TRUE(parsed("fwmark 7 and sport 22").bytecode({}));
  EXPECT_TRUE(parsed("autobound or fwmark 7").loses_autobound({}));
}

TEST(FilterBytecode, OfAVeryLongFilterIsValidOrAbsent) {
  std::string text = "sport 1";
  size_t longest = 0;
  bool absent = false;
  Random random(7);
  for (const char* joint : {" or ", " and "}) {
    for (int conditions = 1; conditions <= 4096; conditions *= 2) {
      std::string half = text;
      for (int i = 0; i < conditions; ++i)
        half += joint + std::string("dst 2001:db8::") + std::to_string(i) + "/128";
      const Filter filter = parsed("( " + half + " ) or sport 22");
      const std::optional<Bytes> program = filter.bytecode(as_root());
      absent |= !program;
      if (!program) continue;
      longest = std::max(longest, program->size());
      ASSERT_EQ(audit_bytecode(*program), "") << conditions << joint;
      for (int n = 0; n < kSocketsEach; ++n) {
        const Socket socket = random.socket();
        ASSERT_EQ(run_bytecode(*program, socket), filter.matches(socket, {})) << conditions << joint;
      }
    }
  }
  EXPECT_GT(longest, 30'000U);
  EXPECT_TRUE(absent) << "a jump has 16 bits";
}

// The audit itself, on programs written by hand.
Bytes operations(std::initializer_list<inet_diag_bc_op> list) {
  Bytes program;
  for (const inet_diag_bc_op& op : list) test::append(program, test::bytes_of(op));
  return program;
}

Bytes host_condition(uint8_t family, uint8_t prefix_length, size_t address) {
  const auto length = static_cast<uint8_t>(4 + sizeof(inet_diag_hostcond) + address);
  inet_diag_hostcond condition{};
  condition.family = family;
  condition.prefix_len = prefix_length;
  condition.port = -1;
  Bytes program = operations({{INET_DIAG_BC_S_COND, length, static_cast<uint16_t>(length + 4)}});
  test::append(program, test::bytes_of(condition));
  program.resize(length);
  return program;
}

TEST(DiagBytecode, TheAuditRefusesWhatTheKernelRefuses) {
  EXPECT_EQ(audit_bytecode(operations({{INET_DIAG_BC_S_GE, 8, 12}, {0, 0, 22}})), "");
  EXPECT_EQ(audit_bytecode(operations({{INET_DIAG_BC_AUTO, 4, 8}})), "");
  EXPECT_EQ(audit_bytecode(host_condition(0, 0, 0)), "");
  EXPECT_EQ(audit_bytecode(host_condition(AF_INET, 32, 4)), "");
  EXPECT_EQ(audit_bytecode(host_condition(AF_INET6, 128, 16)), "");
  EXPECT_NE(audit_bytecode({}), "");
  EXPECT_NE(audit_bytecode(operations({{99, 4, 4}})), "") << "no such operation";
  EXPECT_NE(audit_bytecode(operations({{INET_DIAG_BC_S_GE, 4, 8}})), "") << "no operand";
  EXPECT_NE(audit_bytecode(operations({{INET_DIAG_BC_S_GE, 4, 12}, {0, 4, 22}})), "")
      << "yes into the operand";
  EXPECT_NE(audit_bytecode(operations({{INET_DIAG_BC_AUTO, 4, 12}})), "") << "beyond the rejection";
  EXPECT_NE(audit_bytecode(operations({{INET_DIAG_BC_AUTO, 4, 6}, {INET_DIAG_BC_AUTO, 4, 8}})), "") << "odd";
  EXPECT_NE(audit_bytecode(operations({{INET_DIAG_BC_AUTO, 0, 4}})), "") << "stands still";
  EXPECT_NE(audit_bytecode(operations({{INET_DIAG_BC_AUTO, 8, 8}})), "") << "ends beyond its end";
  EXPECT_NE(audit_bytecode(operations({{INET_DIAG_BC_JMP, 4, 8}, {INET_DIAG_BC_S_GE, 8, 12}, {0, 0, 22}})),
            "")
      << "a jump into an operand";
  EXPECT_NE(audit_bytecode(host_condition(AF_UNIX, 0, 0)), "");
  EXPECT_NE(audit_bytecode(host_condition(AF_INET, 33, 4)), "");
  EXPECT_NE(audit_bytecode(host_condition(AF_UNSPEC, 1, 0)), "");
  EXPECT_NE(audit_bytecode(host_condition(AF_INET6, 128, 4)), "") << "cut off";
}

TEST(DiagBytecode, OperationsGoOnOrJump) {
  const Socket socket = test::DumpRow(1, State::listen, "127.0.0.1:22", "127.0.0.2:80").socket;
  const auto run = [&](uint8_t code, uint16_t port) {
    return run_bytecode(operations({{code, 8, 12}, {0, 0, port}}), socket);
  };
  EXPECT_TRUE(run(INET_DIAG_BC_S_EQ, 22));
  EXPECT_FALSE(run(INET_DIAG_BC_S_EQ, 80));
  EXPECT_TRUE(run(INET_DIAG_BC_D_EQ, 80));
  EXPECT_TRUE(run(INET_DIAG_BC_S_GE, 22));
  EXPECT_FALSE(run(INET_DIAG_BC_S_GE, 23));
  EXPECT_TRUE(run(INET_DIAG_BC_S_LE, 22));
  EXPECT_FALSE(run(INET_DIAG_BC_S_LE, 21));
  EXPECT_TRUE(run(INET_DIAG_BC_D_GE, 80));
  EXPECT_FALSE(run(INET_DIAG_BC_D_LE, 79));
  EXPECT_TRUE(run_bytecode(operations({{INET_DIAG_BC_JMP, 4, 4}}), socket));
  EXPECT_FALSE(run_bytecode(operations({{INET_DIAG_BC_JMP, 4, 8}}), socket));
  EXPECT_TRUE(run_bytecode(operations({{INET_DIAG_BC_NOP, 4, 0}}), socket));
}

}  // namespace
}  // namespace socktrace
