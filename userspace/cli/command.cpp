#include "cli/command.h"

#include <array>
#include <span>
#include <string_view>

#include "cli/doctor.h"
#include "cli/exposed.h"
#include "cli/help.h"
#include "cli/log.h"
#include "cli/output.h"
#include "cli/record.h"
#include "cli/ss.h"
#include "cli/trace.h"
#include "cli/why.h"

namespace socktrace::cli {
namespace {

using Words = std::vector<std::string>;

struct Verb {
  std::string_view name;
  Result<int> (*run)(const Words& words);
};

// A first word that is exactly one of these is a verb; any other begins an option or a filter, now and in every later
// version that keeps this list.
constexpr std::array kVerbs = {
    Verb{"ss", run_ss_command},   Verb{"record", run_record_command},   Verb{"log", run_log_command},
    Verb{"why", run_why_command}, Verb{"exposed", run_exposed_command}, Verb{"doctor", run_doctor_command},
};

}  // namespace

Result<int> run(const Words& words) {
  if (!words.empty())
    for (const Verb& verb : kVerbs)
      if (words.front() == verb.name) return verb.run({words.begin() + 1, words.end()});

  Result<TraceOptions> options = parse_trace_options(words);
  if (!options) return std::move(options.error());
  if (options->help) return print_text(help_text());
  if (options->version) return print_text(version_text());
  return run_trace(*options);
}

}  // namespace socktrace::cli
