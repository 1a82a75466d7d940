#include <gtest/gtest.h>

#include "core/ss/selection.h"

namespace socktrace::ss {
namespace {

using diag::bit;
using diag::Table;
using ss::bit;

TEST(SsSelection, NothingChosenIsEveryTableConnected) {
  const Selection selection = SelectionBuilder().finish();
  EXPECT_TRUE(selection.tables & bit(Table::tcp));
  EXPECT_TRUE(selection.tables & bit(Table::netlink));
  EXPECT_TRUE(selection.tables & bit(Table::mptcp));
  EXPECT_FALSE(selection.tables & bit(Table::tipc)) << "ss leaves TIPC out unless asked";
  EXPECT_FALSE(selection.tables & bit(Table::udplite));
  EXPECT_EQ(selection.states, 0xb37U);  // the mask that ss 6.1 sends
}

TEST(SsSelection, TablesImplyTheirStatesAndFamilies) {
  SelectionBuilder udp;
  udp.add_table(Table::udp);
  EXPECT_EQ(udp.finish().states, mask(State::established));
  EXPECT_EQ(udp.finish().families, bit(Family::inet) | bit(Family::inet6));
  udp.add_table(Table::tcp);
  EXPECT_EQ(udp.finish().states, kConnected) << "the states of all tables together";
}

TEST(SsSelection, UdpLiteAloneIsNoOtherTable) {
  SelectionBuilder builder;
  ASSERT_TRUE(builder.add_query("udplite"));
  EXPECT_EQ(builder.finish().tables, bit(Table::udplite));
}

TEST(SsSelection, AFamilyImpliesItsTables) {
  SelectionBuilder builder;
  builder.add_family(Family::unix);
  EXPECT_EQ(builder.finish().tables, diag::kUnixTables);
  EXPECT_EQ(builder.finish().families, bit(Family::unix));
}

TEST(SsSelection, TheLastOfAllAndListeningWins) {
  SelectionBuilder builder;
  builder.add_table(Table::tcp);
  builder.set_states(kListening);
  builder.set_states(kAllStates);
  EXPECT_EQ(builder.finish().states, kAllStates);
  builder.set_states(kListening);
  EXPECT_EQ(builder.finish().states, kListening);
}

TEST(SsSelection, StateWordsReplaceOptions) {
  SelectionBuilder builder;
  builder.set_states(kAllStates);
  ASSERT_TRUE(builder.add_state_word("established", false));
  ASSERT_TRUE(builder.add_state_word("close-wait", false));
  EXPECT_EQ(builder.finish().states, mask(State::established) | mask(State::close_wait));
  ASSERT_TRUE(builder.add_state_word("established", true));
  EXPECT_EQ(builder.finish().states, mask(State::close_wait));
}

TEST(SsSelection, ExcludeStartsFromAll) {
  SelectionBuilder builder;
  ASSERT_TRUE(builder.add_state_word("listening", true));
  EXPECT_EQ(builder.finish().states, kAllStates & ~mask(State::listen));
}

TEST(SsSelection, ExcludingEverythingIsTheDefaultAgain) {
  SelectionBuilder builder;
  ASSERT_TRUE(builder.add_state_word("all", true));
  EXPECT_EQ(builder.finish().states, kConnected);
}

TEST(SsSelection, TheFirstQueryClearsTables) {
  SelectionBuilder builder;
  builder.add_table(Table::tcp);
  ASSERT_TRUE(builder.add_query("udp"));
  EXPECT_EQ(builder.finish().tables, bit(Table::udp));
  ASSERT_TRUE(builder.add_query("tcp"));
  EXPECT_EQ(builder.finish().tables, bit(Table::udp) | bit(Table::tcp));
}

TEST(SsSelection, AQueryMeansConnectedStates) {
  SelectionBuilder builder;
  ASSERT_TRUE(builder.add_query("netlink"));
  EXPECT_EQ(builder.finish().states, kConnected) << "so that -A netlink shows nothing, as in ss";
}

TEST(SsSelection, AnExclamationMarkTakesAway) {
  SelectionBuilder builder;
  ASSERT_TRUE(builder.add_query("inet,!tcp,!raw"));
  EXPECT_FALSE(builder.finish().tables & bit(Table::tcp));
  EXPECT_TRUE(builder.finish().tables & bit(Table::udp));
  SelectionBuilder nothing;
  ASSERT_TRUE(nothing.add_query("!tcp"));
  EXPECT_EQ(nothing.finish().tables, 0U);
}

TEST(SsSelection, UnknownNamesAreRefused) {
  EXPECT_FALSE(SelectionBuilder().add_query("tcp,nonsense"));
  EXPECT_FALSE(SelectionBuilder().add_state_word("listen", false)) << "ss knows listening only";
  EXPECT_FALSE(states_from_name(""));
  EXPECT_FALSE(family_from_name("inet4"));
}

TEST(SsSelection, StateNamesAndAliases) {
  EXPECT_EQ(states_from_name("ESTABLISHED"), mask(State::established));
  EXPECT_EQ(states_from_name("unconnected"), mask(State::close));
  EXPECT_EQ(states_from_name("bucket"), mask(State::syn_recv) | mask(State::time_wait));
  EXPECT_EQ(states_from_name("big"), kAllStates & ~(mask(State::syn_recv) | mask(State::time_wait)));
  EXPECT_EQ(states_from_name("connected"), kAllStates & ~kListening);
  EXPECT_EQ(states_from_name("synchronized"), kAllStates & ~kListening & ~mask(State::syn_sent));
}

}  // namespace
}  // namespace socktrace::ss
