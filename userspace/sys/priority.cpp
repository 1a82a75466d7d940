#include "sys/priority.h"

#include <sched.h>
#include <sys/resource.h>

namespace socktrace::sys {

void go_before_others() {
  constexpr int kBefore = -4;
  if (sched_getscheduler(0) != SCHED_OTHER || getpriority(PRIO_PROCESS, 0) != 0) return;
  (void)setpriority(PRIO_PROCESS, 0, kBefore);
}

void let_others_go_first() {
  constexpr int kAfter = 5;
  if (getpriority(PRIO_PROCESS, 0) < kAfter) (void)setpriority(PRIO_PROCESS, 0, kAfter);
}

}  // namespace socktrace::sys
