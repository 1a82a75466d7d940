// The parts of a record that describe sockets and processes.
#include <charconv>
#include <cstring>

#include "core/log/encode.h"
#include "core/log/words.h"

namespace socktrace {
namespace {

void endpoint(JsonWriter& json, size_t start, Family family, const Endpoint& end) {
  json.word("address", address_text(family, end.address).view());
  json.number_unless_zero("port", end.port);
  json.end(start);
}

// "ipv4", "ipv6"; for other families transport() says enough.
std::string_view network_type(Family family) {
  return family == Family::inet ? "ipv4" : family == Family::inet6 ? "ipv6" : "";
}

}  // namespace

void LogEncoder::network(const Socket& socket, State previous, std::string_view direction) {
  const size_t start = json_.begin("network");
  json_.word("transport", transport(socket));
  json_.word("type", network_type(socket.family));
  if (!network_type(socket.family).empty()) {
    endpoint(json_, json_.begin("local"), socket.family, socket.local);
    if (socket.peer != Endpoint{}) endpoint(json_, json_.begin("peer"), socket.family, socket.peer);
  }
  const size_t connection = json_.begin("connection");
  json_.word("state", otel_name(socket.state));
  json_.word("previous", otel_name(previous));
  json_.end(connection);
  json_.word("direction", direction);
  json_.end(start);
}

void LogEncoder::socket(const Socket& socket, uint64_t time_ns) {
  const size_t start = json_.begin("socket");
  if (socket.key.cookie != 0) json_.hex("cookie", socket.key.cookie);
  if (socket.key.sk != 0) json_.hex("sk", socket.key.sk);
  json_.number_unless_zero("netns", socket.netns);
  if (netns_) json_.bytes("netns_name", netns_->foreign_name(socket.netns));
  json_.number_unless_zero("inode", socket.inode);
  json_.number_unless_zero("protocol", socket.protocol);
  const std::string_view type = word_of(kTypeWords, socket.type);
  if (!type.empty())
    json_.word("type", type);
  else
    json_.number_unless_zero("type", socket.type);
  if (socket.uid != UINT32_MAX) json_.number("uid", socket.uid);
  if (socket.cgroup_id != 0) json_.digits("cgroup_id", socket.cgroup_id);
  if (socket.opened_ns != 0) {
    json_.word("since", timestamp(socket.opened_ns));
    json_.quantity("since_ns", static_cast<int64_t>(socket.opened_ns - t0_ns_));
  }
  json_.yes("since_is_bound", socket.since_is_bound);
  if (socket.changed_ns != 0 && socket.changed_ns != time_ns)
    json_.quantity("changed_ns", static_cast<int64_t>(socket.changed_ns - t0_ns_));
  const size_t options = json_.begin("options", '[');
  for (const OptionWord& option : kOptionWords)
    if (option.get(socket.options)) json_.word_element(option.word);
  json_.end(options, ']');
  json_.number_unless_zero("shutdown", socket.shutdown);
  json_.number_unless_zero("recv_q", socket.recv_q);
  json_.number_unless_zero("send_q", socket.send_q);
  json_.number_unless_zero("ifindex", socket.ifindex);
  json_.number_unless_zero("mark", socket.mark);
  if (socket.details) {
    json_.bytes("name", socket.details->name);
    json_.bytes("peer_name", socket.details->peer_name);
    json_.number_unless_zero("peer_inode", socket.details->peer_inode);
    json_.number_unless_zero("node", socket.details->node);
    json_.number_unless_zero("port", socket.details->port);
    json_.number_unless_zero("peer_node", socket.details->peer_node);
    json_.number_unless_zero("peer_port", socket.details->peer_port);
  }
  json_.word("no_owner", word_of(kNoOwnerWords, static_cast<size_t>(socket.no_owner)));
  json_.end(start);
}

void LogEncoder::process_fields(const Process& process) {
  if (process.start_ns != 0) json_.digits("start_ns", process.start_ns);
  json_.bytes("name", process.name);
  const size_t executable = json_.begin("executable");
  json_.bytes("path", process.executable);
  json_.end(executable);
  const size_t user = json_.begin("user");
  if (process.uid != UINT32_MAX) json_.number("id", process.uid);
  json_.bytes("name", process.user);
  json_.end(user);
  const size_t linux_fields = json_.begin("linux");
  json_.bytes("cgroup", process.cgroup);
  json_.end(linux_fields);
  json_.bytes("unit", process.unit);
  const size_t container = json_.begin("container");
  json_.bytes("id", process.container);
  json_.end(container);
}

// An owner that is the process of the event itself is named by pid and name alone: neither `user` nor `start_ns`.
void LogEncoder::owners(const Socket& socket, const ProcessRef& known) {
  if (socket.owners.empty()) return;
  const size_t start = json_.begin("owners", '[');
  for (const Owner& owner : socket.owners) {
    if (!owner.process) continue;
    const size_t element = json_.begin_element();
    json_.number("pid", owner.process->pid);
    json_.number_unless_zero("tid", owner.tid);
    if (known && (known == owner.process || *known == *owner.process))
      json_.bytes("name", owner.process->name);
    else
      process_fields(*owner.process);
    if (owner.fd >= 0) json_.number("fd", static_cast<uint64_t>(owner.fd));
    json_.word("source", word_of(kOwnerSourceWords, static_cast<size_t>(owner.source)));
    json_.yes("exited", owner.exited);
    json_.end(element);
  }
  json_.end(start, ']');
}

void LogEncoder::holder(const Socket& holder, uint64_t time_ns) {
  const size_t element = json_.begin_element();
  network(holder, State::none, holder.inbound ? "inbound" : "");
  socket(holder, time_ns);
  owners(holder, nullptr);
  json_.end(element);
}

// What is asked most stands in front (process, local, since); the complete holder follows.
void LogEncoder::conflict(const Conflict& conflict, uint64_t time_ns) {
  const Socket& holder = conflict.holder;
  const size_t start = json_.begin_element();
  json_.bytes("reason", conflict.reason);
  if (!holder.owners.empty() && holder.owners.front().process) {
    const size_t process = json_.begin("process");
    json_.number("pid", holder.owners.front().process->pid);
    json_.bytes("name", holder.owners.front().process->name);
    json_.end(process);
  }
  if (!network_type(holder.family).empty())
    endpoint(json_, json_.begin("local"), holder.family, holder.local);
  if (holder.opened_ns != 0) json_.word("since", timestamp(holder.opened_ns));
  json_.bytes("held_for", conflict.held_for);
  json_.bytes("why", conflict.why);
  json_.bytes("next", conflict.next);
  json_.bytes("command", conflict.command);
  if (!conflict.parents.empty()) {
    const size_t parents = json_.begin("parents", '[');
    for (const Ancestor& parent : conflict.parents) {
      const size_t element = json_.begin_element();
      json_.number("pid", parent.pid);
      json_.bytes("name", parent.name);
      json_.end(element);
    }
    json_.end(parents, ']');
  }
  network(holder, State::none, holder.inbound ? "inbound" : "");
  socket(holder, time_ns);
  owners(holder, nullptr);
  json_.end(start);
}

}  // namespace socktrace
