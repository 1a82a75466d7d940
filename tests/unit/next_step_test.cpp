#include "diagnose/next_step.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "support/conflict_builder.h"

namespace socktrace::test {
namespace {

std::string next(uint32_t pid, const std::string& name, const std::string& unit = "",
                 const std::string& container = "") {
  return diagnose::next_step(owned_by(listener("0.0.0.0:8080"), pid, name, unit, container));
}

Socket with_process(const Process& process, bool exited = false) {
  Socket socket = listener("0.0.0.0:8080");
  socket.owners.push_back({std::make_shared<const Process>(process), 3, OwnerSource::descriptor, exited});
  return socket;
}

TEST(NextStep, AsksWhoeverManagesTheProcess) {
  EXPECT_EQ(next(5, "nginx", "nginx.service"), "systemctl status nginx.service");
  EXPECT_EQ(next(5, "postgres", "docker-0123.scope", "0123456789ab"), "docker ps --filter id=0123456789ab");
  EXPECT_EQ(next(5, "vim"), "ps -fp 5");
  EXPECT_EQ(next(1, "systemd", "init.scope"), "systemctl list-sockets --all");
}

TEST(NextStep, ALoginSessionSaysNothingOfTheProgram) {
  EXPECT_EQ(next(5, "python3", "session-3.scope"), "ps -fp 5");
  EXPECT_EQ(next(5, "python3", "user.slice"), "ps -fp 5");
}

TEST(NextStep, AsksTheUsersOwnServiceManager) {
  Process process;
  process.pid = 5;
  process.unit = "syncthing.service";
  process.cgroup = "/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service";
  EXPECT_EQ(diagnose::next_step(with_process(process)), "systemctl --user status syncthing.service");
}

TEST(NextStep, ProxiesHoldPortsForContainers) {
  EXPECT_EQ(next(5, "docker-proxy", "docker.service"), "docker ps --filter publish=8080");
  EXPECT_EQ(next(5, "rootlessport"), "podman port --all");
  EXPECT_EQ(next(5, "pasta.avx2"), "podman port --all");
  EXPECT_EQ(diagnose::held_for(owned_by(listener("0.0.0.0:8080"), 5, "docker-proxy")), "a container");
  EXPECT_EQ(diagnose::held_for(owned_by(listener("0.0.0.0:8080"), 5, "rootlessport")), "a container");
  EXPECT_EQ(diagnose::held_for(owned_by(listener("0.0.0.0:80"), 5, "nginx")), "");
}

TEST(NextStep, ServiceManagersHoldPortsForSocketUnits) {
  EXPECT_EQ(diagnose::held_for(owned_by(listener("0.0.0.0:80"), 1, "systemd")), "a socket unit");
  EXPECT_EQ(next(900, "systemd", "user@1000.service"), "systemctl --user list-sockets --all");
  // In a container the first process is the program itself.
  EXPECT_EQ(diagnose::held_for(owned_by(listener("0.0.0.0:80"), 1, "nginx")), "");
  EXPECT_EQ(next(1, "nginx"), "ps -fp 1");
}

TEST(NextStep, QuotesNamesThatAShellWouldRead) {
  EXPECT_EQ(next(5, "x", "a;rm -rf $HOME.service"), "systemctl status 'a;rm -rf $HOME.service'");
  EXPECT_EQ(next(5, "x", "it's.service"), "systemctl status 'it'\\''s.service'");
  EXPECT_EQ(next(5, "x", "-H evil.service"), "systemctl status '-H evil.service'");
}

TEST(NextStep, PrefersAnOwnerThatLives) {
  Process dead;
  dead.pid = 5;
  Process living;
  living.pid = 6;
  Socket socket = with_process(dead, true);
  EXPECT_EQ(diagnose::next_step(socket), "socktrace why :8080");
  socket.owners.push_back({std::make_shared<const Process>(living), 3, OwnerSource::descriptor, false});
  EXPECT_EQ(diagnose::next_step(socket), "ps -fp 6");
}

TEST(NextStep, SaysHowToLearnTheOwner) {
  Socket socket = listener("0.0.0.0:2049");
  socket.no_owner = NoOwner::permission;
  EXPECT_EQ(diagnose::next_step(socket), "sudo socktrace why :2049");
  socket.no_owner = NoOwner::kernel;
  EXPECT_EQ(diagnose::next_step(socket), "rpcinfo -p");
  socket.protocol = IPPROTO_UDP;
  EXPECT_EQ(diagnose::next_step(socket), "ip -details link show");
  socket.no_owner = NoOwner::netns;
  EXPECT_EQ(diagnose::next_step(socket), "socktrace why :2049");
}

}  // namespace
}  // namespace socktrace::test
