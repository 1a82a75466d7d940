#pragma once

namespace socktrace::sys {

// Both are about the calling thread, and never fail: who may not is scheduled like everybody.

// Before others when all processors are busy, as far as auditd(8) goes (nice -4): events come as fast as those who have the
// processors make them. Not if another nice value or policy was chosen for us. Threads that are made afterwards go with it.
void go_before_others();

// After others: for what can wait.
void let_others_go_first();

}  // namespace socktrace::sys
