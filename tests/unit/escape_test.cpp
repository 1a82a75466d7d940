#include "core/escape.h"

#include <gtest/gtest.h>

#include <random>

#include "core/unicode.h"

namespace socktrace {
namespace {

std::string all_bytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  return bytes;
}

// Whole text is well-formed UTF-8 without a single unprintable character.
bool is_safe(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    if (c.length == 0 || is_unprintable(c.value)) return false;
    text.remove_prefix(c.length);
  }
  return true;
}

TEST(Escape, PrintableTextStandsForItself) {
  EXPECT_EQ(escape("nginx: worker 100% \"ok\""), "nginx: worker 100% \"ok\"");
  EXPECT_EQ(escape("grüße-日本語-🚀-हिन्दी"), "grüße-日本語-🚀-हिन्दी");
  EXPECT_EQ(escape(""), "");
}

TEST(Escape, BackslashIsEscapedSoThatAnEscapeCannotBeForged) {
  EXPECT_EQ(escape("\\x1b"), "\\x5cx1b");
  EXPECT_EQ(unescape("\\x5cx1b"), "\\x1b");
}

TEST(Escape, TerminalControlsAreEscaped) {
  EXPECT_EQ(escape("a\x1b[31mb\x07\r\n\t\x7f"), "a\\x1b[31mb\\x07\\x0d\\x0a\\x09\\x7f");
  EXPECT_EQ(escape("\x9b"
                   "31m"),
            "\\x9b31m");  // C1 CSI as one raw byte
  EXPECT_EQ(escape("\xc2\x9b"
                   "31m"),
            "\\xc2\\x9b31m");  // the same as UTF-8
  EXPECT_EQ(escape(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Escape, InvisibleAndReorderingCharactersAreEscaped) {
  EXPECT_EQ(escape("\u202Egpj.exe"), "\\xe2\\x80\\xaegpj.exe");
  EXPECT_EQ(escape("\u2066a\u2069"), "\\xe2\\x81\\xa6a\\xe2\\x81\\xa9");
  EXPECT_EQ(escape("a\u200Bb\uFEFF\u00AD"), "a\\xe2\\x80\\x8bb\\xef\\xbb\\xbf\\xc2\\xad");
  EXPECT_EQ(escape("\u2028"), "\\xe2\\x80\\xa8");
  EXPECT_EQ(escape("\U000E0041"), "\\xf3\\xa0\\x81\\x81");
}

TEST(Escape, MalformedUtf8IsEscapedByteByByte) {
  EXPECT_EQ(escape("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(escape("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(escape("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_EQ(escape("\xe2\x82"), "\\xe2\\x82");                    // cut off
  EXPECT_EQ(escape("\xe2(\xa1"), "\\xe2(\\xa1");
  EXPECT_EQ(escape("\xc3\xa9\xc3"), "\xc3\xa9\\xc3");
}

TEST(Escape, EveryByteComesBack) {
  EXPECT_EQ(unescape(escape(all_bytes())), all_bytes());
  EXPECT_TRUE(is_safe(escape(all_bytes())));
}

TEST(Escape, RandomBytesComeBackAndAreSafeToPrint) {
  std::mt19937 random(20);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random() % 24, '\0');
    for (char& byte : bytes)  // mostly lead and continuation bytes, so that sequences form
      byte = static_cast<char>(random() % 4 ? 0x80 + random() % 128 : random() % 256);
    const std::string text = escape(bytes);
    ASSERT_TRUE(is_safe(text)) << text;
    ASSERT_EQ(unescape(text), bytes) << text;
  }
}

TEST(Escape, InQuotesNothingEndsThem) {
  std::string out;
  append_escaped_in_quotes(out, "a\",pid=1,fd=3),(\"b\n");
  EXPECT_EQ(out, "a\\x22,pid=1,fd=3),(\\x22b\\x0a");
  EXPECT_EQ(unescape(out), "a\",pid=1,fd=3),(\"b\n");
}

TEST(Escape, MessagesAreOneSafeLineAndKeepWhatIsEscaped) {
  EXPECT_EQ(printable("open \"/x\x1b]0;t\x07\n/y\": \\xff é \u202e"),
            "open \"/x\\x1b]0;t\\x07\\x0a/y\": \\xff é \\xe2\\x80\\xae");
  EXPECT_TRUE(is_safe(printable(all_bytes())));
}

TEST(Escape, UnescapeRefusesWhatEscapeNeverWrites) {
  EXPECT_EQ(unescape("\\"), std::nullopt);
  EXPECT_EQ(unescape("a\\x1"), std::nullopt);
  EXPECT_EQ(unescape("\\xg1"), std::nullopt);
  EXPECT_EQ(unescape("\\n41"), std::nullopt);
}

TEST(Escape, JsonStringsHoldTheEscapedText) {
  std::string out;
  append_json_string(out, "a\"b\\c\n\xff\u202Eé");
  EXPECT_EQ(out, R"("a\"b\\x5cc\\x0a\\xff\\xe2\\x80\\xaeé")");
}

TEST(DisplayWidth, CountsCellsNotBytes) {
  EXPECT_EQ(display_width(""), 0u);
  EXPECT_EQ(display_width("nginx"), 5u);
  EXPECT_EQ(display_width("é"), 1u);
  EXPECT_EQ(display_width("e\u0301"), 1u);
  EXPECT_EQ(display_width("日本"), 4u);
  EXPECT_EQ(display_width("🚀x"), 3u);
  EXPECT_EQ(display_width(escape("\xff")), 4u);
}

TEST(Unicode, RangesAreSorted) {
  // A misplaced range would make the binary search miss a neighbour.
  for (const char32_t c : {U'\u00ad', U'\u200b', U'\u200f', U'\u2028', U'\u202e', U'\u2060', U'\u2069',
                           U'\ufe0f', U'\ufeff', U'\ufffb', U'\U000e0fff', U'\U0010fffe', U'\u180e'})
    EXPECT_TRUE(is_unprintable(c)) << static_cast<uint32_t>(c);
  for (const char32_t c : {U' ', U'~', U'\u00a0', U'\u00ae', U'\u2010', U'\u2027', U'\u2030', U'\ufffd',
                           U'\U0001f680', U'\u0628', U'\u05d0'})
    EXPECT_FALSE(is_unprintable(c)) << static_cast<uint32_t>(c);
}

}  // namespace
}  // namespace socktrace
