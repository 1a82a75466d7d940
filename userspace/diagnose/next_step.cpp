#include "diagnose/next_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace socktrace::diagnose {
namespace {

// A word of a POSIX shell: as it is when harmless, else in single quotes.
std::string shell_word(const std::string& text) {
  const bool harmless =
      !text.empty() && text.front() != '-' && std::ranges::all_of(text, [](unsigned char c) {
        return std::isalnum(c) || c == '.' || c == '_' || c == '-' || c == '@' || c == ':';
      });
  if (harmless) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// The owner to speak of: one that still lives, if any does.
const Process* owner_of(const Socket& socket) {
  const Process* last = nullptr;
  for (const Owner& owner : socket.owners) {
    if (!owner.process) continue;
    if (!owner.exited) return owner.process.get();
    last = owner.process.get();
  }
  return last;
}

bool is_alive(const Socket& socket) {
  return std::ranges::any_of(socket.owners,
                             [](const Owner& owner) { return owner.process && !owner.exited; });
}

// A login session's scope says nothing about the program in it.
bool is_service_manager_unit(const std::string& unit) {
  return !unit.empty() && !(unit.starts_with("session-") && unit.ends_with(".scope")) &&
         !unit.ends_with(".slice") && unit != "init.scope";
}

// /user.slice/user-1000.slice/user@1000.service/app.slice/foo.service: run by the user's own manager.
bool is_user_unit(const Process& process) {
  return process.cgroup.find("/user@") != std::string::npos && !process.unit.starts_with("user@");
}

bool is_docker_proxy(const Process& process) {
  return process.name == "docker-proxy" || process.name.starts_with("rootlesskit");
}

}  // namespace

std::string next_step(const Socket& socket) {
  const Process* process = owner_of(socket);
  const uint16_t port = socket.local.port;
  if (!process || !is_alive(socket)) {
    if (!process && socket.no_owner == NoOwner::permission)
      return fmt::format("sudo socktrace why :{}", port);
    if (!process && socket.no_owner == NoOwner::kernel) return "rpcinfo -p";
    return fmt::format("socktrace why :{}", port);
  }
  if (is_docker_proxy(*process)) return fmt::format("docker ps --filter publish={}", port);
  if (process->name == "rootlessport") return "podman port --all";
  if (process->pid == 1) return "systemctl list-sockets --all";
  if (!process->container.empty()) return "docker ps --filter id=" + shell_word(process->container);
  if (is_service_manager_unit(process->unit))
    return fmt::format("systemctl {}status {}", is_user_unit(*process) ? "--user " : "",
                       shell_word(process->unit));
  return fmt::format("ps -fp {}", process->pid);
}

std::string on_behalf_of(const Socket& socket) {
  const Process* process = owner_of(socket);
  if (!process) return "";
  if (process->pid == 1) return "systemd, for a socket unit";
  if (is_docker_proxy(*process) || process->name == "rootlessport")
    return process->name + ", for a container";
  return "";
}

}  // namespace socktrace::diagnose
