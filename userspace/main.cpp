#include <fcntl.h>
#include <unistd.h>

#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/message.h"

namespace {

// Whoever starts us with a standard descriptor closed must not make us write our lines into whatever is opened in its place.
void open_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0) (void)!::open("/dev/null", O_RDWR);
}

// There is nothing left to work with: what is to be said is ready-made. The kernel detaches our programs when we are gone,
// and the log ends with a whole line or one that readers skip.
[[noreturn]] void out_of_memory() {
  constexpr std::string_view kMessage =
      "socktrace: out of memory: raise the limit (ulimit -v, MemoryMax=) or trace less (-l, a filter)\n";
  (void)!::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  ::_exit(1);
}

}  // namespace

// The only place that prints an error and chooses the exit code.
int main(int argc, char** argv) {
  std::set_new_handler(out_of_memory);
  open_standard_descriptors();
  const std::vector<std::string> words(argv + 1, argv + argc);
  const socktrace::Result<int> status = socktrace::cli::run(words);
  if (status) return *status;
  socktrace::cli::print_message("", status.error().message);
  return socktrace::cli::exit_code(status.error().kind);
}
