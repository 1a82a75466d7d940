#include "core/errno_name.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace socktrace {
namespace {

TEST(ErrnoName, NumbersAndNamesMapBothWays) {
  EXPECT_EQ(errno_name(EADDRINUSE), "EADDRINUSE");
  EXPECT_EQ(errno_name(98), "EADDRINUSE");
  EXPECT_EQ(errno_name(0), "");
  EXPECT_EQ(errno_name(100'000), "");
  EXPECT_EQ(errno_from_name("ECONNREFUSED"), ECONNREFUSED);
  EXPECT_EQ(errno_from_name("EWOULDBLOCK"), EAGAIN);
  EXPECT_EQ(errno_from_name("econnrefused"), std::nullopt);
  for (int code = 1; code < 134; ++code) {
    const std::string_view name = errno_name(code);
    EXPECT_TRUE(name.empty() || errno_from_name(name) == code) << name;
  }
}

TEST(ErrnoName, OneNumberHasOneWrittenName) {
  EXPECT_EQ(errno_name(EAGAIN), "EAGAIN");
  EXPECT_EQ(errno_name(ENOTSUP), "EOPNOTSUPP");
}

}  // namespace
}  // namespace socktrace
