#include "sys/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string>

namespace socktrace::sys {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_set(std::string_view forcing) {
  return !forcing.empty() && forcing != "0";
}

}  // namespace

Result<ColorMode> parse_color_mode(std::string_view text) {
  if (text == "auto") return ColorMode::automatic;
  if (text == "always") return ColorMode::always;
  if (text == "never") return ColorMode::never;
  return Error{"color is one of auto, always and never, not " + std::string(text), ErrorKind::usage};
}

bool use_color(ColorMode mode, const ColorInputs& inputs) {
  if (mode != ColorMode::automatic) return mode == ColorMode::always;
  if (!inputs.no_color.empty()) return false;
  if (is_set(inputs.force_color) || is_set(inputs.clicolor_force)) return true;
  return inputs.is_terminal && inputs.term != "dumb";
}

ColorInputs color_inputs(int fd) {
  return {is_terminal(fd), variable("NO_COLOR"), variable("TERM"), variable("FORCE_COLOR"),
          variable("CLICOLOR_FORCE")};
}

bool is_pipe(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

bool is_terminal(int fd) {
  return isatty(fd) == 1;
}

bool has_hung_up(int fd) {
  pollfd terminal{fd, 0, 0};
  return ::poll(&terminal, 1, 0) > 0 && (terminal.revents & POLLHUP) != 0;
}

std::optional<int> terminal_width(int fd) {
  const std::string_view columns = variable("COLUMNS");
  uint16_t width = 0;
  const auto [end, failure] = std::from_chars(columns.data(), columns.data() + columns.size(), width);
  if (failure == std::errc{} && end == columns.data() + columns.size() && width > 0) return width;
  winsize window{};
  if (ioctl(fd, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return std::nullopt;
  return window.ws_col;
}

}  // namespace socktrace::sys
