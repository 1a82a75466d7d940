#include "sys/clock.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "sys/unique_fd.h"

namespace socktrace::sys {
namespace {

constexpr int64_t kSecond_ns = 1'000'000'000;

uint64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond_ns + static_cast<uint64_t>(now.tv_nsec);
}

// "monotonic           0         0\nboottime       100000         0\n": seconds and nanoseconds
int64_t read_shift() {
  const UniqueFd fd(open("/proc/self/timens_offsets", O_RDONLY | O_CLOEXEC));
  std::array<char, 256> text{};
  if (!fd || read(fd.get(), text.data(), text.size() - 1) <= 0) return 0;
  const char* line = std::strstr(text.data(), "boottime");
  long long seconds = 0;
  long long nanoseconds = 0;
  if (line == nullptr || std::sscanf(line, "boottime %lld %lld", &seconds, &nanoseconds) != 2) return 0;
  return seconds * kSecond_ns + nanoseconds;
}

}  // namespace

uint64_t process_cpu_ns() {
  return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t boottime_shift_ns() {
  static const int64_t shift = read_shift();  // a process cannot leave its time namespace without exec
  return shift;
}

uint64_t boottime_ns() {
  return read_clock(CLOCK_BOOTTIME) - static_cast<uint64_t>(boottime_shift_ns());
}

uint64_t timer_step_ns(uint64_t delay_ns) {
  constexpr uint64_t kSlots = 63;  // of a level of the wheel; the next level's are eight times as long
  timespec tick{};
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) != 0 || tick.tv_nsec <= 0) return 0;
  uint64_t step_ns = static_cast<uint64_t>(tick.tv_nsec);
  while (delay_ns >= kSlots * step_ns) step_ns *= 8;
  return step_ns;
}

uint64_t realtime_ns() {
  return read_clock(CLOCK_REALTIME);
}

WallClock measure_wall_clock() {
  // The wall clock is read between two readings of the other; the closest pair of several is the least
  // disturbed.
  WallClock best;
  uint64_t best_gap = UINT64_MAX;
  for (int i = 0; i < 5; ++i) {
    const uint64_t before = boottime_ns();
    const uint64_t wall = realtime_ns();
    const uint64_t gap = boottime_ns() - before;
    if (gap >= best_gap) continue;
    best_gap = gap;
    best.offset_ns = static_cast<int64_t>(wall - (before + gap / 2));
  }
  return best;
}

}  // namespace socktrace::sys
