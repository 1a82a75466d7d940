#include "enrich/cgroup.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace socktrace::enrich {
namespace {

using std::string_view;

bool cut_prefix(string_view& text, string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool cut_suffix(string_view& text, string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

bool all_of(string_view text, string_view allowed) {
  return text.find_first_not_of(allowed) == text.npos;
}

// Ids of all OCI runtimes are 64 lower-case hexadecimal digits.
bool is_container_id(string_view text) {
  return text.size() == 64 && all_of(text, "0123456789abcdef");
}

std::vector<string_view> split_path(string_view path) {
  std::vector<string_view> parts;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const string_view part = path.substr(0, end);
    // ".." leads out of our cgroup namespace: what follows is named as from the host.
    if (!part.empty() && part != "..") parts.push_back(part);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

// systemd writes characters that a unit name may not have as \xHH, and '/' as '-'.
std::string unescape_unit(string_view name) {
  std::string text;
  for (size_t i = 0; i < name.size(); ++i) {
    uint8_t byte = 0;
    const char* digits = name.data() + i + 2;
    if (name.substr(i).starts_with("\\x") && i + 4 <= name.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      text += static_cast<char>(byte);
      i += 3;
    } else {
      text += name[i];
    }
  }
  return text;
}

bool is_slice(string_view part) {
  return part.size() > 6 && part.ends_with(".slice");
}

// A cgroup of a systemd unit that holds processes. systemd puts '_' before a name that would collide with a
// file of the cgroup filesystem (cg_escape).
string_view unit_of(string_view part) {
  cut_prefix(part, "_");
  for (const string_view type : {".service", ".scope", ".socket", ".mount", ".swap"})
    if (part.size() > type.size() && part.ends_with(type)) return part;
  return {};
}

string_view first_unit(const std::vector<string_view>& parts, size_t& at) {
  while (at < parts.size() && is_slice(parts[at])) ++at;
  return at < parts.size() ? unit_of(parts[at++]) : string_view{};
}

void find_unit(const std::vector<string_view>& parts, Placement& placement) {
  size_t at = 0;
  placement.unit = first_unit(parts, at);
  if (!placement.unit.starts_with("user@")) return;
  const string_view below = first_unit(parts, at);
  if (below.empty() || below == "init.scope") return;  // init.scope: the user's manager itself
  placement.unit = below;
  placement.user_unit = true;
}

struct Runtime {
  string_view prefix;  // of a cgroup named PREFIX-ID or PREFIX-ID.scope
  string_view name;
};

// "-conmon-" cgroups hold the container's monitor, which is outside of it, and match none of these.
constexpr std::array<Runtime, 7> kRuntimes = {{
    {"docker-", "docker"},
    {"libpod-payload-", "podman"},
    {"libpod-", "podman"},
    {"cri-containerd-", "containerd"},
    {"nerdctl-", "containerd"},
    {"crio-", "cri-o"},
    {"containerd-", "containerd"},
}};

bool find_oci(string_view part, string_view parent, Placement& placement) {
  // "SLICE:PREFIX:ID": a systemd-style path given to a runtime that does not use systemd
  if (const size_t last = part.rfind(':'); last != part.npos && is_container_id(part.substr(last + 1))) {
    const string_view front = part.substr(0, last);
    const std::string prefix = std::string(front.substr(front.rfind(':') + 1)) + "-";
    const auto* known = std::find_if(kRuntimes.begin(), kRuntimes.end(),
                                     [&](const Runtime& runtime) { return runtime.prefix == prefix; });
    placement.container = part.substr(last + 1);
    if (known != kRuntimes.end()) placement.runtime = known->name;
    return true;
  }
  string_view id = part;
  cut_suffix(id, ".scope");
  if (is_container_id(id)) {
    placement.container = id;
    if (parent == "docker" || parent == "buildkit") placement.runtime = "docker";
    if (parent == "libpod_parent") placement.runtime = "podman";
    return true;
  }
  for (const Runtime& runtime : kRuntimes) {
    string_view rest = id;
    if (!cut_prefix(rest, runtime.prefix) || !is_container_id(rest)) continue;
    placement.container = rest;
    placement.runtime = runtime.name;
    return true;
  }
  return false;
}

bool find_system_container(string_view part, string_view parent, Placement& placement) {
  string_view name = part;
  if (cut_prefix(name, "lxc.payload.") || parent == "lxc") {
    placement.container = name;
    placement.runtime = "lxc";
    return !name.empty();
  }
  if (parent != "machine.slice") return false;
  const bool scope = cut_prefix(name, "machine-") && cut_suffix(name, ".scope");
  if (!scope) {
    name = part;
    if (!cut_prefix(name, "systemd-nspawn@") || !cut_suffix(name, ".service")) return false;
  }
  const std::string machine = unescape_unit(name);
  if (machine.empty() || machine.starts_with("qemu-")) return false;  // libvirt's virtual machines are none
  placement.container = machine;
  placement.runtime = "systemd-nspawn";
  return true;
}

// "kubepods-burstable-podUID.slice" with '_' for '-' (systemd driver), or "podUID" below "kubepods" (cgroupfs
// driver).
std::string pod_of(string_view part, bool below_kubepods) {
  if (string_view uid = part; below_kubepods && cut_prefix(uid, "pod"))
    return uid.size() >= 32 && all_of(uid, "0123456789abcdef-") ? std::string(uid) : "";
  string_view name = part;
  const size_t at = name.rfind("-pod");
  if (at == name.npos || name.find("kubepods") == name.npos) return "";
  name.remove_prefix(at + 4);
  name = name.substr(0, name.find(".slice"));
  std::string uid(name);
  std::replace(uid.begin(), uid.end(), '_', '-');
  return uid.size() >= 32 && all_of(uid, "0123456789abcdef-") ? uid : "";
}

}  // namespace

Placement placement_of(string_view path) {
  const std::vector<string_view> parts = split_path(path);
  Placement placement;
  find_unit(parts, placement);
  bool below_kubepods = false;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (std::string pod = pod_of(parts[i], below_kubepods); !pod.empty()) placement.pod = std::move(pod);
    below_kubepods = below_kubepods || parts[i] == "kubepods";
    const string_view parent = i > 0 ? parts[i - 1] : string_view{};
    Placement found;
    if (!find_oci(parts[i], parent, found) && !find_system_container(parts[i], parent, found)) continue;
    placement.container = std::move(found.container);
    placement.runtime = std::move(found.runtime);
  }
  return placement;
}

CgroupMembership parse_membership(string_view text) {
  std::vector<string_view> others;
  string_view systemd;
  string_view unified;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const string_view controllers = line.substr(first + 1, second - first - 1);
    string_view path = line.substr(second + 1);
    cut_suffix(path, " (deleted)");
    if (controllers.empty() && line.starts_with("0:"))
      unified = path;
    else if (controllers == "name=systemd")
      systemd = path;
    else
      others.push_back(path);
  }
  std::vector<string_view> candidates = {systemd, unified};
  candidates.insert(candidates.end(), others.begin(), others.end());

  CgroupMembership membership;
  membership.unified_path = unified;
  for (const string_view path : candidates) {
    if (placement_of(path).container.empty()) continue;
    membership.path = path;
    return membership;
  }
  membership.path = systemd.size() > 1 || unified.empty() ? systemd : unified;
  return membership;
}

std::string short_container_id(const Placement& placement) {
  if (!is_container_id(placement.container)) return placement.container;
  const bool cri = placement.runtime == "containerd" || placement.runtime == "cri-o";
  return placement.container.substr(0, cri ? 13 : 12);
}

}  // namespace socktrace::enrich
