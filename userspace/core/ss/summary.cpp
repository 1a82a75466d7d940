#include "core/ss/summary.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <vector>

namespace socktrace::ss {
namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.empty()) return words;
    const std::string_view word = line.substr(0, line.find_first_of(" \t"));
    words.push_back(word);
    line.remove_prefix(word.size());
  }
}

int64_t number_of(std::string_view word) {
  int64_t value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

// Every line that begins with `name`, as words.
std::vector<std::vector<std::string_view>> lines_of(std::string_view text, std::string_view name) {
  std::vector<std::vector<std::string_view>> lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    std::vector<std::string_view> words = words_of(line);
    if (!words.empty() && words[0] == name) lines.push_back(std::move(words));
  }
  return lines;
}

// sockstat: "TCP: inuse 6 orphan 0 tw 3 alloc 12 mem 1".
int64_t sockstat_value(std::string_view text, std::string_view name, std::string_view key) {
  for (const auto& words : lines_of(text, name))
    for (size_t i = 1; i + 1 < words.size(); i += 2)
      if (words[i] == key) return number_of(words[i + 1]);
  return 0;
}

// snmp: a line of names, then a line of values.
int64_t snmp_value(std::string_view text, std::string_view name, std::string_view key) {
  const auto lines = lines_of(text, name);
  if (lines.size() < 2) return 0;
  for (size_t i = 1; i < lines[0].size() && i < lines[1].size(); ++i)
    if (lines[0][i] == key) return number_of(lines[1][i]);
  return 0;
}

}  // namespace

std::string summary_text(std::string_view sockstat, std::string_view sockstat6, std::string_view snmp,
                         const std::optional<TcpCounts>& counted) {
  const auto v4 = [&](std::string_view name, std::string_view key) {
    return sockstat_value(sockstat, name, key);
  };
  const auto v6 = [&](std::string_view name) { return sockstat_value(sockstat6, name, "inuse"); };
  const int64_t tcp4 = v4("TCP:", "inuse");
  const int64_t tcp6 = v6("TCP6:");
  const int64_t time_wait = v4("TCP:", "tw");
  const int64_t allocated = v4("TCP:", "alloc");
  const TcpCounts tcp = counted.value_or(TcpCounts{.sockets = allocated,
                                                   .closed = allocated - (tcp4 + tcp6 - time_wait),
                                                   .orphaned = v4("TCP:", "orphan")});
  std::string text = fmt::format("Total: {}\n", v4("sockets:", "used"));
  text += fmt::format("TCP:   {} (estab {}, closed {}, orphaned {}, timewait {})\n", tcp.sockets + time_wait,
                      snmp_value(snmp, "Tcp:", "CurrEstab"), tcp.closed, tcp.orphaned, time_wait);
  text += "\nTransport Total     IP        IPv6\n";
  const auto row = [&](std::string_view name, int64_t ip, int64_t ip6) {
    text += fmt::format("{}\t  {:<9} {:<9} {:<9}\n", name, ip + ip6, ip, ip6);
  };
  const int64_t raw4 = v4("RAW:", "inuse");
  const int64_t raw6 = v6("RAW6:");
  const int64_t udp4 = v4("UDP:", "inuse");
  const int64_t udp6 = v6("UDP6:");
  row("RAW", raw4, raw6);
  row("UDP", udp4, udp6);
  row("TCP", tcp4, tcp6);
  row("INET", raw4 + udp4 + tcp4, raw6 + udp6 + tcp6);
  row("FRAG", v4("FRAG:", "inuse"), v6("FRAG6:"));
  return text + "\n";
}

}  // namespace socktrace::ss
