#pragma once

#include "core/result.h"

namespace socktrace::cli {

// What socktrace's exit status means; a contract that scripts rely on.
enum ExitCode : int {
  kOk = 0,
  kNothingFound = 1,  // nothing matched, or `exposed` has findings
  kUsage = 2,
  kPrivilege = 3,
  kUnavailable = 4,  // the host lacks what tracing, or the question, needs
  kDamaged = 5,      // damaged input; what was readable has been printed
  kLost = 6,         // --strict and events were lost
};

constexpr ExitCode exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return kUsage;
    case ErrorKind::privilege:
      return kPrivilege;
    case ErrorKind::unavailable:
      return kUnavailable;
    case ErrorKind::damaged:
      return kDamaged;
    case ErrorKind::general:
      break;
  }
  return kNothingFound;
}

}  // namespace socktrace::cli
