#include "cli/doctor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>

#include "cli/doctor_checks.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/option_words.h"
#include "cli/output.h"
#include "core/escape.h"
#include "core/log/json_writer.h"
#include "sys/mounts.h"
#include "sys/procfs.h"

namespace socktrace::cli {
namespace {

using diagnose::Check;
using diagnose::Verdict;

struct Options {
  bool json = false;
  bool quiet = false;
  bool help = false;
  bool version = false;
};

struct Report {
  std::vector<Check> checks;
  std::string verdict;  // one word for programs
  std::string sentence;
  int status = kOk;
};

void append(std::vector<Check>& checks, std::vector<Check> more) {
  checks.insert(checks.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

Result<source::Live> attach() {
  const Result<sys::UniqueFd> cgroup = sys::open_cgroup2();
  probe::Options options;
  options.unix_sockets = true;
  options.ignore_pid = sys::initial_pid();
  options.cgroup_fd = cgroup ? cgroup->get() : -1;
  return source::Live::attach(options);
}

// Nothing could be attached: why, and what that means for all that follows from it.
void conclude_without_tracing(const Error& error, Report& report) {
  report.checks.push_back({"hooks", "all", Verdict::missing, error.message, "nothing can be traced", ""});
  append(report.checks, self_test_checks({source::nothing_sighted(), "nothing is attached"}));
  const bool denied = error.kind == ErrorKind::privilege;
  report.status = denied ? kPrivilege : kUnavailable;
  report.verdict = denied ? "privileges" : "unavailable";
  report.sentence = denied ? "tracing was not tried: privileges are missing; `socktrace ss` works without"
                           : "tracing does not work on this host; `socktrace ss` does";
}

void conclude(const source::SelfTest& test, Report& report) {
  const auto count = [&](Verdict verdict) {
    return std::count_if(report.checks.begin(), report.checks.end(),
                         [=](const Check& check) { return check.verdict == verdict; });
  };
  const auto off = count(Verdict::off);
  if (test.blind()) {
    report.status = kUnavailable;
    report.verdict = "blind";
    report.sentence =
        "tracing is blind: hooks are attached, but sockets of our own were not reported: " + test.missed();
  } else if (count(Verdict::missing) > 0) {
    report.status = kUnavailable;
    report.verdict = "unavailable";
    report.sentence = "hooks are attached, but tracing does not work without what is missing";
  } else if (!test.trouble.empty()) {
    report.verdict = "unproven";
    report.sentence = "hooks are attached, but it is not proven that events flow: " + test.trouble;
  } else if (off > 0) {
    report.verdict = "reduced";
    report.sentence =
        fmt::format("tracing works; {} of {} checks have something off", off, report.checks.size());
  } else {
    report.verdict = "works";
    report.sentence = "tracing works, with everything";
  }
}

Result<Report> examine() {
  Report report;
  Result<source::Live> live = attach();
  diagnose::HostCondition host = diagnose::read_host_condition();
  host.attached = live.has_value();
  report.checks = diagnose::check_host(host);
  append(report.checks, table_checks());
  if (!live) {
    conclude_without_tracing(live.error(), report);
    return report;
  }
  append(report.checks, hook_checks(live->tracer(), host));
  const Result<source::SelfTest> test = source::self_test(*live, [](const Record&) {});
  if (!test) return test.error();
  append(report.checks, self_test_checks(*test));
  conclude(*test, report);
  return report;
}

std::string as_text(const Report& report, bool quiet) {
  std::string text;
  std::string_view section;
  for (const Check& check : report.checks) {
    if (quiet && check.verdict == Verdict::works) continue;
    if (check.section != section) fmt::format_to(std::back_inserter(text), "{}\n", check.section);
    section = check.section;
    std::string line =
        fmt::format("  {:<8} {:<38} {}", name_of(check.verdict), check.name, escape(check.found));
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
    if (!check.cost.empty()) fmt::format_to(std::back_inserter(text), "           costs  {}\n", check.cost);
    if (!check.fix.empty()) fmt::format_to(std::back_inserter(text), "           fix    {}\n", check.fix);
  }
  return text + report.sentence + '\n';
}

std::string as_json(const Report& report, bool quiet) {
  std::string text;
  JsonWriter json;
  for (const Check& check : report.checks) {
    if (quiet && check.verdict == Verdict::works) continue;
    json.begin_line();
    json.word("k", "check");
    json.word("section", check.section);
    json.bytes("name", check.name);
    json.word("state", name_of(check.verdict));
    json.bytes("found", check.found);
    json.bytes("cost", check.cost);
    json.bytes("fix", check.fix);
    json.end_line();
    text += json.text();
  }
  json.begin_line();
  json.word("k", "verdict");
  json.word("verdict", report.verdict);
  json.bytes("text", report.sentence);
  json.number("status", static_cast<uint64_t>(report.status));
  json.end_line();
  return text.append(json.text());
}

}  // namespace

Result<int> run_doctor_command(const std::vector<std::string>& words) {
  Options options;
  CLI::App app;
  app.set_help_flag();
  app.allow_windows_style_options(false);
  app.add_flag("-j,--json", options.json);
  app.add_flag("-q,--quiet", options.quiet);
  app.add_flag("-h,--help", options.help);
  app.add_flag("-v,-V,--version", options.version);
  if (Result<void> parsed = parse_words(app, words); !parsed) return std::move(parsed.error());
  if (options.help) return print_text(doctor_help());
  if (options.version) return print_text(version_text());

  Result<Report> report = examine();
  if (!report) return std::move(report.error());
  Result<int> printed =
      print_text(options.json ? as_json(*report, options.quiet) : as_text(*report, options.quiet));
  if (!printed) return printed;
  return report->status;
}

std::string_view doctor_help() {
  return R"(socktrace doctor: what works on this host, what does not, what that costs

  sudo socktrace doctor
  sudo socktrace doctor -q       only what does not work
  socktrace doctor --json        for programs

Usage: socktrace doctor [OPTIONS]

  -j, --json    one object for each check, then the verdict
  -q, --quiet   leave out what works

Kernel, capabilities, mounts, settings, limits, socket tables and every hook:
works, off (tracing goes on without it), missing (it does not), or untested; what
that costs, and what to do about it. At the end a few sockets are opened and
closed on 127.0.0.1, and must be reported. Nothing is changed.

Exit status: 0 tracing works, 3 privileges missing, 4 it does not, or is blind.
)";
}

}  // namespace socktrace::cli
