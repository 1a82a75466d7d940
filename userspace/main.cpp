#include <cstdio>
#include <string>
#include <vector>

#include "cli/command.h"

// The only place that prints an error and chooses the exit code.
int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const socktrace::Result<int> status = socktrace::cli::run(words);
  if (status) return *status;
  std::fprintf(stderr, "socktrace: %s\n", status.error().message.c_str());
  return socktrace::cli::exit_code(status.error().kind);
}
