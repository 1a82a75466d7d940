#pragma once

#include <cstdlib>

namespace socktrace::test {

// How often a random test goes round: a few times, or as often as the variable of the environment says.
inline int rounds(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoi(text) : otherwise;
}

}  // namespace socktrace::test
