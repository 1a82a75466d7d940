#include "enrich/held_for.h"

#include "enrich/socket_units.h"

namespace socktrace::enrich {
namespace {

// The word after `option`, which docker-proxy has with one dash or two.
std::string_view option_value(std::string_view command, std::string_view option) {
  const size_t at = command.find(option);
  if (at == std::string_view::npos) return {};
  command.remove_prefix(at + option.size());
  command.remove_prefix(std::min(command.find_first_not_of(" ="), command.size()));
  return command.substr(0, command.find(' '));
}

std::string of_docker_proxy(std::string_view command) {
  const std::string_view address = option_value(command, "-container-ip");
  const std::string_view port = option_value(command, "-container-port");
  if (address.empty() || port.empty()) return {};
  const bool is_ipv6 = address.find(':') != std::string_view::npos;
  return (is_ipv6 ? "[" : "") + std::string(address) + (is_ipv6 ? "]:" : ":") + std::string(port) +
         ", in a container";
}

}  // namespace

std::string held_for(const Socket& socket, const Process& holder, std::string_view command,
                     const std::string& root) {
  if (holder.name == "docker-proxy") return of_docker_proxy(command);
  if (holder.pid != 1 || holder.name != "systemd") return {};
  const std::vector<SocketUnit> units = read_socket_units(root);
  const SocketUnit* unit = unit_of(socket, units);
  return unit ? unit->name + ", which starts " + unit->service : "";
}

}  // namespace socktrace::enrich
