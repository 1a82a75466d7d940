#include "cli/log_header.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <string_view>

#include "sys/clock.h"
#include "sys/file.h"

namespace socktrace::cli {
namespace {

// The first line of a small file; empty when it cannot be read.
std::string first_line(const char* path) {
  constexpr size_t kLimit = 256;
  Result<std::string> text = sys::read_file_at(-1, path, kLimit);
  if (!text) return "";
  return text->substr(0, text->find('\n'));
}

}  // namespace

LogHeader make_log_header(const std::string& filter, const std::vector<probe::Hook>& hooks) {
  LogHeader header;
  header.session = first_line("/proc/sys/kernel/random/uuid");
  header.host_id = first_line("/etc/machine-id");
  header.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  header.tool_version = SOCKTRACE_VERSION;
  utsname host{};
  if (::uname(&host) == 0) {
    header.host_name = host.nodename;
    header.kernel = host.release;
  }
  header.filter = filter;
  header.boottime_ns = sys::boottime_ns();
  header.realtime_ns = sys::measure_wall_clock().realtime_ns(header.boottime_ns);
  header.t0_ns = header.boottime_ns;
  for (const probe::Hook& hook : hooks)
    header.probes.emplace_back(hook.name, hook.attached ? "ok" : hook.error);
  return header;
}

}  // namespace socktrace::cli
