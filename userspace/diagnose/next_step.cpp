#include "diagnose/next_step.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace socktrace::diagnose {
namespace {

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

bool is_systemd(const Process& process) {
  return process.name == "systemd";
}

// Programs that listen on the host for containers of docker or podman. The kernel cuts names to 15 bytes.
struct Proxy {
  std::string_view name;
  bool is_docker;
};
constexpr std::array<Proxy, 5> kProxies = {{
    {"docker-proxy", true},
    {"rootlesskit", true},
    {"rootlessport", false},
    {"slirp4netns", false},
    {"pasta", false},
}};

const Proxy* proxy_of(const Process& process) {
  const auto found = std::ranges::find_if(
      kProxies, [&](const Proxy& proxy) { return process.name.starts_with(proxy.name); });
  return found == kProxies.end() ? nullptr : found;
}

}  // namespace

std::string shell_word(const std::string& text) {
  const bool harmless =
      !text.empty() && text.front() != '-' && std::ranges::all_of(text, [](unsigned char c) {
        return std::isalnum(c) || c == '.' || c == '_' || c == '-' || c == '@' || c == ':' || c == '/';
      });
  if (harmless) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string next_step(const Socket& socket) {
  const Process* process = owner_of(socket);
  const uint16_t port = socket.local.port;
  if (!process || !is_alive(socket)) {
    if (!process && socket.no_owner == NoOwner::permission)
      return fmt::format("sudo socktrace why :{}", port);
    // nfsd and its kin; or a tunnel: vxlan, wireguard, ...
    if (!process && socket.no_owner == NoOwner::kernel)
      return socket.protocol == IPPROTO_UDP ? "ip -details link show" : "rpcinfo -p";
    return fmt::format("socktrace why :{}", port);
  }
  if (const Proxy* proxy = proxy_of(*process))
    return proxy->is_docker ? fmt::format("docker ps --filter publish={}", port) : "podman port --all";
  if (is_systemd(*process))
    return fmt::format("systemctl {}list-sockets --all", process->pid == 1 ? "" : "--user ");
  if (!process->container.empty()) return "docker ps --filter id=" + shell_word(process->container);
  if (is_service_manager_unit(process->unit))
    return fmt::format("systemctl {}status {}", is_user_unit(*process) ? "--user " : "",
                       shell_word(process->unit));
  return fmt::format("ps -fp {}", process->pid);
}

std::string held_for(const Socket& socket) {
  const Process* process = owner_of(socket);
  if (!process) return "";
  if (is_systemd(*process)) return "a socket unit";
  return proxy_of(*process) ? "a container" : "";
}

}  // namespace socktrace::diagnose
