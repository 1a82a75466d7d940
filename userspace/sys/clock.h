#pragma once

#include <cstdint>

#include "core/time.h"

namespace socktrace::sys {

// CLOCK_BOOTTIME as the kernel and BPF programs see it: in a time namespace clock_gettime() is shifted while
// bpf_ktime_get_boot_ns() is not, and the shift is taken out again here.
uint64_t boottime_ns();

// CLOCK_REALTIME: nanoseconds since 1970 UTC.
uint64_t realtime_ns();

// CPU time that this process has used, all threads together.
uint64_t process_cpu_ns();

// By how much a timer of the kernel that is set `delay_ns` ahead may come late: the further away, the coarser the
// steps of its timer wheel (kernel/time/timer.c, 4.8). 2 s for one of 60 s at 250 ticks a second.
uint64_t timer_step_ns(uint64_t delay_ns);

// How far this process's view of CLOCK_BOOTTIME is ahead of the kernel's (/proc/self/timens_offsets, 5.6);
// 0 outside a time namespace. It also shifts the start times in /proc/PID/stat.
int64_t boottime_shift_ns();

// The present offset between the two, good to about a microsecond.
WallClock measure_wall_clock();

}  // namespace socktrace::sys
