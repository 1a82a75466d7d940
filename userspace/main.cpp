#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/message.h"

namespace {

// Whoever starts us with a standard descriptor closed must not make us write our lines into whatever is opened in its place.
void open_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0) (void)!::open("/dev/null", O_RDWR);
}

}  // namespace

// The only place that prints an error and chooses the exit code.
int main(int argc, char** argv) {
  open_standard_descriptors();
  const std::vector<std::string> words(argv + 1, argv + argc);
  const socktrace::Result<int> status = socktrace::cli::run(words);
  if (status) return *status;
  socktrace::cli::print_message("", status.error().message);
  return socktrace::cli::exit_code(status.error().kind);
}
