#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cli/past.h"
#include "core/result.h"
#include "diagnose/where.h"

namespace socktrace::cli {

struct WhyCommand {
  diagnose::Where where;
  std::string text;  // as it was written
  PastOptions past;
  bool json = false;
  std::string color = "auto";
  bool help = false;
  bool version = false;
};

// ErrorKind::usage names the wrong word.
Result<WhyCommand> parse_why_options(std::span<const std::string> words);

std::string_view why_help();

}  // namespace socktrace::cli
