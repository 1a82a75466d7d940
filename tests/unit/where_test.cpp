#include "diagnose/where.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace socktrace::diagnose {
namespace {

Result<Where> parse(std::string_view text) {
  return parse_where(text, [](std::string_view name) -> std::optional<uint16_t> {
    if (name == "http") return 80;
    return std::nullopt;
  });
}

std::string text(std::string_view words) {
  const Result<Where> where = parse(words);
  if (!where) return "error";
  if (where->pid != 0) return "pid " + std::to_string(where->pid);
  if (where->port == 0) return "process " + where->process;
  std::string out = where->family == Family::unspecified
                        ? "any:" + std::to_string(where->port)
                        : to_string(where->family, {where->address, where->port});
  if (where->protocol != 0) out += where->protocol == IPPROTO_TCP ? "/tcp" : "/udp";
  return out;
}

TEST(Where, APortInEverySpelling) {
  EXPECT_EQ(text("8080"), "any:8080");
  EXPECT_EQ(text(":8080"), "any:8080");
  EXPECT_EQ(text("*:8080"), "any:8080");
  EXPECT_EQ(text("8080/udp"), "any:8080/udp");
  EXPECT_EQ(text(":8080/tcp"), "any:8080/tcp");
  EXPECT_EQ(text(":http"), "any:80");
  EXPECT_EQ(text("127.0.0.1:8080"), "127.0.0.1:8080");
  EXPECT_EQ(text("0.0.0.0:8080/udp"), "0.0.0.0:8080/udp");
  EXPECT_EQ(text("[::1]:8080"), "[::1]:8080");
  EXPECT_EQ(text("[::]:8080/tcp"), "[::]:8080/tcp");
}

TEST(Where, AProcess) {
  EXPECT_EQ(text("pid:1234"), "pid 1234");
  EXPECT_EQ(text("nginx"), "process nginx");
  EXPECT_EQ(text("my server"), "process my server");
}

TEST(Where, RefusesTheRest) {
  for (const char* bad :
       {"", "0", "65536", "8080/sctp", "8080/", ":", ":0", ":nosuch", "1.2.3:80", "::1:80", "[127.0.0.1]:80",
        "[::1:80", "pid:", "pid:0", "pid:x", "nginx/tcp", "-1", "host:80"})
    EXPECT_EQ(text(bad), bad == std::string("-1") ? "process -1" : "error") << bad;
  EXPECT_NE(parse("65536").error().message.find("65535"), std::string::npos);
  EXPECT_EQ(parse("65536").error().kind, ErrorKind::usage);
}

}  // namespace
}  // namespace socktrace::diagnose
