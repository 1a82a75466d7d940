#include "core/time.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <optional>

namespace socktrace {
namespace {

constexpr uint64_t kMicrosecond = 1'000;
constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMinute = 60 * kSecond;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kDay = 24 * kHour;

struct Date {
  uint32_t year;
  uint32_t month;
  uint32_t day;
};

// Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that the leap
// day is the last of its year.
Date date_of(uint64_t days) {
  const uint64_t since_era = days + 719'468;  // from 0000-03-01
  const uint64_t era = since_era / 146'097;   // 400 years
  const uint64_t day_of_era = since_era % 146'097;
  const uint64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const uint64_t shifted_month = (5 * day_of_year + 2) / 153;
  const uint64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {static_cast<uint32_t>(year_of_era + era * 400 + (month <= 2 ? 1 : 0)), static_cast<uint32_t>(month),
          static_cast<uint32_t>(day_of_year - (153 * shifted_month + 2) / 5 + 1)};
}

constexpr bool is_leap(uint32_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

// The inverse of date_of, for dates that exist.
uint64_t days_until(const Date& date) {
  const uint32_t shifted_month = date.month > 2 ? date.month - 3 : date.month + 9;
  const uint32_t year = date.month > 2 ? date.year : date.year - 1;  // begins in March
  const uint64_t era = year / 400;
  const uint64_t year_of_era = year % 400;
  const uint64_t day_of_year = (153 * shifted_month + 2) / 5 + date.day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
}

bool exists(const Date& date) {
  constexpr std::array<uint8_t, 12> kDays = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (date.year < 1970 || date.year > 2261 || date.month < 1 || date.month > 12) return false;
  return date.day >= 1 && date.day <= kDays[date.month - 1] &&
         (date.month != 2 || date.day < 29 || is_leap(date.year));
}

// Takes `width` digits from the front of `text`.
bool take_digits(std::string_view& text, size_t width, uint32_t& value) {
  if (text.size() < width) return false;
  value = 0;
  for (const char c : text.substr(0, width)) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<uint32_t>(c - '0');
  }
  text.remove_prefix(width);
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// ".123456" or nothing, in nanoseconds.
bool take_fraction(std::string_view& text, uint32_t& ns) {
  ns = 0;
  if (!take(text, '.')) return true;
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || digits > 9 || !take_digits(text, digits, ns)) return false;
  for (size_t i = digits; i < 9; ++i) ns *= 10;
  return true;
}

// "Z", "+02:00" or "-00:30", in minutes east of UTC.
bool take_zone(std::string_view& text, int64_t& minutes_east) {
  minutes_east = 0;
  if (take(text, 'Z')) return true;
  const bool east = take(text, '+');
  if (!east && !take(text, '-')) return false;
  uint32_t hours = 0;
  uint32_t minutes = 0;
  if (!take_digits(text, 2, hours) || !take(text, ':') || !take_digits(text, 2, minutes)) return false;
  minutes_east = (east ? 1 : -1) * static_cast<int64_t>(hours * 60 + minutes);
  return hours < 24 && minutes < 60;
}

void put_digits(char* out, uint64_t value, int width) {
  for (int i = width - 1; i >= 0; --i, value /= 10) out[i] = static_cast<char>('0' + value % 10);
}

// "HH:MM:SS.ffffff" of a time of day
void put_clock(char* out, uint64_t of_day_ns) {
  put_digits(out, of_day_ns / kHour, 2);
  out[2] = ':';
  put_digits(out + 3, of_day_ns / kMinute % 60, 2);
  out[5] = ':';
  put_digits(out + 6, of_day_ns / kSecond % 60, 2);
  out[8] = '.';
  put_digits(out + 9, of_day_ns / kMicrosecond % 1'000'000, 6);
}

void put_date(char* out, uint64_t days) {
  const Date date = date_of(days);
  put_digits(out, date.year, 4);
  out[4] = '-';
  put_digits(out + 5, date.month, 2);
  out[7] = '-';
  put_digits(out + 8, date.day, 2);
}

// Shifted so that UTC arithmetic gives local time. The offset changes at full minutes only: it is asked for once in each.
uint64_t in_zone(uint64_t realtime_ns, bool utc) {
  thread_local uint64_t known_minute = UINT64_MAX;
  thread_local long known_zone = 0;
  thread_local uint64_t offset_ns = 0;
  if (utc) return realtime_ns;
  if (realtime_ns / kMinute != known_minute || known_zone != timezone) {
    const auto seconds = static_cast<time_t>(realtime_ns / kSecond);
    tm local{};
    if (localtime_r(&seconds, &local) == nullptr) return realtime_ns;
    known_minute = realtime_ns / kMinute;
    known_zone = timezone;
    offset_ns = static_cast<uint64_t>(local.tm_gmtoff) * kSecond;
  }
  return realtime_ns + offset_ns;
}

struct Unit {
  std::string_view name;
  uint64_t ns;
};

constexpr std::array<Unit, 6> kUnits = {{
    {"d", kDay},
    {"h", kHour},
    {"m", kMinute},
    {"s", kSecond},
    {"ms", kMillisecond},
    {"us", kMicrosecond},
}};

Error bad_duration(std::string_view text) {
  return {fmt::format("'{}' is not a duration; write it like 500ms, 10s, 5m or 1h30m", text),
          ErrorKind::usage};
}

std::string with_tenth(uint64_t value, uint64_t unit, const char* name) {
  return fmt::format("{}.{}{}", value / unit, value % unit / (unit / 10), name);
}

std::string two_units(uint64_t value, uint64_t unit, const char* name, uint64_t smaller,
                      const char* smaller_name) {
  const uint64_t rest = value % unit / smaller;
  if (rest == 0) return fmt::format("{}{}", value / unit, name);
  return fmt::format("{}{}{}{}", value / unit, name, rest, smaller_name);
}

// A date and a time of day in words of their own.
struct Written {
  std::optional<Date> date;
  bool has_clock = false;
  uint32_t hour = 0;
  uint32_t minute = 0;
  uint32_t second = 0;
  uint32_t fraction_ns = 0;
};

bool take_clock(std::string_view& text, Written& written) {
  if (!take_digits(text, 2, written.hour) || !take(text, ':') || !take_digits(text, 2, written.minute))
    return false;
  if (take(text, ':') && (!take_digits(text, 2, written.second) || !take_fraction(text, written.fraction_ns)))
    return false;
  written.has_clock = true;
  return written.hour < 24 && written.minute < 60 && written.second < 60;
}

std::optional<Written> parse_written(std::string_view text) {
  Written written;
  if (text.size() >= 5 && text[4] == '-') {
    Date date{};
    if (!take_digits(text, 4, date.year) || !take(text, '-') || !take_digits(text, 2, date.month) ||
        !take(text, '-') || !take_digits(text, 2, date.day) || !exists(date))
      return std::nullopt;
    written.date = date;
    if (text.empty()) return written;
    if (!take(text, ' ') && !take(text, 'T')) return std::nullopt;
  }
  if (!take_clock(text, written) || !text.empty()) return std::nullopt;
  return written;
}

// With summer time, without it (1, 0), or as the C library chooses (-1).
tm local_time(const Date& date, const Written& written, int is_dst) {
  tm local{};
  local.tm_year = static_cast<int>(date.year) - 1900;
  local.tm_mon = static_cast<int>(date.month) - 1;
  local.tm_mday = static_cast<int>(date.day);
  local.tm_hour = static_cast<int>(written.hour);
  local.tm_min = static_cast<int>(written.minute);
  local.tm_sec = static_cast<int>(written.second);
  local.tm_isdst = is_dst;
  return local;
}

// Of a date and time of day in UTC or in the zone of the process. A time that comes twice, when summer time ends, is the last
// that is not after `latest_ns`, else the first.
uint64_t wall_time(const Date& date, const Written& written, bool utc, uint64_t latest_ns) {
  const uint64_t of_day_s = written.hour * 3600 + written.minute * 60 + written.second;
  if (utc) return days_until(date) * kDay + of_day_s * kSecond + written.fraction_ns;
  const auto in_ns = [&](tm& local) {
    return static_cast<uint64_t>(std::max<time_t>(mktime(&local), 0)) * kSecond + written.fraction_ns;
  };
  std::optional<uint64_t> found;
  for (const int is_dst : {1, 0}) {
    tm local = local_time(date, written, is_dst);
    const uint64_t time_ns = in_ns(local);
    const bool comes = local.tm_isdst == is_dst && local.tm_hour == static_cast<int>(written.hour);
    if (comes && (!found || time_ns <= latest_ns)) found = time_ns;
  }
  if (found) return *found;
  tm local = local_time(date, written, -1);  // skipped, when summer time begins
  return in_ns(local);
}

// `days` before the day of `at_ns`.
Date day_before(uint64_t at_ns, uint64_t days, bool utc) {
  return date_of(in_zone(at_ns, utc) / kDay - days);
}

Error bad_moment(std::string_view text) {
  return {fmt::format("'{}' is not a time; write 03:12:07, '2026-09-20 03:12', yesterday, -15m or @SECONDS",
                      text),
          ErrorKind::usage};
}

// "-15m", "+5s"
std::optional<uint64_t> parse_relative(std::string_view text, uint64_t now_ns) {
  const bool back = text.front() == '-';
  if (!back && text.front() != '+') return std::nullopt;
  const Result<uint64_t> distance = parse_duration(text.substr(1));
  if (!distance || (back && *distance > now_ns)) return std::nullopt;
  return back ? now_ns - *distance : now_ns + *distance;
}

// "1789873200" with up to nine digits of fraction
std::optional<uint64_t> parse_epoch(std::string_view text) {
  uint64_t seconds = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr uint64_t kLast = UINT64_MAX / kSecond - 1;
  if (failure != std::errc{} || seconds > kLast) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  uint32_t fraction_ns = 0;
  if (!take_fraction(text, fraction_ns) || !text.empty()) return std::nullopt;
  return seconds * kSecond + fraction_ns;
}

}  // namespace

void append_rfc3339(std::string& out, uint64_t realtime_ns) {
  std::array<char, 27> text;
  put_date(text.data(), realtime_ns / kDay);
  text[10] = 'T';
  put_clock(text.data() + 11, realtime_ns % kDay);
  text[26] = 'Z';
  out.append(text.data(), text.size());
}

std::string format_rfc3339(uint64_t realtime_ns) {
  std::string text;
  append_rfc3339(text, realtime_ns);
  return text;
}

std::string format_clock(uint64_t realtime_ns, bool utc) {
  std::string text(15, '\0');
  put_clock(text.data(), in_zone(realtime_ns, utc) % kDay);
  return text;
}

std::string format_date(uint64_t realtime_ns, bool utc) {
  std::string text(10, '\0');
  put_date(text.data(), in_zone(realtime_ns, utc) / kDay);
  return text;
}

std::string format_duration(uint64_t duration_ns) {
  if (duration_ns < kMicrosecond) return "0s";
  if (duration_ns < kMillisecond) return std::to_string(duration_ns / kMicrosecond) + "us";
  if (duration_ns < 10 * kMillisecond) return with_tenth(duration_ns, kMillisecond, "ms");
  if (duration_ns < kSecond) return std::to_string(duration_ns / kMillisecond) + "ms";
  if (duration_ns < kMinute) return with_tenth(duration_ns, kSecond, "s");
  if (duration_ns < kHour) return two_units(duration_ns, kMinute, "m", kSecond, "s");
  if (duration_ns < kDay) return two_units(duration_ns, kHour, "h", kMinute, "m");
  return two_units(duration_ns, kDay, "d", kHour, "h");
}

Result<uint64_t> parse_duration(std::string_view text) {
  uint64_t total = 0;
  uint64_t previous_unit = UINT64_MAX;
  std::string_view rest = text;
  if (rest.empty()) return bad_duration(text);
  while (!rest.empty()) {
    uint64_t number = 0;
    const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (failure != std::errc{}) return bad_duration(text);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    const std::string_view name = rest.substr(0, rest.find_first_of("0123456789"));
    rest.remove_prefix(name.size());
    uint64_t unit_ns = 0;
    for (const Unit& unit : kUnits)
      if (unit.name == name) unit_ns = unit.ns;
    uint64_t part = 0;
    if (unit_ns == 0 || unit_ns >= previous_unit) return bad_duration(text);
    if (__builtin_mul_overflow(number, unit_ns, &part) || __builtin_add_overflow(total, part, &total))
      return bad_duration(text);
    previous_unit = unit_ns;
  }
  return total;
}

Result<uint64_t> parse_rfc3339(std::string_view text) {
  std::string_view rest = text;
  Date date{};
  uint32_t hour = 0;
  uint32_t minute = 0;
  uint32_t second = 0;
  uint32_t fraction_ns = 0;
  int64_t minutes_east = 0;
  const bool well_formed =
      take_digits(rest, 4, date.year) && take(rest, '-') && take_digits(rest, 2, date.month) &&
      take(rest, '-') && take_digits(rest, 2, date.day) && take(rest, 'T') && take_digits(rest, 2, hour) &&
      take(rest, ':') && take_digits(rest, 2, minute) && take(rest, ':') && take_digits(rest, 2, second) &&
      take_fraction(rest, fraction_ns) && take_zone(rest, minutes_east) && rest.empty();
  if (well_formed && exists(date) && hour < 24 && minute < 60 && second < 60) {
    const int64_t minutes = static_cast<int64_t>(days_until(date) * 1440 + hour * 60 + minute) - minutes_east;
    if (minutes >= 0) return static_cast<uint64_t>(minutes) * kMinute + second * kSecond + fraction_ns;
  }
  return Error{fmt::format("'{}' is not a time; write it like 2026-09-20T03:12:07Z", text), ErrorKind::usage};
}

Result<uint64_t> parse_moment(std::string_view text, const MomentBase& base) {
  if (text.empty()) return bad_moment(text);
  if (text == "now") return base.now_ns;
  if (text == "today") return wall_time(day_before(base.now_ns, 0, base.utc), {}, base.utc, base.latest_ns);
  if (text == "yesterday")
    return wall_time(day_before(base.now_ns, 1, base.utc), {}, base.utc, base.latest_ns);
  std::optional<uint64_t> moment = parse_relative(text, base.now_ns);
  if (!moment && text.front() == '@') moment = parse_epoch(text.substr(1));
  if (moment) return *moment;
  if (const Result<uint64_t> exact = parse_rfc3339(text)) return *exact;

  bool utc = base.utc;
  std::string_view words = text;
  if (words.ends_with(" UTC")) {
    utc = true;
    words.remove_suffix(4);
  }
  const std::optional<Written> written = parse_written(words);
  if (!written) return bad_moment(text);
  if (written->date) return wall_time(*written->date, *written, utc, base.latest_ns);
  const uint64_t that_day = wall_time(day_before(base.latest_ns, 0, utc), *written, utc, base.latest_ns);
  if (that_day <= base.latest_ns) return that_day;
  return wall_time(day_before(base.latest_ns, 1, utc), *written, utc, base.latest_ns);
}

}  // namespace socktrace
