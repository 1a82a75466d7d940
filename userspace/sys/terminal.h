#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/result.h"

namespace socktrace::sys {

enum class ColorMode : uint8_t { automatic, always, never };

// "auto", "always", "never"; ErrorKind::usage otherwise.
Result<ColorMode> parse_color_mode(std::string_view text);

// What decides about colour besides the option. Variables that are not set are empty, and empty ones count as
// not set (no-color.org, bixense.com/clicolors).
struct ColorInputs {
  bool is_terminal = false;
  std::string_view no_color;
  std::string_view term;
  std::string_view force_color;     // FORCE_COLOR; "0" is no
  std::string_view clicolor_force;  // CLICOLOR_FORCE; "0" is no
};

// The option wins, then NO_COLOR, then the forcing variables; else colour goes to terminals that are not
// dumb.
bool use_color(ColorMode mode, const ColorInputs& inputs);
// From the environment, for one output: standard output and standard error are decided apart.
ColorInputs color_inputs(int fd);

bool is_terminal(int fd);
bool is_pipe(int fd);
// The terminal is gone. Has to be asked: epoll does not report it to who waits for nothing but that, as the kernel's wakeup
// of a hangup names the events of reading and writing only (__tty_hangup).
bool has_hung_up(int fd);
// Columns: COLUMNS if it is a number from 1 to 65535, else the window's (TIOCGWINSZ); nothing when fd is no
// terminal and COLUMNS is not set.
std::optional<int> terminal_width(int fd);

}  // namespace socktrace::sys
