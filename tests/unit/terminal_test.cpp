#include "sys/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "sys/unique_fd.h"

namespace socktrace::sys {
namespace {

const ColorInputs kTerminal{true, "", "xterm-256color", "", ""};
const ColorInputs kPipe{false, "", "xterm-256color", "", ""};

TEST(Terminal, ColourGoesToTerminalsOnly) {
  EXPECT_TRUE(use_color(ColorMode::automatic, kTerminal));
  EXPECT_FALSE(use_color(ColorMode::automatic, kPipe));
  EXPECT_FALSE(use_color(ColorMode::automatic, {true, "", "dumb", "", ""}));
}

TEST(Terminal, TheOptionWinsOverEverything) {
  EXPECT_TRUE(use_color(ColorMode::always, {false, "1", "dumb", "0", "0"}));
  EXPECT_FALSE(use_color(ColorMode::never, {true, "", "xterm", "1", "1"}));
}

TEST(Terminal, NoColorWinsOverForcing) {
  EXPECT_FALSE(use_color(ColorMode::automatic, {true, "1", "xterm", "", ""}));
  EXPECT_FALSE(
      use_color(ColorMode::automatic, {true, "0", "xterm", "", ""}));  // any value, says no-color.org
  EXPECT_FALSE(use_color(ColorMode::automatic, {false, "1", "xterm", "1", "1"}));
}

TEST(Terminal, ForcingVariablesColourPipesToo) {
  EXPECT_TRUE(use_color(ColorMode::automatic, {false, "", "dumb", "1", ""}));
  EXPECT_TRUE(use_color(ColorMode::automatic, {false, "", "", "", "1"}));
  EXPECT_FALSE(use_color(ColorMode::automatic, {false, "", "xterm", "0", "0"}));
}

TEST(Terminal, ModesAreNamed) {
  EXPECT_EQ(parse_color_mode("auto").value(), ColorMode::automatic);
  EXPECT_EQ(parse_color_mode("always").value(), ColorMode::always);
  EXPECT_EQ(parse_color_mode("never").value(), ColorMode::never);
  const auto wrong = parse_color_mode("yes");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().kind, ErrorKind::usage);
  EXPECT_EQ(wrong.error().message, "color is one of auto, always and never, not yes");
}

TEST(Terminal, WidthComesFromColumnsFirst) {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_FALSE(is_terminal(null.get()));
  setenv("COLUMNS", "132", 1);
  EXPECT_EQ(terminal_width(null.get()), 132);
  for (const char* wrong : {"", "0", "-5", "80x", "99999"}) {
    setenv("COLUMNS", wrong, 1);
    EXPECT_EQ(terminal_width(null.get()), std::nullopt) << wrong;
  }
  unsetenv("COLUMNS");
  EXPECT_EQ(terminal_width(null.get()), std::nullopt);
}

}  // namespace
}  // namespace socktrace::sys
