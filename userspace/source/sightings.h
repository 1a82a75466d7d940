#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/record.h"
#include "probe/tracer.h"
#include "sys/exercise.h"

namespace socktrace::source {

enum class Sight {
  seen,
  off,       // no hook that would show it is attached
  missed,    // one is attached, and did not
  untested,  // it did not happen, or records were lost meanwhile
};

// What became of one step of the exercise.
struct Sighting {
  std::string_view what;  // "listen", "failed bind"
  Sight sight = Sight::untested;
  bool vital = false;  // without it nothing can be traced
};

// Looks for an exercise's steps among the kernel's records, those of TCP connections only if they are told.
class Sightings {
 public:
  Sightings(const sys::Exercise& exercise, bool connections)
      : exercise_(exercise), connections_(connections) {}

  // Whether the record is about a socket of the exercise; then it is noted.
  bool note(const Record& record);
  [[nodiscard]] bool complete(const std::vector<probe::Hook>& hooks) const;
  [[nodiscard]] std::vector<Sighting> result(const std::vector<probe::Hook>& hooks) const;

 private:
  static constexpr size_t kStepCount = 9;
  [[nodiscard]] bool is_looked_for(size_t step, const std::vector<probe::Hook>& hooks) const;

  sys::Exercise exercise_;
  bool connections_;
  std::array<bool, kStepCount> seen_{};
};

// Every step of the exercise, untested: what a self-test that could not run has to show.
std::vector<Sighting> nothing_sighted();

}  // namespace socktrace::source
