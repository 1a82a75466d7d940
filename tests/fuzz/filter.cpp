// Filter text from strangers; the first byte chooses between one word and many.
#include "core/filter/filter.h"

#include <netinet/in.h>

#include "core/filter/host.h"
#include "target.h"

using namespace socktrace;

namespace {

FilterOptions options() {
  FilterOptions options;
  options.names.service = [](std::string_view name) {
    return name == "http" ? std::optional<uint16_t>(80) : std::nullopt;
  };
  options.names.device = [](std::string_view) { return std::optional<uint32_t>(1); };
  options.names.user = [](std::string_view) { return std::optional<uint32_t>(0); };
  return options;
}

std::vector<Socket> sockets() {
  std::vector<Socket> sockets(4);
  for (Socket& socket : sockets) {
    socket.key.cookie = 1;
    socket.family = Family::inet;
    socket.protocol = IPPROTO_TCP;
    socket.state = State::established;
    socket.local = {{127, 0, 0, 1}, 80};
    socket.peer = {{127, 0, 0, 1}, 40000};
  }
  sockets[1].family = Family::inet6;
  sockets[2].family = Family::unix;
  sockets[2].details.make().name = "/run/x";
  sockets[3].family = Family::netlink;
  return sockets;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const FilterOptions names = options();
  static const std::vector<Socket> examples = sockets();
  std::vector<std::string> words(1);
  for (const char character : fuzz::text_of(data + 1, size - 1)) {
    if (character == '\n' && data[0] % 2 == 0)
      words.emplace_back();
    else
      words.back() += character;
  }
  const Result<Filter> filter = Filter::parse(words, names);
  if (!filter) {
    fuzz::require(!filter.error().message.empty(), "a refusal says why");
    return 0;
  }
  const MatchContext context;
  for (const Socket& socket : examples) (void)filter->matches(socket, context);
  (void)filter->needs_owners();
  if (const auto program = filter->bytecode(context))
    fuzz::require(!program->empty() && program->size() % 4 == 0, "a program is whole operations");
  return 0;
}
