#include "cli/message.h"

#include <cstdio>
#include <string>

#include "core/escape.h"

namespace socktrace::cli {

void print_message(std::string_view command, std::string_view text) {
  std::string line = "socktrace: ";
  if (!command.empty()) line.append(command).append(": ");
  line += printable(text);
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace socktrace::cli
