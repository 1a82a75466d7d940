#include "enrich/socket_units.h"

#include <arpa/inet.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "sys/file.h"

namespace socktrace::enrich {
namespace {

// Of systemd.unit(5), the first one wins.
constexpr std::array kDirectories = {"etc/systemd/system",        "run/systemd/system",
                                     "run/systemd/generator",     "usr/local/lib/systemd/system",
                                     "usr/lib/systemd/system",    "lib/systemd/system",
                                     "run/systemd/generator.late"};
constexpr std::string_view kSuffix = ".socket";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) + 1 - begin);
}

// "8080", "127.0.0.1:8080", "[::1]:8080"
std::optional<SocketUnit::Listen> parse_listen(uint16_t protocol, std::string_view text) {
  SocketUnit::Listen listen;
  listen.protocol = protocol;
  const size_t colon = text.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? text : text.substr(colon + 1);
  const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), listen.local.port);
  if (failure != std::errc{} || end != port.data() + port.size() || listen.local.port == 0)
    return std::nullopt;
  if (colon == std::string_view::npos) return listen;
  std::string address(text.substr(0, colon));
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
    listen.family = Family::inet6;
  } else {
    listen.family = Family::inet;
  }
  if (inet_pton(static_cast<int>(listen.family), address.c_str(), listen.local.address.data()) != 1)
    return std::nullopt;
  return listen;
}

void set(SocketUnit& unit, std::string_view key, std::string_view value) {
  const bool stream = key == "ListenStream";
  if (stream || key == "ListenDatagram") {
    const uint16_t protocol = stream ? IPPROTO_TCP : IPPROTO_UDP;
    if (value.empty())
      std::erase_if(unit.listens, [&](const SocketUnit::Listen& one) { return one.protocol == protocol; });
    else if (const auto listen = parse_listen(protocol, value))
      unit.listens.push_back(*listen);
  } else if (key == "Service") {
    unit.service = value;
  } else if (key == "Accept" && (value == "yes" || value == "true" || value == "1" || value == "on")) {
    unit.service = unit.name.substr(0, unit.name.size() - kSuffix.size()) + "@.service";
  }
}

// The files of a directory with that suffix that `texts` does not have yet.
void read_files(int root, const std::string& directory, std::string_view suffix,
                std::map<std::string, std::string>& texts) {
  const Result<sys::UniqueFd> fd = sys::open_at(root, directory.c_str(), O_RDONLY | O_DIRECTORY);
  if (!fd) return;
  (void)sys::for_each_name(fd->get(), [&](const char* name, unsigned char) {
    if (!std::string_view(name).ends_with(suffix) || texts.contains(name)) return true;
    if (Result<std::string> text = sys::read_file_at(fd->get(), name)) texts[name] = std::move(*text);
    return true;
  });
}

bool is_at(const SocketUnit::Listen& listen, const Socket& socket) {
  if (listen.protocol != socket.protocol || listen.local.port != socket.local.port) return false;
  if (listen.family == Family::unspecified) return is_wildcard(socket.family, socket.local.address);
  return listen.family == socket.family && listen.local.address == socket.local.address;
}

}  // namespace

void add_unit_text(SocketUnit& unit, std::string_view text) {
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, newline));
    text = newline == std::string_view::npos ? std::string_view() : text.substr(newline + 1);
    const size_t equals = line.find('=');
    if (line.starts_with('#') || line.starts_with(';') || equals == std::string_view::npos) continue;
    set(unit, trimmed(line.substr(0, equals)), trimmed(line.substr(equals + 1)));
  }
}

std::vector<SocketUnit> read_socket_units(const std::string& root) {
  std::vector<SocketUnit> units;
  const Result<sys::UniqueFd> fd = sys::open_at(AT_FDCWD, root.c_str(), O_RDONLY | O_DIRECTORY);
  if (!fd) return units;
  std::map<std::string, std::string> files;
  for (const char* directory : kDirectories) read_files(fd->get(), directory, kSuffix, files);
  for (const auto& [name, text] : files) {
    if (name.ends_with("@.socket")) continue;  // a template: its instances have names of their own
    SocketUnit unit;
    unit.name = name;
    unit.service = name.substr(0, name.size() - kSuffix.size()) + ".service";
    add_unit_text(unit, text);
    std::map<std::string, std::string> extensions;
    for (const char* directory : kDirectories)
      read_files(fd->get(), directory + ("/" + name) + ".d", ".conf", extensions);
    for (const auto& [extension, more] : extensions) add_unit_text(unit, more);
    if (!unit.listens.empty()) units.push_back(std::move(unit));
  }
  return units;
}

const SocketUnit* unit_of(const Socket& socket, const std::vector<SocketUnit>& units) {
  for (const SocketUnit& unit : units)
    if (std::ranges::any_of(unit.listens, [&](const auto& listen) { return is_at(listen, socket); }))
      return &unit;
  return nullptr;
}

}  // namespace socktrace::enrich
