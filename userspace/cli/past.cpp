#include "cli/past.h"

#include <fmt/format.h>

#include "core/escape.h"
#include "core/time.h"
#include "sys/clock.h"

namespace socktrace::cli {

std::string date_and_clock(uint64_t realtime_ns, bool utc) {
  return format_date(realtime_ns, utc) + " " + format_clock(realtime_ns, utc);
}

Result<uint64_t> moment_in(source::Recording& recording, std::string_view text, bool utc) {
  const uint64_t now_ns = sys::measure_wall_clock().realtime_ns(sys::boottime_ns());
  const uint64_t ended_ns = recording.ended_ns();
  return parse_moment(text, {now_ns, ended_ns != 0 ? ended_ns : now_ns, utc});
}

Result<PastTable> table_of_past(const PastOptions& options, const Message& message) {
  Result<source::Recording> recording = source::Recording::open(options.from);
  if (!recording) return std::move(recording.error());
  return table_of_past(*recording, options, message);
}

Result<PastTable> table_of_past(source::Recording& recording, const PastOptions& options,
                                const Message& message) {
  std::optional<uint64_t> at_ns;
  if (!options.at.empty()) {
    Result<uint64_t> moment = moment_in(recording, options.at, options.utc);
    if (!moment) return std::move(moment.error()).within("--at");
    at_ns = *moment;
  }
  source::Recording::Damage damage;
  Result<LogReplay> replay = recording.table_at(at_ns, damage);
  if (!replay) return std::move(replay.error());
  for (const std::string& text : damage.messages) message(text);

  if (replay->last_ns() == 0) {
    const uint64_t began_ns = recording.files().front().began_ns;
    if (!at_ns || began_ns == 0)
      return Error{"nothing is recorded in " + options.from.front(),
                   damage.found ? ErrorKind::damaged : ErrorKind::general};
    return Error{fmt::format("nothing was recorded by {}: the log begins at {}",
                             date_and_clock(*at_ns, options.utc), date_and_clock(began_ns, options.utc))};
  }
  const std::string last = date_and_clock(replay->last_ns(), options.utc);
  const auto is_after_end = [&] { return recording.ended_ns() != 0 && *at_ns > recording.ended_ns(); };
  if (replay->has_ended() && at_ns)
    message(fmt::format("the recorder had stopped: the table is that of {}", last));
  else if (const uint64_t anew_ns = replay->broke_off_before_ns(); at_ns && anew_ns != 0)
    message(fmt::format(
        "the recorder had stopped without an end (killed, or no power) before it began anew at {}: "
        "the table is that of {}",
        date_and_clock(anew_ns, options.utc), last));
  else if (at_ns && is_after_end())
    message(fmt::format("the log ends before that: the table is that of {}", last));
  if (!replay->is_complete())
    message(
        "the log has no whole keyframe before that: only sockets with an event since its beginning are "
        "known");
  if (replay->lost() > 0)
    message(fmt::format("{} events were lost shortly before: rows may be missing or out of date",
                        replay->lost()));
  if (const std::string& filter = replay->header().filter; !filter.empty())
    message("only these sockets were recorded: " + escape(filter));
  return PastTable{std::move(*replay), damage.found};
}

}  // namespace socktrace::cli
