#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "bpf/abi.h"
#include "core/record.h"

namespace socktrace {
namespace {

constexpr uint8_t kKnownFlags =
    ST_F_TASK | ST_F_STATS | ST_F_RESULT | ST_F_MINI | ST_F_AWAITED | ST_F_NAME | ST_F_GIVEN_UP;
constexpr int kMaxErrno = 4095;

Error damaged(const std::string& what) {
  return {"decode record: " + what, ErrorKind::damaged};
}

// Takes one struct off the front; the length has been checked against the flags before.
template <typename T>
T take(std::span<const std::byte>& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof value);
  return value;
}

size_t length_of(uint8_t flags) {
  return sizeof(st_head) + sizeof(st_sock) + ((flags & ST_F_TASK) ? sizeof(st_task) : 0) +
         ((flags & ST_F_STATS) ? sizeof(st_stats) : 0) + ((flags & ST_F_NAME) ? sizeof(st_name) : 0);
}

bool is_state(uint8_t value) {
  return value < kStateCount;
}

Result<void> check(const st_head& head, size_t length) {
  if (head.kind < ST_STATE || head.kind > ST_SEND)
    return damaged("unknown kind " + std::to_string(head.kind));
  if (head.flags & ~kKnownFlags) return damaged("unknown flags " + std::to_string(head.flags));
  if (length != length_of(head.flags))
    return damaged(std::to_string(length) + " bytes, its flags say " + std::to_string(length_of(head.flags)));
  if (head.error < 0 || head.error > kMaxErrno) return damaged("errno " + std::to_string(head.error));
  return {};
}

Result<void> check(const st_head& head, const st_sock& sock) {
  if (!is_state(sock.old_state) || !is_state(sock.new_state))
    return damaged("state " + std::to_string(std::max(sock.old_state, sock.new_state)) + " out of range");
  const auto mini = static_cast<State>(sock.mini_state);
  const bool has_mini = head.flags & ST_F_MINI;
  if (has_mini ? mini != State::time_wait && mini != State::fin_wait_2 : mini != State::none)
    return damaged("mini-socket in state " + std::to_string(sock.mini_state));
  return {};
}

BindOptions options_of(const st_sock& sock) {
  BindOptions options;
  options.known = sock.options & ST_O_KNOWN;
  options.reuse_address = sock.options & ST_O_REUSEADDR;
  options.reuse_port = sock.options & ST_O_REUSEPORT;
  options.v6_only = sock.options & ST_O_V6ONLY;
  options.v6_only_known = options.known && sock.family == AF_INET6;
  options.port_locked = sock.options & ST_O_PORT_LOCKED;
  return options;
}

Endpoint endpoint(const __u8 (&address)[16], uint16_t port) {
  Endpoint result{{}, port};
  std::copy(std::begin(address), std::end(address), result.address.begin());
  return result;
}

Socket socket_of(const st_head& head, const st_sock& sock) {
  Socket socket;
  socket.key.cookie = head.cookie;
  if (sock.family == AF_UNIX)
    socket.key = {0, sock.inode};
  else if (sock.protocol == kMptcp || head.cookie == 0)
    socket.key.sk = head.sk;
  socket.local = endpoint(sock.laddr, sock.lport);
  socket.peer = endpoint(sock.raddr, sock.rport);
  socket.protocol = sock.protocol;
  socket.family = static_cast<Family>(sock.family);
  socket.type = sock.type;
  socket.state = static_cast<State>(sock.new_state);
  socket.options = options_of(sock);
  socket.netns = head.netns;
  socket.inode = sock.inode;
  socket.uid = sock.uid;
  socket.ifindex = sock.ifindex;
  socket.mark = sock.mark;
  return socket;
}

Task task_of(const st_task& raw) {
  Task task;
  task.pid = raw.pid;
  task.tid = raw.tid;
  task.uid = raw.uid;
  task.fd = raw.fd;
  task.start_ns = raw.start_ns;
  task.cgroup_id = raw.cgroup_id;
  const auto* comm = reinterpret_cast<const char*>(raw.comm);
  task.comm.assign(comm, strnlen(comm, sizeof raw.comm));
  return task;
}

// Which end it names depends on the call.
void take_name(Socket& socket, RecordKind kind, const st_name& raw) {
  std::string name = unix_name(std::as_bytes(std::span(raw.bytes, raw.length)));
  if (name.empty() && raw.peer_inode == 0) return;
  SocketDetails& details = socket.details.make();
  (kind == RecordKind::connect ? details.peer_name : details.name) = std::move(name);
  details.peer_inode = raw.peer_inode;
}

}  // namespace

Result<Record> decode(std::span<const std::byte> bytes) {
  const size_t length = bytes.size();
  if (length < sizeof(st_head) + sizeof(st_sock))
    return damaged(std::to_string(length) + " bytes, too short");
  const auto head = take<st_head>(bytes);
  if (Result<void> ok = check(head, length); !ok) return std::move(ok.error());
  const auto sock = take<st_sock>(bytes);
  if (Result<void> ok = check(head, sock); !ok) return std::move(ok.error());

  Record record;
  record.kind = static_cast<RecordKind>(head.kind);
  record.time_ns = head.time_ns;
  record.cpu = head.cpu;
  record.lost = head.lost;
  record.error = head.error;
  record.has_result = head.flags & ST_F_RESULT;
  record.has_task = head.flags & ST_F_TASK;
  record.has_stats = head.flags & ST_F_STATS;
  record.has_mini = head.flags & ST_F_MINI;
  record.is_awaited = head.flags & ST_F_AWAITED;
  record.gave_up = head.flags & ST_F_GIVEN_UP;
  record.old_state = static_cast<State>(sock.old_state);
  record.new_state = static_cast<State>(sock.new_state);
  record.mini_state = static_cast<State>(sock.mini_state);
  record.backlog = sock.backlog;
  record.socket = socket_of(head, sock);
  if (record.has_task) record.task = task_of(take<st_task>(bytes));
  if (record.has_stats) {
    const auto stats = take<st_stats>(bytes);
    record.stats = {stats.bytes_received, stats.bytes_sent, stats.srtt_us, stats.retransmits};
  }
  if (head.flags & ST_F_NAME) {
    const auto name = take<st_name>(bytes);
    if (name.length > sizeof name.bytes)
      return damaged("a name of " + std::to_string(name.length) + " bytes");
    take_name(record.socket, record.kind, name);
  }
  return record;
}

}  // namespace socktrace
