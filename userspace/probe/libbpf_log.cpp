#include "probe/libbpf_log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace socktrace::probe {
namespace {

// libbpf has one print function per process and no context argument.
thread_local LibbpfLog* active = nullptr;

int print(libbpf_print_level level, const char* format, va_list arguments) {
  if (level > LIBBPF_WARN || active == nullptr) return 0;
  va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (length <= 0) return 0;
  std::string line(static_cast<size_t>(length) + 1, '\0');
  std::vsnprintf(line.data(), line.size(), format, arguments);
  line.pop_back();
  active->append(line);
  return length;
}

constexpr std::string_view kProgram = "prog '";

// Verifier statistics and libbpf's own framing, which say nothing about the cause.
bool is_noise(std::string_view line) {
  for (std::string_view prefix : {"processed ", "-- ", "verification time", "stack depth"})
    if (line.substr(0, prefix.size()) == prefix) return true;
  return line.find("failed to load") != line.npos || line.find("BPF program load failed") != line.npos ||
         line.find("failed to prepare load attributes") != line.npos || line.empty();
}

}  // namespace

LibbpfLog::LibbpfLog() {
  active = this;
  libbpf_set_print(print);
}

LibbpfLog::~LibbpfLog() {
  active = nullptr;
}

std::string LibbpfLog::failed_program() const {
  const size_t begin = text_.rfind(kProgram);
  if (begin == text_.npos) return "";
  const size_t name = begin + kProgram.size();
  return text_.substr(name, text_.find('\'', name) - name);
}

int LibbpfLog::refused_helper() const {
  // 5.10: "unknown func NAME#46", "invalid func unknown#158"; later "program of this type cannot use helper
  // NAME#46".
  for (const std::string_view phrase : {"unknown func ", "invalid func ", "cannot use helper "}) {
    const size_t begin = text_.rfind(phrase);
    if (begin == text_.npos) continue;
    const std::string line = text_.substr(begin, text_.find('\n', begin) - begin);
    if (const size_t number = line.find('#'); number != line.npos)
      return std::atoi(line.c_str() + number + 1);
  }
  return 0;
}

std::string LibbpfLog::reason() const {
  std::string_view rest = text_;
  std::string_view best;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    if (!is_noise(line)) best = line;
    rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
  }
  if (best.substr(0, 8) == "libbpf: ") best.remove_prefix(8);
  return std::string(best);
}

}  // namespace socktrace::probe
