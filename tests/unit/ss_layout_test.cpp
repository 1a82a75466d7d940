#include <gtest/gtest.h>

#include "core/ss/layout.h"

namespace socktrace::ss {
namespace {

// The cells from Netid on.
Line line(std::initializer_list<std::string_view> cells) {
  Line built;
  built.end_cell();  // of one namespace, which has no name
  for (const std::string_view cell : cells) built.cell(cell);
  return built;
}

const Line kListen = line({"tcp", "LISTEN", "0", "128", "127.0.0.1:", "22", "0.0.0.0:", "*", ""});
const Line kEstablished = line({"tcp", "ESTAB", "0", "0", "[::ffff:127.0.0.1]:", "8081",
                                "[::ffff:127.0.0.1]:", "40002", " users:((\"a\",pid=1,fd=2))"});

std::string render(const LayoutOptions& options, std::initializer_list<Line> lines) {
  std::string text;
  Layout layout(options, [&](std::string_view part) {
    text += part;
    return true;
  });
  for (const Line& each : lines) EXPECT_TRUE(layout.add(each));
  EXPECT_TRUE(layout.finish());
  return text;
}

TEST(SsLayout, ColonsStandInOneColumnAndNoLineEndsInBlanks) {
  EXPECT_EQ(render({}, {kListen, kEstablished}),
            "Netid State  Recv-Q Send-Q      Local Address:Port       Peer Address:Port Process\n"
            "tcp   LISTEN 0      128             127.0.0.1:22              0.0.0.0:*\n"
            "tcp   ESTAB  0      0      [::ffff:127.0.0.1]:8081 [::ffff:127.0.0.1]:40002 "
            "users:((\"a\",pid=1,fd=2))\n");
}

TEST(SsLayout, HeadingsCountAsWidthOnlyWhenShown) {
  EXPECT_EQ(render({.header = false}, {kListen}), "tcp LISTEN 0      128    127.0.0.1:22 0.0.0.0:*\n");
}

TEST(SsLayout, ColumnsCanBeLeftOut) {
  EXPECT_EQ(render({.header = false, .netid = false, .state = false, .queues = false}, {kListen}),
            "127.0.0.1:22 0.0.0.0:*\n");
  EXPECT_EQ(render({.netid = false}, {}),
            "State Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n");
}

TEST(SsLayout, SeveralNamespacesHaveAColumnOfTheirOwn) {
  Line inside;
  for (const std::string_view cell :
       {"web", "tcp", "LISTEN", "0", "128", "127.0.0.1:", "22", "0.0.0.0:", "*", ""})
    inside.cell(cell);
  EXPECT_EQ(render({.netns = true}, {inside, kListen}),
            "Netns Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n"
            "web   tcp   LISTEN 0      128        127.0.0.1:22        0.0.0.0:*\n"
            "      tcp   LISTEN 0      128        127.0.0.1:22        0.0.0.0:*\n");
}

TEST(SsLayout, ContinuationLinesStayAsTheyAre) {
  const Line with_info = line({"tcp", "ESTAB", "0", "0", "1:", "2", "3:", "4", "\n\t cubic cwnd:10"});
  EXPECT_EQ(render({.header = false}, {with_info}), "tcp ESTAB 0      0      1:2 3:4\n\t cubic cwnd:10\n");
}

TEST(SsLayout, OnATerminalNoLineIsWiderThanIt) {
  const Line users =
      line({"tcp", "LISTEN", "0", "128", "127.0.0.1:", "22", "0.0.0.0:", "*",
            " users:((\"nginx\",pid=100,fd=6),(\"nginx\",pid=99,fd=6),(\"nginx\",pid=98,fd=6)) uid:33"});
  const std::string text = render({.width = 80}, {users});
  EXPECT_EQ(text,
            "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n"
            "tcp   LISTEN 0      128        127.0.0.1:22        0.0.0.0:*\n"
            "        users:((\"nginx\",pid=100,fd=6),(\"nginx\",pid=99,fd=6),\n"
            "        (\"nginx\",pid=98,fd=6)) uid:33\n");
}

TEST(SsLayout, OnANarrowTerminalThePeerGetsALine) {
  EXPECT_EQ(render({.header = false, .width = 60}, {kEstablished}),
            "tcp ESTAB 0      0      [::ffff:127.0.0.1]:8081\n"
            "        [::ffff:127.0.0.1]:40002 users:((\"a\",pid=1,fd=2))\n");
}

TEST(SsLayout, ColumnsOnlyGetWiderFromOneSectionToTheNext) {
  std::string text;
  Layout layout({.header = false}, [&](std::string_view part) {
    text += part;
    return true;
  });
  ASSERT_TRUE(layout.add(kEstablished));
  const size_t row = kEstablished.text.size() + 8;
  for (size_t added = 0; added < 2 * Layout::kSectionBytes; added += row) ASSERT_TRUE(layout.add(kListen));
  ASSERT_TRUE(layout.finish());
  const std::string last = text.substr(text.rfind('\n', text.size() - 2) + 1);
  EXPECT_EQ(last, "tcp LISTEN 0      128             127.0.0.1:22              0.0.0.0:*\n");
}

TEST(SsLayout, MemoryIsBoundedBySections) {
  size_t rows = 0;
  size_t largest = 0;
  Layout layout({.header = true}, [&](std::string_view part) {
    rows += static_cast<size_t>(std::count(part.begin(), part.end(), '\n'));
    largest = std::max(largest, part.size());
    return true;
  });
  constexpr size_t kRows = 300'000;
  for (size_t i = 0; i < kRows; ++i) ASSERT_TRUE(layout.add(kEstablished));
  EXPECT_GT(rows, kRows / 3) << "written before the end";
  EXPECT_TRUE(layout.finish());
  EXPECT_EQ(rows, kRows + 1) << "one heading";
  EXPECT_LT(largest, size_t{1} << 17);
}

TEST(SsLayout, AWriteThatFailsEndsIt) {
  int writes = 0;
  Layout layout({}, [&](std::string_view) {
    ++writes;
    return false;
  });
  size_t added = 0;
  while (added < 1'000'000 && layout.add(kEstablished)) ++added;
  EXPECT_LT(added, 1'000'000U);
  EXPECT_FALSE(layout.finish());
  EXPECT_EQ(writes, 1);
}

}  // namespace
}  // namespace socktrace::ss
