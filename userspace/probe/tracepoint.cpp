#include "probe/tracepoint.h"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

namespace socktrace::probe {
namespace {

constexpr char kPrefix[] = "tracepoint/";

sys::UniqueFd open_directory(const char* path) {
  return sys::UniqueFd(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

// A mount of tracefs that is nowhere in the file tree and ends with its descriptor (5.2): containers and
// minimal hosts have the file system but have not mounted it, and a tracer should not change that.
sys::UniqueFd private_mount() {
  const sys::UniqueFd context(static_cast<int>(syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC)));
  if (!context || syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return {};
  return sys::UniqueFd(static_cast<int>(syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
}

// Where there is none, errno tells whether it is closed to us (EACCES) or not to be had (ENOENT).
sys::UniqueFd open_tracefs() {
  int error = ENOENT;
  for (const char* path : {"/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"}) {
    if (sys::UniqueFd directory = open_directory(path)) return directory;
    if (errno == EACCES) error = EACCES;
  }
  if (const sys::UniqueFd mount = private_mount())
    if (sys::UniqueFd directory{openat(mount.get(), "events", O_PATH | O_DIRECTORY | O_CLOEXEC)})
      return directory;
  errno = error;
  return {};
}

}  // namespace

int Tracefs::id(const char* tracepoint) {
  if (!directory_) directory_ = open_tracefs();
  if (!directory_) return -1;
  const std::string path = std::string(tracepoint) + "/id";
  const sys::UniqueFd file(openat(directory_.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return -1;
  char text[16] = "";
  if (read(file.get(), text, sizeof text - 1) <= 0) return -1;
  return std::atoi(text);
}

bpf_link* attach_tracepoint(Tracefs& tracefs, bpf_program* program) {
  const char* section = bpf_program__section_name(program);
  const int id = tracefs.id(section + std::strlen(kPrefix));
  if (id < 0) return nullptr;
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.config = static_cast<__u64>(id);
  // pid -1, cpu 0: with a BPF program the tracepoint runs it on every CPU, whatever the event's own CPU is.
  const int event =
      static_cast<int>(syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC));
  if (event < 0) return nullptr;
  bpf_link* link = bpf_program__attach_perf_event(program, event);  // owns the event from here on
  if (link == nullptr) {
    const int code = errno;
    close(event);
    errno = code;
  }
  return link;
}

}  // namespace socktrace::probe
