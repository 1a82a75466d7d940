#include "cli/log.h"

#include <fmt/format.h>
#include <unistd.h>
#include <ctime>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <tuple>
#include <utility>

#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/log_diff.h"
#include "cli/log_options.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/past.h"
#include "cli/selection.h"
#include "sink/event_line.h"
#include "source/recording.h"
#include "sys/clock.h"
#include "sys/signals.h"
#include "sys/terminal.h"

namespace socktrace::cli {
namespace {

constexpr size_t kBatch = 64 << 10;

// One reading of a recording, printed.
class LogPrinter {
 public:
  LogPrinter(const LogCommand& command, const Selection& selection, uint64_t since_ns, uint64_t until_ns,
             bool color)
      : command_(command),
        selection_(selection),
        since_ns_(since_ns),
        until_ns_(until_ns),
        style_{.utc = command.utc, .color = color, .netns = nullptr} {}

  // False when nobody reads standard output any more.
  bool print(const LogRecord& record, const LogReader& reader) {
    clock_ = reader.clock();
    line_ = reader.line();
    style_.netns = &reader.netns_names();
    if (const auto* event = std::get_if<Event>(&record.body))
      this->event(*event);
    else if (const auto* header = std::get_if<LogHeader>(&record.body))
      this->header(*header);
    else if (const auto* loss = std::get_if<LogLoss>(&record.body))
      notice(loss->time_ns, [&] { sink::append_loss_line(output_.buffer(), *loss, clock_, style_); });
    else if (const auto* audit = std::get_if<LogAudit>(&record.body))
      this->audit(*audit);
    else if (const auto* step = std::get_if<LogClock>(&record.body))
      notice(step->time_ns, [&] { sink::append_clock_line(output_.buffer(), *step, clock_, style_); });
    if (const std::optional<uint64_t> time_ns = time_of(record)) {
      std::tie(last_ns_, last_clock_) = std::tuple(*time_ns, clock_);
      has_ended_ = std::holds_alternative<LogTrailer>(record.body);
    }
    return output_.buffer().size() < kBatch || flush();
  }

  // The end of the recording.
  void finish() {
    if (has_ended_ && !command_.json) ended("ended");
  }

  bool flush() {
    Result<bool> flushed = output_.flush();
    if (!flushed) failure_ = std::move(flushed.error());
    return flushed && *flushed;
  }

  [[nodiscard]] uint64_t events() const { return events_; }
  [[nodiscard]] std::optional<Error>& failure() { return failure_; }

 private:
  void event(const Event& event) {
    if (!wants(event.kind) || !selection_.tells(event)) return;
    ++events_;
    if (command_.json) return raw();
    date(event.time_ns);
    sink::append_event_line(output_.buffer(), event, clock_, style_);
  }

  [[nodiscard]] bool wants(EventKind kind) const {
    return command_.events.empty() || std::ranges::find(command_.events, kind) != command_.events.end();
  }

  // A file that goes on with the same run is not worth a word.
  void header(const LogHeader& header) {
    if (command_.json) return raw();
    const bool goes_on = header.session == session_;
    const WallClock now = clock_;
    // What has no end in the window may have had one behind it.
    const bool is_in_window = until_ns_ == 0 || header.realtime_ns <= until_ns_;
    if (!goes_on && has_ended_) ended("ended");
    if (!goes_on && !has_ended_ && last_ns_ != 0 && is_in_window)
      ended("was heard of last: it was killed, or the power failed");
    clock_ = now;
    has_ended_ = false;
    last_ns_ = 0;
    if (goes_on) return;
    session_ = header.session;
    const bool rebooted = header.host_id == host_ && header.boot_id != boot_;
    host_ = header.host_id;
    boot_ = header.boot_id;
    notice(header.boottime_ns, [&] {
      std::string text = fmt::format("began on {}, Linux {}", header.host_name, header.kernel);
      if (rebooted) text += ", after a reboot";
      if (!header.filter.empty()) text += ", only " + header.filter;
      append_missing(text, header);
      sink::append_notice_line(output_.buffer(), header.boottime_ns, "RECORDER", text, clock_, style_);
    });
  }

  static void append_missing(std::string& text, const LogHeader& header) {
    const char* separator = "; off: ";
    for (const auto& [name, status] : header.probes)
      if (status != "ok")
        text += fmt::format("{}{} ({})", std::exchange(separator, ", "), name,
                            status.empty() ? "not tried" : status);
  }

  // That there was nothing to mend is not worth a line.
  void audit(const LogAudit& audit) {
    const uint64_t found = audit.missing + audit.ghosts + audit.wrong_state + audit.wrong_owner;
    if (found == 0 && !command_.json) return;
    notice(audit.time_ns, [&] {
      sink::append_notice_line(
          output_.buffer(), audit.time_ns, "AUDIT",
          fmt::format("({}) of {} sockets: {} missing, {} ghosts, {} in another state, {} with "
                      "another owner; mended",
                      audit.reason, audit.sockets, audit.missing, audit.ghosts, audit.wrong_state,
                      audit.wrong_owner),
          clock_, style_);
    });
  }

  void ended(std::string_view how) {
    clock_ = last_clock_;
    notice(last_ns_,
           [&] { sink::append_notice_line(output_.buffer(), last_ns_, "RECORDER", how, clock_, style_); });
  }

  template <typename Append>
  void notice(uint64_t time_ns, Append&& append) {
    const uint64_t wall_ns = clock_.realtime_ns(time_ns);
    if (wall_ns < since_ns_ || (until_ns_ != 0 && wall_ns > until_ns_)) return;
    if (command_.json) return raw();
    if (command_.quiet) return;
    date(time_ns);
    append();
  }

  void raw() {
    output_.buffer() += line_;
    output_.buffer() += '\n';
  }

  // Lines have a time of day only.
  void date(uint64_t time_ns) {
    std::string date = format_date(clock_.realtime_ns(time_ns), style_.utc);
    if (date == date_) return;
    date_ = std::move(date);
    if (!command_.quiet) output_.buffer() += "-- " + date_ + " --\n";
  }

  const LogCommand& command_;
  const Selection& selection_;
  uint64_t since_ns_;
  uint64_t until_ns_;
  sink::LineStyle style_;
  WallClock clock_;
  std::string_view line_;
  std::string date_;
  std::string session_;
  std::string host_;
  std::string boot_;
  uint64_t last_ns_ = 0;  // of the last record of this file; and:
  WallClock last_clock_;
  bool has_ended_ = false;
  uint64_t events_ = 0;
  Output output_;
  std::optional<Error> failure_;
};

// Until a record is in the log for sure, on a host that is not overloaded.
constexpr uint64_t kLatest_ns = 2'000'000'000;

uint64_t wall_time_ns() {
  return sys::measure_wall_clock().realtime_ns(sys::boottime_ns());
}

void say(std::string_view message) {
  print_message("log", message);
}

Result<int> print_log(const LogCommand& command, const Selection& selection, bool color) {
  Result<source::Recording> recording = source::Recording::open(command.from);
  if (!recording) return std::move(recording.error());
  uint64_t since_ns = 0;
  uint64_t until_ns = 0;
  for (const auto& [option, text, moment] :
       {std::tuple{"--since", &command.since, &since_ns}, std::tuple{"--until", &command.until, &until_ns}}) {
    if (text->empty()) continue;
    Result<uint64_t> parsed = moment_in(*recording, *text, command.utc);
    if (!parsed) return std::move(parsed.error()).within(option);
    *moment = std::max<uint64_t>(*parsed, 1);  // 0 is no limit
  }
  if (until_ns != 0 && since_ns > until_ns)
    return Error{"log: --since is later than --until: there is nothing between", ErrorKind::usage};

  LogPrinter printer(command, selection, since_ns, until_ns, color);
  source::Recording::Damage damage;
  const auto wait = [&] {
    constexpr timespec kInterval = {0, 200'000'000};
    if (!printer.flush()) return false;
    for (const std::string& message : std::exchange(damage.messages, {})) say(message);
    if (until_ns != 0 && wall_time_ns() > until_ns + kLatest_ns) return false;
    nanosleep(&kInterval, nullptr);
    return true;
  };
  Result<void> read = recording->read(
      since_ns, until_ns, damage,
      [&](LogRecord&& record, const LogReader& reader) { return printer.print(record, reader); },
      command.follow ? std::function<bool()>(wait) : nullptr);
  printer.finish();
  printer.flush();
  for (const std::string& message : damage.messages) say(message);
  if (!read) return std::move(read.error());
  if (printer.failure()) return std::move(*printer.failure());
  if (damage.found) return kDamaged;
  return printer.events() > 0 ? kOk : kNothingFound;
}

}  // namespace

Result<int> run_log_command(const std::vector<std::string>& words) {
  sys::ignore_failed_writes();
  Result<LogCommand> command = parse_log_options(words);
  if (!command) return std::move(command.error());
  if (command->selection.help) return print_text(log_help());
  if (command->selection.version) return print_text(version_text());
  Result<Selection> selection = Selection::from(command->selection);
  if (!selection) return std::move(selection.error());
  const Result<sys::ColorMode> mode = sys::parse_color_mode(command->color);
  if (!mode) return Error(mode.error());
  const bool color = sys::use_color(*mode, sys::color_inputs(STDOUT_FILENO));
  if (!command->diff.empty()) return print_diff(*command, *selection, color, say);
  return print_log(*command, *selection, color);
}

}  // namespace socktrace::cli
