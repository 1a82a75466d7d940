#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/past.h"
#include "core/result.h"
#include "core/socket.h"
#include "diagnose/where.h"

namespace socktrace::cli {

struct ExposedCommand {
  std::vector<diagnose::Where> allowed;  // ports, addresses with ports, or processes that may be reached
  PastOptions past;
  bool all_netns = false;
  bool no_header = false;
  bool json = false;
  bool help = false;
  bool version = false;
};

// ErrorKind::usage names the wrong word, or the line of the allow file.
Result<ExposedCommand> parse_exposed_options(std::span<const std::string> words);

// Whether one of the entries names this listener.
bool is_allowed(const Socket& socket, std::span<const diagnose::Where> allowed);

std::string_view exposed_help();

}  // namespace socktrace::cli
