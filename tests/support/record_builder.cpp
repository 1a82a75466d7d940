#include "support/record_builder.h"

#include <fmt/format.h>
#include <linux/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "support/event_builder.h"

namespace socktrace::test {
namespace {

std::string describe(const Owner& owner) {
  std::string text = fmt::format("{}/{}", owner.process->pid, owner.fd);
  if (owner.source == OwnerSource::inherited) text = fmt::format("{}i", owner.process->pid);
  if (owner.exited) text += '!';
  return text;
}

std::string describe_unix(const Socket& socket) {
  const SocketDetails details = socket.details ? *socket.details : SocketDetails();
  std::string text = fmt::format("u{} {}", socket.inode, details.name.empty() ? "*" : details.name);
  if (!details.peer_name.empty()) text += ">" + details.peer_name;
  return text + " " + std::string(otel_name(socket.state));
}

std::string describe(const Socket& socket) {
  if (is_unix(socket)) return describe_unix(socket);
  std::string text = fmt::format("#{} {}>{} ", socket.key.cookie, to_string(socket.family, socket.local),
                                 to_string(socket.family, socket.peer));
  return text + std::string(otel_name(socket.state));
}

std::string owners_of(const Socket& socket) {
  if (socket.owners.empty()) return "";
  std::string text = " owners";
  for (const Owner& owner : socket.owners) text += fmt::format(" {}", describe(owner));
  return text;
}

std::string describe(const Event& event) {
  std::string text = fmt::format("{} {}", name(event.kind), describe(event.socket));
  if (event.previous != State::none) text += fmt::format("<{}", otel_name(event.previous));
  if (event.process) text += fmt::format(" by {}", event.process->pid);
  text += owners_of(event.socket);
  if (event.error != 0) text += fmt::format(" errno {}{}", event.error, event.error_inferred ? "?" : "");
  if (event.gone) text += " gone";
  if (event.resync) text += " resync";
  return text;
}

}  // namespace

RecordBuilder::RecordBuilder(RecordKind kind, uint64_t cookie) {
  record.kind = kind;
  record.time_ns = kSecond;
  record.socket.key.cookie = cookie;
  record.socket.family = Family::inet;
  record.socket.protocol = IPPROTO_TCP;
  record.socket.type = SOCK_STREAM;
  record.socket.netns = kNetns;
  record.socket.options.known = true;
}

RecordBuilder& RecordBuilder::at(uint64_t time_ns) {
  return record.time_ns = time_ns, *this;
}

RecordBuilder& RecordBuilder::local(const std::string& text) {
  record.socket.local = endpoint(text);
  record.socket.family = family_of(text);
  return *this;
}

RecordBuilder& RecordBuilder::peer(const std::string& text) {
  record.socket.peer = endpoint(text);
  record.socket.family = family_of(text);
  return *this;
}

RecordBuilder& RecordBuilder::protocol(uint16_t protocol, uint8_t type) {
  record.socket.protocol = protocol;
  record.socket.type = type;
  return *this;
}

RecordBuilder& RecordBuilder::udp() {
  return protocol(IPPROTO_UDP, SOCK_DGRAM);
}

RecordBuilder& RecordBuilder::sk(uint64_t address) {
  return record.socket.key.sk = address, *this;
}

RecordBuilder& RecordBuilder::by(uint32_t pid, int32_t fd, uint32_t uid) {
  record.has_task = true;
  record.task.pid = record.task.tid = pid;
  record.task.uid = uid;
  record.task.fd = fd;
  record.task.start_ns = uint64_t{pid} * kSecond;
  record.task.comm = fmt::format("p{}", pid);
  return *this;
}

RecordBuilder& RecordBuilder::thread(uint32_t tid) {
  return record.task.tid = tid, *this;
}

RecordBuilder& RecordBuilder::result(int32_t error) {
  record.has_result = true;
  record.error = error;
  return *this;
}

RecordBuilder& RecordBuilder::error(int32_t error) {
  return record.error = error, *this;
}

RecordBuilder& RecordBuilder::gave_up() {
  return record.gave_up = true, *this;
}

RecordBuilder& RecordBuilder::awaited() {
  return record.is_awaited = true, *this;
}

RecordBuilder& RecordBuilder::mini(State state) {
  record.has_mini = true;
  record.mini_state = state;
  return *this;
}

RecordBuilder& RecordBuilder::stats(uint64_t received, uint64_t sent) {
  record.has_stats = true;
  record.stats.bytes_received = received;
  record.stats.bytes_sent = sent;
  return *this;
}

RecordBuilder& RecordBuilder::backlog(uint32_t backlog) {
  return record.backlog = backlog, *this;
}

RecordBuilder& RecordBuilder::locked() {
  return record.socket.options.port_locked = true, *this;
}

RecordBuilder& RecordBuilder::v6_only() {
  return record.socket.options.v6_only = true, *this;
}

RecordBuilder& RecordBuilder::state(State state) {
  record.new_state = record.socket.state = state;
  return *this;
}

RecordBuilder& RecordBuilder::inode(uint32_t inode) {
  return record.socket.inode = inode, *this;
}

RecordBuilder& RecordBuilder::unix_socket(uint32_t inode) {
  record.socket.key = {0, inode};
  record.socket.family = Family::unix;
  record.socket.options = {};
  return protocol(0, SOCK_STREAM).inode(inode);
}

RecordBuilder& RecordBuilder::type(uint8_t type) {
  return record.socket.type = type, *this;
}

RecordBuilder& RecordBuilder::name(const std::string& name) {
  return record.socket.details.make().name = name, *this;
}

RecordBuilder& RecordBuilder::peer_name(const std::string& name) {
  return record.socket.details.make().peer_name = name, *this;
}

RecordBuilder& RecordBuilder::peer_inode(uint32_t inode) {
  return record.socket.details.make().peer_inode = inode, *this;
}

RecordBuilder transition(State from, State to, uint64_t cookie) {
  RecordBuilder built(RecordKind::state, cookie);
  built.record.old_state = from;
  return built.state(to);
}

DumpRow::DumpRow(uint64_t cookie, State state, const std::string& local, const std::string& peer) {
  socket.key.cookie = cookie;
  socket.state = state;
  socket.local = endpoint(local);
  socket.peer = endpoint(peer);
  socket.family = family_of(local);
  socket.protocol = IPPROTO_TCP;
  socket.type = SOCK_STREAM;
  socket.netns = kNetns;
}

DumpRow& DumpRow::owner(uint32_t pid, int32_t fd) {
  Process owner;
  owner.pid = pid;
  owner.start_ns = uint64_t{pid} * kSecond;
  owner.name = fmt::format("p{}", pid);
  socket.owners.push_back(
      {.process = std::make_shared<Process>(owner), .fd = fd, .source = OwnerSource::descriptor});
  if (socket.inode == 0) socket.inode = 1000 + static_cast<uint32_t>(socket.key.cookie);
  return *this;
}

DumpRow& DumpRow::inode(uint32_t inode) {
  return socket.inode = inode, *this;
}

DumpRow& DumpRow::netns(uint32_t netns) {
  return socket.netns = netns, *this;
}

DumpRow& DumpRow::protocol(uint16_t protocol, uint8_t type) {
  socket.protocol = protocol;
  socket.type = type;
  return *this;
}

DumpRow& DumpRow::unix_socket(uint32_t inode) {
  socket.family = Family::unix;
  return protocol(0, SOCK_STREAM).inode(inode);
}

DumpRow& DumpRow::name(const std::string& name) {
  if (!name.empty()) socket.details.make().name = name;
  return *this;
}

Tracked::Tracked(TrackerOptions options)
    : tracker(
          table, [this](const Task& task) { return process(task); },
          [this](Event&& event) { events.push_back(std::move(event)); }, options) {}

ProcessRef Tracked::process(const Task& task) {
  ProcessRef& known = processes_[task.pid];
  if (!known) {
    Process made;
    made.pid = task.pid;
    made.start_ns = task.start_ns;
    made.uid = task.uid;
    made.name = task.comm;
    known = std::make_shared<const Process>(made);
  }
  return known;
}

Tracked& Tracked::operator<<(const Record& record) {
  tracker.apply(record);
  return *this;
}

ReconcileCounts Tracked::dump(uint64_t started_ns, const std::vector<DumpRow>& rows, bool resync,
                              const std::vector<uint64_t>& gone) {
  tracker.begin_dump(started_ns, resync);
  for (const DumpRow& row : rows) tracker.dump_row(Socket(row.socket));
  suspects.clear();
  for (const Socket& suspect : tracker.suspects({{kNetns}, {}})) {
    suspects.push_back(suspect.key);
    if (std::count(gone.begin(), gone.end(), is_unix(suspect) ? suspect.inode : suspect.key.cookie) != 0)
      tracker.confirm_gone(suspect.key, started_ns + 1000);
  }
  return tracker.finish_dump(started_ns + 1000);
}

std::string Tracked::told() {
  std::string text;
  for (; told_ < events.size(); ++told_) text += describe(events[told_]) + "\n";
  return text;
}

std::string Tracked::told_all() const {
  std::string text;
  for (const Event& event : events) text += describe(event) + "\n";
  return text;
}

std::string Tracked::rows() const {
  std::map<uint64_t, std::string> lines;
  table.for_each([&](const Socket& row) { lines[row.key.cookie] += describe(row) + owners_of(row) + "\n"; });
  std::string text;
  for (const auto& [cookie, line] : lines) text += line;
  return text;
}

size_t Tracked::count(EventKind kind) const {
  return static_cast<size_t>(
      std::count_if(events.begin(), events.end(), [&](const Event& event) { return event.kind == kind; }));
}

const Event& Tracked::last(EventKind kind) const {
  static const Event none;
  const auto found =
      std::find_if(events.rbegin(), events.rend(), [&](const Event& event) { return event.kind == kind; });
  return found == events.rend() ? none : *found;
}

}  // namespace socktrace::test
