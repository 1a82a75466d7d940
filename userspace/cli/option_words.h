#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <vector>

#include "cli/past.h"
#include "cli/trace_options.h"
#include "core/result.h"

namespace socktrace::cli {

// What the verbs with CLI11 share; only their option parsers include this.

// ErrorKind::usage, with a pointer to --help.
Error usage(std::string message);
// -l -a -t -u -w -x -4 -6, -h, -V and the words of the filter.
void declare_selection(CLI::App& app, TraceOptions& options);
// A check of an option: an empty value is a variable that was not set, not an option that was not given.
std::string refuse_empty(const std::string& value);
// --from, as often as there are logs.
void declare_logs(CLI::App& app, std::vector<std::string>& from);
// --from, --at and --utc.
void declare_past(CLI::App& app, PastOptions& options);
// CLI11 reports errors by exceptions; they end here.
Result<void> parse_words(CLI::App& app, std::span<const std::string> words);

}  // namespace socktrace::cli
