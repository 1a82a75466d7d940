#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "core/ss/options.h"

namespace socktrace::cli {

// What the words after `socktrace ss` say.
struct SsCommand {
  ss::Options options;
  bool help = false;     // -h: print ss_help() and stop
  bool version = false;  // -V
};

// Parses options, state words and filter words as ss does (getopt: bundled short options, abbreviated long
// ones, options and filter in any order). -F is read here. Errors are ErrorKind::usage.
Result<SsCommand> parse_ss_options(const std::vector<std::string>& words);

// The text of --help.
std::string ss_help();

}  // namespace socktrace::cli
