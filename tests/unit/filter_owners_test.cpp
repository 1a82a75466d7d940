// Owners, and what else a socket has.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "core/filter/filter.h"
#include "support/filter_world.h"

namespace socktrace {
namespace {

using namespace test::filters;

TEST(FilterDevice, ByNameOrIndex) {
  Socket socket = tcp("127.0.0.1:22");
  socket.ifindex = 2;
  EXPECT_TRUE(accepts("dev eth0", socket));
  EXPECT_TRUE(accepts("dev = 2", socket));
  EXPECT_FALSE(accepts("dev 3", socket));
  EXPECT_FALSE(accepts("dev != eth0", socket));
  EXPECT_TRUE(accepts("dev ne 3", socket));
  EXPECT_FALSE(accepts("dev eth0", tcp("127.0.0.1:22"))) << "bound to no device";
  EXPECT_TRUE(accepts("dev if2", socket)) << "a device without a name";
  EXPECT_NE(error("dev eth9").find("`eth9`"), std::string::npos);
  EXPECT_NE(error("dev > 1").find("`>`"), std::string::npos);
}

TEST(FilterMark, IsComparedUnderItsMask) {
  Socket socket = tcp("127.0.0.1:22");
  socket.mark = 0x1234;
  EXPECT_TRUE(accepts("fwmark 0x1234", socket));
  EXPECT_TRUE(accepts("fwmark = 4660", socket));
  EXPECT_FALSE(accepts("fwmark 0x34", socket));
  EXPECT_TRUE(accepts("fwmark 0x34/0xff", socket));
  EXPECT_TRUE(accepts("fwmark 0x30/0xf0", socket));
  EXPECT_TRUE(accepts("fwmark 0/0", socket));
  EXPECT_TRUE(accepts("fwmark != 0", socket));
  EXPECT_FALSE(accepts("fwmark != 0x34/0xff", socket));
  EXPECT_NE(error("fwmark 1/").find("`1/`"), std::string::npos);
  EXPECT_NE(error("fwmark /1").find("`/1`"), std::string::npos);
  for (const char* mark : {"0x100000000", "1/0x100000000", "1x", "1/1/1", "08"})
    EXPECT_NE(error(std::string("fwmark ") + mark).find(mark), std::string::npos) << mark;
  EXPECT_NE(error("fwmark one").find("`one`"), std::string::npos);
}

TEST(FilterCgroup, IsOnePathAndNotWhatIsBelowIt) {
  Socket socket = tcp("127.0.0.1:22");
  socket.cgroup_id = 77;
  EXPECT_TRUE(accepts("cgroup /system.slice", socket));
  EXPECT_FALSE(accepts("cgroup != /system.slice", socket));
  socket.cgroup_id = 78;
  EXPECT_FALSE(accepts("cgroup /system.slice", socket));
  EXPECT_NE(error("cgroup /nowhere").find("`/nowhere`"), std::string::npos);
}

TEST(FilterAutobound, IsAPortOfTheLocalRangeThatBindDidNotLock) {
  const MatchContext context = {.first_local_port = 40000, .last_local_port = 50000};
  const Filter filter = parsed("autobound");
  EXPECT_TRUE(filter.matches(tcp("127.0.0.1:40000"), context));
  EXPECT_TRUE(filter.matches(tcp("[::1]:50000"), context));
  EXPECT_FALSE(filter.matches(tcp("127.0.0.1:39999"), context));
  EXPECT_FALSE(filter.matches(tcp("127.0.0.1:50001"), context));
  Socket locked = tcp("127.0.0.1:45000");
  locked.options.known = locked.options.port_locked = true;
  EXPECT_FALSE(filter.matches(locked, context));
}

TEST(FilterAutobound, OfOtherFamilies) {
  EXPECT_TRUE(accepts("autobound", unix_named("")));
  EXPECT_TRUE(accepts("autobound", unix_named("@0a1b2")));
  EXPECT_FALSE(accepts("autobound", unix_named("@named")));
  EXPECT_FALSE(accepts("autobound", unix_named("/run/x")));
  EXPECT_TRUE(accepts("autobound", other(Family::netlink, 0x8000'0000)));
  EXPECT_FALSE(accepts("autobound", other(Family::netlink, 100)));
  EXPECT_TRUE(accepts("autobound", other(Family::packet)));
  EXPECT_TRUE(accepts("autobound", other(Family::vsock, 1024)));
  EXPECT_FALSE(accepts("autobound", other(Family::vsock, 1023)));
}

TEST(FilterOwners, PidCommUserUnitAndContainer) {
  Process nginx = process(42, "nginx");
  nginx.uid = 33;
  nginx.unit = "nginx.service";
  nginx.container = "0123456789ab";
  const Socket socket = owned_by(nginx);
  for (const char* text :
       {"pid 42", "pid = 42", "pid != 43", "comm nginx", "comm ngin*", "comm != apache", "user 33",
        "user www-data", "user != 0", "unit nginx", "unit nginx.service", "unit *.service", "unit != ssh",
        "container 0123456789ab", "container 0123", "container 0123456789abcdef", "container != ffff"})
    EXPECT_TRUE(accepts(text, socket)) << text;
  for (const char* text : {"pid 43", "pid != 42", "comm ngin", "comm != nginx", "user 0", "user != www-data",
                           "unit ssh", "unit != nginx", "container 1234", "container != 0123"})
    EXPECT_FALSE(accepts(text, socket)) << text;
}

TEST(FilterOwners, ANameOfAContainerIsWhole) {
  Process nginx = process(42, "nginx");
  nginx.container = "web1";
  const Socket socket = owned_by(nginx);
  EXPECT_TRUE(accepts("container web1", socket));
  for (const char* other : {"web10", "web1-staging", "web", "w"})
    EXPECT_FALSE(accepts(std::string("container ") + other, socket)) << other;
  nginx.container = "abc";
  EXPECT_FALSE(accepts("container ab", owned_by(nginx))) << "a name, though of hexadecimal digits";
  nginx.container = "0123456789ab";
  EXPECT_FALSE(accepts("container 0123456789ab-staging", owned_by(nginx)));
}

TEST(FilterOwners, OneOfSeveralOwnersIsEnough) {
  Socket socket = owned_by(process(1, "systemd"));
  socket.owners.push_back({.process = std::make_shared<const Process>(process(2, "sshd")), .fd = 3});
  EXPECT_TRUE(accepts("pid 1", socket));
  EXPECT_TRUE(accepts("pid 2", socket));
  EXPECT_TRUE(accepts("comm sshd", socket));
  EXPECT_FALSE(accepts("pid != 1", socket));
}

TEST(FilterOwners, WithoutAnOwnerOnlyTheUserIsKnown) {
  Socket socket = tcp("127.0.0.1:22");
  socket.uid = 33;
  EXPECT_TRUE(accepts("user www-data", socket));
  EXPECT_FALSE(accepts("pid 0", socket));
  EXPECT_FALSE(accepts("comm *", socket));
  EXPECT_FALSE(accepts("container 0", socket));
  EXPECT_TRUE(accepts("pid != 1", socket));
}

TEST(FilterOwners, WhereTheUserOfAnOwnerIsNotKnownItIsThatOfTheSocket) {
  Process hidden = process(42, "nginx");
  hidden.uid = UINT32_MAX;
  Socket socket = owned_by(hidden);
  socket.uid = 33;
  EXPECT_TRUE(accepts("user www-data", socket));
  EXPECT_FALSE(accepts("user != www-data", socket));
  EXPECT_FALSE(accepts("user 4294967295", socket));
  Process known = process(43, "nginx");
  known.uid = 0;
  socket.owners.push_back({.process = std::make_shared<const Process>(known), .fd = 3});
  EXPECT_TRUE(accepts("user 0", socket));
  EXPECT_FALSE(accepts("user www-data", socket));
}

TEST(FilterOwners, AreAskedForOnlyWhenTheyDecide) {
  for (const char* text : {"pid 1", "comm a", "user 0", "unit a", "container a", "not pid 1",
                           "sport 22 or ( dport 80 and comm a )"})
    EXPECT_TRUE(parsed(text).needs_owners()) << text;
  for (const char* text : {"", "sport 22", "state listening", "netns blue", "dev 1 fwmark 1 autobound"})
    EXPECT_FALSE(parsed(text).needs_owners()) << text;
}

TEST(FilterOwners, AUserIsKnownWithoutItsProcess) {
  EXPECT_FALSE(parsed("user 0 and sport 22").needs_processes());
  for (const char* text : {"pid 1", "comm a", "unit a", "user 0 or container a"})
    EXPECT_TRUE(parsed(text).needs_processes()) << text;
}

TEST(FilterOwners, ErrorsNameTheValue) {
  EXPECT_NE(error("pid nginx").find("`nginx` is no process id"), std::string::npos);
  EXPECT_NE(error("user nobody-here").find("`nobody-here` is no user"), std::string::npos);
  EXPECT_NE(error("netns red").find("`red` is no network namespace"), std::string::npos);
  EXPECT_NE(error("comm").find("a command name after `comm`"), std::string::npos);
  EXPECT_NE(error("pid > 1").find("`>`"), std::string::npos);
  EXPECT_NE(error("unit pid").find("got `pid`"), std::string::npos);
}

TEST(FilterNetns, ByNameOrInode) {
  Socket socket = tcp("127.0.0.1:22");
  socket.netns = 4026532000;
  EXPECT_TRUE(accepts("netns blue", socket));
  EXPECT_TRUE(accepts("netns 4026532000", socket));
  EXPECT_FALSE(accepts("netns != blue", socket));
  EXPECT_FALSE(accepts("netns 1", socket));
  EXPECT_FALSE(accepts("netns twins", socket));
  EXPECT_NE(error("netns 4294967296").find("no network namespace"), std::string::npos);
}

TEST(FilterNetns, ANameOfSeveralMeansEach) {
  Socket socket = tcp("127.0.0.1:22");
  for (const uint32_t inode : {4026532001U, 4026532002U}) {
    socket.netns = inode;
    EXPECT_TRUE(accepts("netns twins", socket));
    EXPECT_FALSE(accepts("netns != twins", socket));
  }
}

TEST(FilterDevice, ANameIsOfTheNamespaceItWasLookedUpIn) {
  FilterOptions options{names()};
  options.device_netns = 7;
  const auto accepts_in = [&](uint32_t netns, const std::string& text) {
    Socket socket = tcp("127.0.0.1:22");
    socket.ifindex = 2;
    socket.netns = netns;
    return Filter::parse(std::vector<std::string>{text}, options)->matches(socket, {});
  };
  EXPECT_TRUE(accepts_in(7, "dev eth0"));
  EXPECT_FALSE(accepts_in(8, "dev eth0"));
  EXPECT_TRUE(accepts_in(8, "dev != eth0"));
  EXPECT_TRUE(accepts_in(0, "dev eth0")) << "no hook could tell its namespace";
  for (const char* anywhere : {"dev 2", "dev if2"}) EXPECT_TRUE(accepts_in(8, anywhere)) << anywhere;
}

TEST(FilterNames, ThatCannotBeLookedUpAreErrors) {
  for (const std::string text : {"sport ssh", "dev eth0", "cgroup /", "user root", "netns blue", "dst host"})
    EXPECT_FALSE(Filter::parse(std::vector<std::string>{text}, {})) << text;
}

}  // namespace
}  // namespace socktrace
