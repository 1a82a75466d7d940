#include "enrich/cgroup.h"

#include <gtest/gtest.h>

#include <string>

namespace socktrace::enrich {
namespace {

const std::string kId = "4f1c6a5b0e3d2c7f8a9b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b9c0d1e2f";
const std::string kOther = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

std::string unit(const std::string& path) {
  const Placement placement = placement_of(path);
  return placement.user_unit ? "user:" + placement.unit : placement.unit;
}

// "runtime id-as-abbreviated [pod]"
std::string container(const std::string& path) {
  const Placement placement = placement_of(path);
  std::string text = placement.runtime + " " + short_container_id(placement);
  if (!placement.pod.empty()) text += " " + placement.pod;
  return text;
}

TEST(Cgroup, FindsSystemUnits) {
  EXPECT_EQ(unit("/system.slice/nginx.service"), "nginx.service");
  EXPECT_EQ(unit("/init.scope"), "init.scope");
  EXPECT_EQ(unit("/system.slice/system-getty.slice/getty@tty1.service"), "getty@tty1.service");
  EXPECT_EQ(unit("/system.slice/system-postgresql.slice/postgresql@15-main.service"),
            "postgresql@15-main.service");
  EXPECT_EQ(unit("/a.slice/a-b.slice/a-b-c.slice/deep.service/delegated/worker"), "deep.service");
  EXPECT_EQ(unit("/system.slice/dbus.socket"), "dbus.socket");
  EXPECT_EQ(unit("/system.slice/run-r1234.scope"), "run-r1234.scope");
  EXPECT_EQ(unit("/system.slice/snap.docker.dockerd.service"), "snap.docker.dockerd.service");
}

TEST(Cgroup, KeepsEscapesThatAreThePartOfAUnitName) {
  EXPECT_EQ(unit("/system.slice/system-systemd\\x2dfsck.slice/systemd-fsck@dev-disk-by\\x2duuid-1.service"),
            "systemd-fsck@dev-disk-by\\x2duuid-1.service");
  EXPECT_EQ(unit("/system.slice/_memory.service"),
            "memory.service");  // cg_escape's underscore is no part of it
}

TEST(Cgroup, FindsUserUnits) {
  const std::string user = "/user.slice/user-1000.slice/";
  EXPECT_EQ(unit(user + "session-3.scope"), "session-3.scope");
  EXPECT_EQ(unit(user + "user@1000.service/app.slice/syncthing.service"), "user:syncthing.service");
  EXPECT_EQ(unit(user + "user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1f.scope"),
            "user:vte-spawn-1f.scope");
  EXPECT_EQ(unit(user + "user@1000.service/gnome-shell-wayland.service"), "user:gnome-shell-wayland.service");
  EXPECT_EQ(unit(user + "user@1000.service/init.scope"), "user@1000.service");
  EXPECT_EQ(unit(user + "user@1000.service"), "user@1000.service");
}

TEST(Cgroup, WhatIsNoUnitHasNone) {
  for (const char* path :
       {"", "/", "/system.slice", "/.service", "/process_api/2feb324a75f4928d62c12dba02324ccf", "/nginx",
        "//", "/system.slice/.scope", "/sshd/nginx.service"})
    EXPECT_EQ(unit(path), "") << path;
}

TEST(Cgroup, NamesOutsideOurCgroupNamespaceAreReadAsTheHostDoes) {
  EXPECT_EQ(unit("/../../system.slice/ssh.service"), "ssh.service");
  EXPECT_EQ(container("/../" + kId), " 4f1c6a5b0e3d");
}

TEST(Cgroup, FindsDocker) {
  EXPECT_EQ(container("/system.slice/docker-" + kId + ".scope"), "docker 4f1c6a5b0e3d");
  EXPECT_EQ(unit("/system.slice/docker-" + kId + ".scope"), "docker-" + kId + ".scope");
  EXPECT_EQ(container("/docker/" + kId), "docker 4f1c6a5b0e3d");
  EXPECT_EQ(container("/docker/" + kId + "/system.slice/nginx.service"), "docker 4f1c6a5b0e3d");
  EXPECT_EQ(unit("/docker/" + kId + "/system.slice/nginx.service"), "");  // not a unit of this host
  EXPECT_EQ(container("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + kId + ".scope"),
            "docker 4f1c6a5b0e3d");
  EXPECT_EQ(container("/docker/buildkit/" + kId), "docker 4f1c6a5b0e3d");
  EXPECT_EQ(container("/system.slice:docker:" + kId), "docker 4f1c6a5b0e3d");
  EXPECT_EQ(container("/ecs/0b9d0d6d8a2b4c6f9a1e1c3b5d7f9a0b/" + kId), " 4f1c6a5b0e3d");
}

TEST(Cgroup, FindsPodmanAndNotItsMonitor) {
  EXPECT_EQ(container("/machine.slice/libpod-" + kId + ".scope/container"), "podman 4f1c6a5b0e3d");
  EXPECT_EQ(container("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId + ".scope"),
            "podman 4f1c6a5b0e3d");
  EXPECT_EQ(container("/libpod_parent/libpod-" + kId), "podman 4f1c6a5b0e3d");
  EXPECT_EQ(container("/machine.slice/machine-libpod_pod_" + kOther + ".slice/libpod-" + kId + ".scope"),
            "podman 4f1c6a5b0e3d");
  EXPECT_EQ(container("/system.slice/web.service/libpod-payload-" + kId), "podman 4f1c6a5b0e3d");
  EXPECT_EQ(container("/machine.slice/libpod-conmon-" + kId + ".scope"), " ");
}

TEST(Cgroup, FindsKubernetesWithTheSystemdDriver) {
  const std::string pods =
      "/kubepods.slice/kubepods-burstable.slice/"
      "kubepods-burstable-pod1e2d3c4b_0000_4aaa_8bbb_123456789abc.slice/";
  EXPECT_EQ(container(pods + "cri-containerd-" + kId + ".scope"),
            "containerd 4f1c6a5b0e3d2 1e2d3c4b-0000-4aaa-8bbb-123456789abc");
  EXPECT_EQ(container(pods + "crio-" + kId + ".scope"),
            "cri-o 4f1c6a5b0e3d2 1e2d3c4b-0000-4aaa-8bbb-123456789abc");
  EXPECT_EQ(container(pods + "crio-conmon-" + kId + ".scope"), "  1e2d3c4b-0000-4aaa-8bbb-123456789abc");
  EXPECT_EQ(container(pods + "docker-" + kId + ".scope/init.scope"),
            "docker 4f1c6a5b0e3d 1e2d3c4b-0000-4aaa-8bbb-123456789abc");
  EXPECT_EQ(container("/kubepods.slice/kubepods-pod0123456789abcdef0123456789abcdef.slice/cri-containerd-" +
                      kId + ".scope"),
            "containerd 4f1c6a5b0e3d2 0123456789abcdef0123456789abcdef");  // a static pod's uid has no dashes
  EXPECT_EQ(container("/system.slice/containerd.service/"
                      "kubepods-besteffort-pod1e2d3c4b_0000_4aaa_8bbb_123456789abc.slice:cri-containerd:" +
                      kId),
            "containerd 4f1c6a5b0e3d2 1e2d3c4b-0000-4aaa-8bbb-123456789abc");
}

TEST(Cgroup, FindsKubernetesWithTheCgroupfsDriver) {
  EXPECT_EQ(container("/kubepods/besteffort/pod1e2d3c4b-0000-4aaa-8bbb-123456789abc/" + kId),
            " 4f1c6a5b0e3d 1e2d3c4b-0000-4aaa-8bbb-123456789abc");
  EXPECT_EQ(container("/kubepods/pod1e2d3c4b-0000-4aaa-8bbb-123456789abc/crio-" + kId),
            "cri-o 4f1c6a5b0e3d2 1e2d3c4b-0000-4aaa-8bbb-123456789abc");
  EXPECT_EQ(container("/podium/pod1"), " ");
}

TEST(Cgroup, TheInnermostContainerCounts) {
  EXPECT_EQ(container("/docker/" + kOther +
                      "/kubelet/kubepods/burstable/pod1e2d3c4b-0000-4aaa-8bbb-123456789abc/" + kId),
            " 4f1c6a5b0e3d 1e2d3c4b-0000-4aaa-8bbb-123456789abc");
  EXPECT_EQ(container("/lxc.payload.ci/docker/" + kId), "docker 4f1c6a5b0e3d");
}

TEST(Cgroup, FindsLxcAndNspawn) {
  EXPECT_EQ(container("/lxc.payload.web1/system.slice/ssh.service"), "lxc web1");
  EXPECT_EQ(container("/lxc/101/ns/init.scope"), "lxc 101");
  EXPECT_EQ(container("/lxc.monitor.web1"), " ");
  EXPECT_EQ(container("/machine.slice/machine-my\\x2dbox.scope/payload"), "systemd-nspawn my-box");
  EXPECT_EQ(unit("/machine.slice/machine-my\\x2dbox.scope/payload"), "machine-my\\x2dbox.scope");
  EXPECT_EQ(container("/machine.slice/systemd-nspawn@debian.service/payload/init.scope"),
            "systemd-nspawn debian");
  EXPECT_EQ(container("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt"), " ");
}

TEST(Cgroup, NearlyAnIdIsNone) {
  EXPECT_EQ(container("/docker/" + kId.substr(1)), " ");
  EXPECT_EQ(container("/docker/" + kId + "0"), " ");
  EXPECT_EQ(container("/docker/g" + kId.substr(1)), " ");
  EXPECT_EQ(container("/system.slice/docker.service"), " ");
  EXPECT_EQ(container("/system.slice/docker-" + kId.substr(0, 12) + ".scope"), " ");
}

TEST(Cgroup, BrokenEscapesDoNotOverrun) {
  EXPECT_EQ(container("/machine.slice/machine-a\\x2.scope"), "systemd-nspawn a\\x2");
  EXPECT_EQ(container("/machine.slice/machine-a\\xzz.scope"), "systemd-nspawn a\\xzz");
  EXPECT_EQ(container("/machine.slice/machine-\\x1b[31m.scope"), "systemd-nspawn \x1b[31m");
}

TEST(CgroupMembership, UnifiedHostHasOneLine) {
  const auto membership = parse_membership("0::/system.slice/nginx.service\n");
  EXPECT_EQ(membership.path, "/system.slice/nginx.service");
  EXPECT_EQ(membership.unified_path, "/system.slice/nginx.service");
}

TEST(CgroupMembership, LegacyHostHasSystemdsHierarchy) {
  const auto membership = parse_membership(
      "11:pids:/system.slice/cron.service\n4:cpu,cpuacct:/system.slice\n1:name=systemd:/system.slice/"
      "cron.service\n");
  EXPECT_EQ(membership.path, "/system.slice/cron.service");
  EXPECT_EQ(membership.unified_path, "");
}

TEST(CgroupMembership, HybridHostPrefersSystemdToAnEmptyUnifiedPath) {
  const auto membership =
      parse_membership("9:name=systemd:/system.slice/a.service\n4:memory:/process_api/x\n0::/\n");
  EXPECT_EQ(membership.path, "/system.slice/a.service");
  EXPECT_EQ(membership.unified_path, "/");
}

TEST(CgroupMembership, HybridHostWithoutSystemdUsesTheUnifiedPath) {
  EXPECT_EQ(parse_membership("9:name=systemd:/\n4:memory:/process_api/x\n0::/web\n").path, "/web");
  EXPECT_EQ(parse_membership("9:name=systemd:/\n4:memory:/process_api/x\n0::/\n").path, "/");
}

TEST(CgroupMembership, AContainerInAnyHierarchyWins) {
  const auto membership =
      parse_membership("5:pids:/docker/" + kId + "\n1:name=systemd:/\n0::/system.slice/x.service\n");
  EXPECT_EQ(membership.path, "/docker/" + kId);
  EXPECT_EQ(membership.unified_path, "/system.slice/x.service");
}

TEST(CgroupMembership, ColonsInPathsAndRemovedCgroupsAreUnderstood) {
  EXPECT_EQ(parse_membership("0::/system.slice:docker:" + kId + "\n").path, "/system.slice:docker:" + kId);
  EXPECT_EQ(parse_membership("0::/system.slice/gone.service (deleted)\n").path, "/system.slice/gone.service");
}

TEST(CgroupMembership, MalformedLinesArePassedOver) {
  EXPECT_EQ(parse_membership("").path, "");
  EXPECT_EQ(parse_membership("nonsense\n3\n3:\n0::/x").path, "/x");
}

}  // namespace
}  // namespace socktrace::enrich
