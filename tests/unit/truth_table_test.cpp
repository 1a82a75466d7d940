#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

namespace {

std::set<std::string> registered_tests() {
  std::set<std::string> names;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *all.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j)
      names.insert(std::string(suite.name()) + "." + suite.GetTestInfo(j)->name());
  }
  return names;
}

// The last cell of a row of a Markdown table.
std::string last_cell(const std::string& line) {
  const size_t end = line.rfind(" |");
  const size_t begin = line.rfind("| ", end - 1) + 2;
  return line.substr(begin, end - begin);
}

TEST(TruthTable, EveryRuleHasItsTest) {
  std::ifstream page(TEST_DATA "/../../userspace/core/tracker/truth_table.md");
  ASSERT_TRUE(page) << "truth_table.md";
  const std::set<std::string> tests = registered_tests();
  size_t rules = 0;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| ") || line.ends_with("| test |")) continue;
    ++rules;
    EXPECT_TRUE(tests.contains(last_cell(line))) << line;
  }
  EXPECT_GE(rules, 70u);
}

}  // namespace
