#include "enrich/held_for.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "enrich/socket_units.h"
#include "support/conflict_builder.h"
#include "support/temp_tree.h"

namespace socktrace::test {
namespace {

Process process(uint32_t pid, const std::string& name) {
  Process process;
  process.pid = pid;
  process.name = name;
  return process;
}

const Process kManager = process(1, "systemd");

std::string whose(const TempTree& tree, const std::string& address) {
  return enrich::held_for(listener(address), kManager, "/sbin/init", tree.root());
}

TEST(HeldFor, ASocketUnitIsNamedWithItsService) {
  TempTree tree;
  tree.file("usr/lib/systemd/system/ssh.socket", "[Socket]\nListenStream=22\nAccept=no\n")
      .file("etc/systemd/system/web.socket",
            "# the shop\n[Socket]\nListenStream = "
            "127.0.0.1:8080\nListenStream=[::1]:8081\nService=shop.service\n")
      .file("usr/lib/systemd/system/echo.socket", "ListenStream=7\nAccept=yes\n")
      .file("usr/lib/systemd/system/docker.socket", "ListenStream=/run/docker.sock\n");
  EXPECT_EQ(whose(tree, "[::]:22"), "ssh.socket, which starts ssh.service");
  EXPECT_EQ(whose(tree, "127.0.0.1:8080"), "web.socket, which starts shop.service");
  EXPECT_EQ(whose(tree, "[::1]:8081"), "web.socket, which starts shop.service");
  EXPECT_EQ(whose(tree, "[::]:7"), "echo.socket, which starts echo@.service");
  EXPECT_EQ(whose(tree, "127.0.0.2:8080"), "");
  EXPECT_EQ(whose(tree, "127.0.0.1:22"), "");
}

TEST(HeldFor, FilesOfTheAdministratorComeFirstAndExtensionsLast) {
  TempTree tree;
  tree.file("usr/lib/systemd/system/a.socket", "ListenStream=1001\n")
      .file("etc/systemd/system/a.socket", "ListenStream=1002\n")
      .file("usr/lib/systemd/system/b.socket", "ListenStream=1003\n")
      .file("run/systemd/generator/b.socket.d/port.conf", "[Socket]\nListenStream=\nListenStream=1004\n")
      .file("usr/lib/systemd/system/c.socket", "ListenStream=1005\n")
      .link("etc/systemd/system/c.socket", "/dev/null");
  EXPECT_EQ(whose(tree, "[::]:1001"), "");
  EXPECT_EQ(whose(tree, "[::]:1002"), "a.socket, which starts a.service");
  EXPECT_EQ(whose(tree, "[::]:1003"), "");
  EXPECT_EQ(whose(tree, "[::]:1004"), "b.socket, which starts b.service");
  EXPECT_EQ(whose(tree, "[::]:1005"), "");
}

TEST(HeldFor, ProtocolsAreTwoPortSpaces) {
  enrich::SocketUnit unit;
  unit.name = "syslog.socket";
  enrich::add_unit_text(
      unit, "ListenDatagram=514\nListenSequentialPacket=515\nListenStream=99999\nListenStream=vsock::9");
  ASSERT_EQ(unit.listens.size(), 1u);
  EXPECT_EQ(unit.listens[0].protocol, IPPROTO_UDP);
  EXPECT_EQ(enrich::unit_of(listener("[::]:514"), {unit}), nullptr);
}

TEST(HeldFor, DockersProxySaysWhereItLeads) {
  const Process proxy = process(7, "docker-proxy");
  const Socket held = listener("0.0.0.0:8080");
  EXPECT_EQ(
      enrich::held_for(held, proxy,
                       "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip "
                       "172.17.0.2 -container-port 80"),
      "172.17.0.2:80, in a container");
  EXPECT_EQ(enrich::held_for(held, proxy, "docker-proxy --container-ip fd00::2 --container-port=80 -use-fd"),
            "[fd00::2]:80, in a container");
  EXPECT_EQ(enrich::held_for(held, proxy, ""), "");
}

TEST(HeldFor, OthersHoldTheirPortsForThemselves) {
  TempTree tree;
  tree.file("etc/systemd/system/a.socket", "ListenStream=80\n");
  EXPECT_EQ(enrich::held_for(listener("[::]:80"), process(1, "nginx"), "nginx", tree.root()), "");
  EXPECT_EQ(enrich::held_for(listener("[::]:80"), process(900, "systemd"), "systemd --user", tree.root()),
            "");
}

}  // namespace
}  // namespace socktrace::test
