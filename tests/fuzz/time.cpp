// Moments, durations and RFC 3339 times as people and logs write them.
#include "core/time.h"

#include "target.h"

using namespace socktrace;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  constexpr uint64_t kMicrosecond = 1000;
  if (const Result<uint64_t> time = parse_rfc3339(text)) {
    const Result<uint64_t> again = parse_rfc3339(format_rfc3339(*time));
    fuzz::require(again && *again == *time / kMicrosecond * kMicrosecond, "a time survives being written");
  }
  if (const Result<uint64_t> duration = parse_duration(text)) (void)format_duration(*duration);
  for (const bool utc : {true, false}) {
    const MomentBase base{1'789'873'927'123'456'789, 1'789'870'000'000'000'000, utc};
    if (const Result<uint64_t> moment = parse_moment(text, base)) {
      (void)format_clock(*moment, utc);
      (void)format_date(*moment, utc);
    }
  }
  return 0;
}
