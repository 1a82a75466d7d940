// The language: words, lists, states.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/socket.h>

#include "core/filter/filter.h"
#include "support/filter_world.h"

namespace socktrace {
namespace {

using namespace test::filters;

// Three conditions whose truth a test chooses.
Socket facts(bool port, bool peer_port, bool device) {
  Socket socket = tcp(port ? "127.0.0.1:22" : "127.0.0.1:23", peer_port ? "127.0.0.2:80" : "127.0.0.2:81");
  socket.ifindex = device ? 2 : 3;
  return socket;
}

// The truth table of a filter over sport 22 (A), dport 80 (B), dev eth0 (C): ABC = 000, 001 … 111.
std::string truth(std::string text) {
  const std::pair<char, const char*> letters[] = {{'A', "sport 22"}, {'B', "dport 80"}, {'C', "dev eth0"}};
  std::string expression;
  for (const char letter : text) {
    const char* condition = nullptr;
    for (const auto& [name, meaning] : letters)
      if (name == letter) condition = meaning;
    expression += condition ? condition : std::string(1, letter);
  }
  const Filter filter = parsed(expression);
  std::string bits;
  for (int i = 0; i < 8; ++i) bits += filter.matches(facts(i & 4, i & 2, i & 1), {}) ? '1' : '0';
  return bits;
}

TEST(FilterWords, NothingAcceptsEverySocket) {
  for (const auto& words : {std::vector<std::string>{}, {""}, {" ", "\t"}}) {
    const Result<Filter> filter = parse(words);
    ASSERT_TRUE(filter);
    EXPECT_TRUE(filter->empty());
    EXPECT_TRUE(filter->matches(tcp("127.0.0.1:22"), {}));
    EXPECT_FALSE(filter->bytecode({}));
  }
}

TEST(FilterWords, ArgumentsAreSplitAtBlanks) {
  for (const auto& words : {std::vector<std::string>{"sport", "=", "22"},
                            {"sport = 22"},
                            {"sport =", "22"},
                            {" sport\t=\n22 "}}) {
    const Result<Filter> filter = parse(words);
    ASSERT_TRUE(filter);
    EXPECT_TRUE(filter->matches(tcp("127.0.0.1:22"), {}));
    EXPECT_FALSE(filter->matches(tcp("127.0.0.1:23"), {}));
  }
}

TEST(FilterWords, AWordDoesNotReachFromOneArgumentIntoTheNext) {
  const Result<Filter> filter = parse({"spo", "rt", "22"});
  ASSERT_FALSE(filter);
  EXPECT_NE(filter.error().message.find("`spo`"), std::string::npos);
}

TEST(FilterWords, ABackslashKeepsTheNextCharacter) {
  EXPECT_TRUE(accepts("s\\port 2\\2", tcp("127.0.0.1:22")));
  EXPECT_TRUE(accepts("src unix:/run/a\\ b", unix_named("/run/a b")));
  EXPECT_FALSE(accepts("src unix:/run/a\\ b", unix_named("/run/a")));
}

TEST(FilterWords, ABackslashAtTheEndIsDropped) {
  EXPECT_TRUE(accepts("sport 22\\", tcp("127.0.0.1:22")));
  EXPECT_NE(error("\\").find("``"), std::string::npos);
}

TEST(FilterWords, OperatorsAndConditionsAreCaseSensitive) {
  EXPECT_NE(error("SPORT 22").find("`SPORT`"), std::string::npos);
  EXPECT_NE(error("sport 22 AND dport 80").find("`AND`"), std::string::npos);
}

TEST(FilterList, AndOrGroupFromLeftToRight) {
  EXPECT_EQ(truth("A and B"), "00000011");
  EXPECT_EQ(truth("A or B"), "00111111");
  EXPECT_EQ(truth("A or B and C"), "00010101") << "( A or B ) and C";
  EXPECT_EQ(truth("A and B or C"), "01010111") << "( A and B ) or C";
  EXPECT_EQ(truth("C or A and B"), "00010011");
}

TEST(FilterList, EverySpellingOfAndAndOr) {
  for (const char* both : {"A and B", "A & B", "A && B", "A B"}) EXPECT_EQ(truth(both), "00000011") << both;
  for (const char* either : {"A or B", "A | B", "A || B"}) EXPECT_EQ(truth(either), "00111111") << either;
}

TEST(FilterList, NothingBetweenConditionsIsAnd) {
  EXPECT_EQ(truth("A B C"), "00000001");
  EXPECT_EQ(truth("A or B C"), "00010101") << "( A or B ) and C";
  EXPECT_EQ(truth("A ( B or C )"), "00000111");
  EXPECT_EQ(truth("( A ) ( B )"), "00000011");
  EXPECT_EQ(truth("A not B"), "00001100");
}

TEST(FilterList, NotBindsToTheNextConditionOnly) {
  EXPECT_EQ(truth("not A"), "11110000");
  EXPECT_EQ(truth("! A"), "11110000");
  EXPECT_EQ(truth("not A or B"), "11110011");
  EXPECT_EQ(truth("not A B"), "00110000");
  EXPECT_EQ(truth("not not A"), "00001111");
  EXPECT_EQ(truth("! not ! A"), "11110000");
  EXPECT_EQ(truth("not ( A or B )"), "11000000");
}

TEST(FilterList, ParenthesesGroup) {
  EXPECT_EQ(truth("A or ( B and C )"), "00011111");
  EXPECT_EQ(truth("( ( A ) )"), "00001111");
  EXPECT_EQ(truth("not ( A and not ( B or C ) )"), "11110111");
}

TEST(FilterList, ErrorsNameTheWordThatIsWrong) {
  EXPECT_NE(error("sport 22 and").find("got the end"), std::string::npos);
  EXPECT_NE(error("and sport 22").find("got `and`"), std::string::npos);
  EXPECT_NE(error("sport 22 or || dport 1").find("got `||`"), std::string::npos);
  EXPECT_NE(error("not").find("got the end"), std::string::npos);
  EXPECT_NE(error("( )").find("got `)`"), std::string::npos);
  EXPECT_NE(error("( sport 22").find("a `(` without its `)`"), std::string::npos);
  EXPECT_NE(error("sport 22 )").find("a `)` without its `(`"), std::string::npos);
  EXPECT_NE(error("sport 22 nonsense").find("`nonsense`"), std::string::npos);
}

TEST(FilterList, AnOperatorWithoutBlanksIsExplained) {
  for (const char* text : {"sport=22", "(sport 22", "!sport 22", "sport>22"})
    EXPECT_NE(error(text).find("between blanks"), std::string::npos) << text << ": " << error(text);
}

TEST(FilterList, HostileNestingIsAnErrorAndNotACrash) {
  std::string open;
  std::string negations;
  for (int i = 0; i < 100'000; ++i) {
    open += "( ";
    negations += "! ";
  }
  EXPECT_NE(error(open).find("1000 deep"), std::string::npos);
  EXPECT_NE(error(negations + "sport 22").find("1000 deep"), std::string::npos);
}

TEST(FilterList, AMegabyteOfConditionsIsRefusedAndThousandsAreNot) {
  std::string megabyte;
  while (megabyte.size() < (1 << 20)) megabyte += "sport 1 or ";
  EXPECT_NE(error(megabyte + "sport 2").find("more than 10000 conditions"), std::string::npos);

  std::string thousands;
  for (int i = 1; i < 10'000; ++i) thousands += "sport 1 or ";
  const Filter filter = parsed(thousands + "sport 2");
  Socket socket;
  socket.family = Family::inet;
  socket.local.port = 2;
  EXPECT_TRUE(filter.matches(socket, {}));
  socket.local.port = 3;
  EXPECT_FALSE(filter.matches(socket, {}));
  (void)filter.bytecode({});
}

// As of a thread, or under ulimit -s.
TEST(FilterList, ThousandsOfConditionsNeedLittleStack) {
  const auto read_and_match = [](void*) -> void* {
    std::string thousands;
    for (int i = 1; i < 10'000; ++i) thousands += i % 2 == 0 ? "sport 1 or " : "not pid 1 and ";
    const Filter filter = parsed(thousands + "sport 2");
    Socket socket;
    socket.family = Family::inet;
    socket.local.port = 2;
    EXPECT_TRUE(filter.matches(socket, {}));
    (void)filter.bytecode({});
    return nullptr;
  };
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 256 << 10), 0);
  pthread_t thread{};
  ASSERT_EQ(pthread_create(&thread, &attributes, read_and_match, nullptr), 0);
  EXPECT_EQ(pthread_join(thread, nullptr), 0);
  pthread_attr_destroy(&attributes);
}

TEST(FilterStates, StateWordsAddUpAndExcludeTakesAway) {
  EXPECT_EQ(parsed("state established").states(), mask(State::established));
  EXPECT_EQ(parsed("state established state listening").states(),
            mask(State::established) | mask(State::listen));
  EXPECT_EQ(parsed("exclude listening").states(), 0xfffU & ~mask(State::listen));
  EXPECT_EQ(parsed("excl listening excl closed").states(),
            0xfffU & ~mask(State::listen) & ~mask(State::close));
  EXPECT_EQ(parsed("state all exclude listening").states(), 0xfffU & ~mask(State::listen));
  EXPECT_EQ(parsed("sport 22").states(), std::nullopt);
}

TEST(FilterStates, StatesAndTheExpressionBothHaveToHold) {
  const std::string text = "state listening sport 22 or sport 23";
  EXPECT_TRUE(accepts(text, tcp("127.0.0.1:22", "0.0.0.0:*", State::listen)));
  EXPECT_TRUE(accepts(text, tcp("127.0.0.1:23", "0.0.0.0:*", State::listen)));
  EXPECT_FALSE(accepts(text, tcp("127.0.0.1:22", "127.0.0.1:1", State::established)));
  EXPECT_FALSE(accepts(text, tcp("127.0.0.1:24", "0.0.0.0:*", State::listen)));
}

TEST(FilterStates, ErrorsNameTheState) {
  EXPECT_NE(error("state listen").find("`listen`"), std::string::npos) << "it is `listening`";
  EXPECT_NE(error("state").find("the end"), std::string::npos);
  EXPECT_NE(error("sport 22 state listening").find("states come before"), std::string::npos);
  EXPECT_NE(error("state established and sport 22").find("got `and`"), std::string::npos);
}

}  // namespace
}  // namespace socktrace
