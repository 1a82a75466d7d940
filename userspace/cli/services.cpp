#include "cli/services.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <string>

namespace socktrace::cli {

std::optional<uint16_t> service_port(std::string_view name) {
  const servent* entry = ::getservbyname(std::string(name).c_str(), nullptr);
  if (entry == nullptr) return std::nullopt;
  return ntohs(static_cast<uint16_t>(entry->s_port));
}

}  // namespace socktrace::cli
