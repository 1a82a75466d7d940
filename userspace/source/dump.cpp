#include "source/dump.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <optional>
#include <string>

#include "core/filter/filter.h"
#include "sys/netlink.h"
#include "sys/read_ahead.h"
#include "sys/unique_fd.h"

namespace socktrace::source {
namespace {

using diag::Query;
using diag::Row;
using diag::Table;
using sys::DumpEnd;

constexpr int kMaxRepeats = 5;
constexpr size_t kManyRows = 1000;  // of one query: worth a thread for the next one

uint32_t current_netns() {
  struct stat status {};
  return stat("/proc/thread-self/ns/net", &status) == 0 ? static_cast<uint32_t>(status.st_ino) : 0;
}

// The tables one after another as sock_diag is asked for them: one query for all unix types, two per inet
// table.
std::vector<Query> queries(const DumpRequest& request) {
  std::vector<Query> list;
  diag::TableSet done = 0;
  for (int index = 0; index < diag::kTableCount; ++index) {
    const auto table = static_cast<Table>(index);
    if (!(request.tables & bit(table)) || (done & bit(table))) continue;
    for (diag::TableSet group : {diag::kPacketTables, diag::kUnixTables, diag::kVsockTables})
      if (group & bit(table)) done |= group;
    Query query{.table = table,
                .family = Family::unspecified,
                .states = request.states,
                .detail = request.detail,
                .bytecode = request.bytecode};
    if (!(bit(table) & diag::kInetTables)) {
      list.push_back(query);
      continue;
    }
    if (!request.connections && (table == Table::tcp || table == Table::mptcp))
      query.states &= mask(State::listen);
    query.family = Family::inet;
    if (request.inet) list.push_back(query);
    query.family = Family::inet6;
    if (request.inet6) list.push_back(query);
  }
  return list;
}

const char* proc_file(const Query& query) {
  const bool v4 = query.family == Family::inet;
  switch (query.table) {
    case Table::raw:
      return v4 ? "/proc/thread-self/net/raw" : "/proc/thread-self/net/raw6";
    case Table::udp:
      return v4 ? "/proc/thread-self/net/udp" : "/proc/thread-self/net/udp6";
    case Table::udplite:
      return v4 ? "/proc/thread-self/net/udplite" : "/proc/thread-self/net/udplite6";
    case Table::tcp:
      return v4 ? "/proc/thread-self/net/tcp" : "/proc/thread-self/net/tcp6";
    default:
      return nullptr;
  }
}

Result<DumpEnd> read_proc(const Query& query, const char* path, const RowSink& sink) {
  std::ifstream file(path);
  if (!file) return Error::system(std::string("open ") + path, errno);
  std::string line;
  std::getline(file, line);  // headings
  while (std::getline(file, line)) {
    Result<Row> row = diag::parse_proc_row(query.table, query.family, line);
    if (!row) return std::move(row.error()).within(path);
    if (!(query.states & mask(row->socket.state))) continue;
    if (!sink(std::move(*row))) return DumpEnd::stopped;
  }
  if (file.bad()) return Error::system(std::string("read ") + path, errno);
  return DumpEnd::complete;
}

// One query by sock_diag, each with its own socket: a dump that failed would disturb the next one.
Result<sys::Netlink> ask(const Query& query, std::optional<sys::Ahead> ahead) {
  Result<std::unique_ptr<sys::NetlinkTransport>> transport = sys::open_sock_diag();
  if (!transport) return std::move(transport.error());
  sys::Netlink netlink(ahead ? sys::read_ahead(std::move(*transport), std::move(*ahead))
                             : std::move(*transport));
  Result<void> asked = netlink.ask_for_dump(SOCK_DIAG_BY_FAMILY, diag::dump_request(query));
  if (!asked) return std::move(asked.error());
  return netlink;
}

Result<DumpEnd> read_netlink(sys::Netlink& netlink, const Query& query, const DumpRequest& request,
                             const RowSink& sink) {
  sys::Netlink::Coming coming;
  if (request.coming && (bit(query.table) & diag::kInetTables))
    coming = [&](std::span<const std::byte> message) {
      if (const uint32_t inode = diag::inet_inode(message)) request.coming(inode);
    };
  std::optional<Error> failure;
  const auto take = [&](uint16_t, std::span<const std::byte> message) {
    Result<Row> row = diag::parse_row(query.table, message);
    if (row) return sink(std::move(*row));
    failure = std::move(row.error());
    return false;
  };
  Result<DumpEnd> end = netlink.read_dump(take, coming);
  if (failure) return std::move(*failure);
  return end;
}

// The kernel knows no handler for the request: the table's diag module is missing.
bool is_missing(const Error& error) {
  return error.code == ENOENT || error.code == EPROTONOSUPPORT || error.code == EAFNOSUPPORT;
}

// No kernel is without these.
constexpr diag::TableSet kNeeded = bit(Table::tcp) | bit(Table::udp) | diag::kUnixTables;

// Stamps what the kernel does not say, and drops the types of a family that were not asked for.
RowSink completing(const DumpRequest& request, uint32_t netns, const RowSink& sink) {
  return [&request, netns, &sink, endpoint = uint32_t{0}](Row&& row) mutable {
    if (!(request.tables & bit(row.table))) return true;
    row.socket.netns = netns;
    if (row.table == Table::sctp) {
      row.association = row.socket.inode != 0 && row.socket.inode == endpoint;
      endpoint = row.socket.inode;
    }
    return sink(std::move(row));
  };
}

}  // namespace

std::vector<std::byte> bytecode_of_port(uint16_t port) {
  const std::array<std::string, 3> words = {"sport", "=", ":" + std::to_string(port)};
  const Result<Filter> filter = Filter::parse(words, {});
  std::optional<std::vector<std::byte>> bytecode;
  if (filter) bytecode = filter->bytecode({});
  return bytecode ? std::move(*bytecode) : std::vector<std::byte>();
}

Result<DumpReport> dump_rows(const DumpRequest& request, const RowSink& sink) {
  DumpReport report;
  const RowSink complete = completing(request, request.netns ? request.netns : current_netns(), sink);
  const std::vector<Query> list = queries(request);
  std::shared_ptr<sys::Baton> baton;  // which the query at hand hands over
  const auto ask_ahead = [&](const Query& query, sys::AheadFrom from) {
    if (!request.read_ahead) return ask(query, std::nullopt);
    sys::Ahead ahead{.from = from, .after = baton, .next = std::make_shared<sys::Baton>()};
    baton = ahead.next;
    return ask(query, std::move(ahead));
  };
  std::optional<sys::Netlink> next;
  for (size_t i = 0; i < list.size(); ++i) {
    const Query& query = list[i];
    Result<sys::Netlink> netlink = next ? std::move(*next) : ask_ahead(query, sys::AheadFrom::long_answer);
    next.reset();
    size_t rows = 0;
    const RowSink take = [&](Row&& row) {
      // For each family the kernel walks the whole table. It can do the other while many rows of one are still worked on, but
      // not at the cost of those.
      if (++rows == kManyRows && request.read_ahead && i + 1 < list.size()) {
        Result<sys::Netlink> asked = ask_ahead(list[i + 1], sys::AheadFrom::request);
        if (asked) next = std::move(*asked);  // else it is asked again in its turn
      }
      return complete(std::move(row));
    };
    Result<DumpEnd> end = netlink ? read_netlink(*netlink, query, request, take) : std::move(netlink.error());
    if (!end || *end == DumpEnd::stopped) next.reset();  // before it is handed the baton
    if (!end && is_missing(end.error())) {
      if (const char* path = proc_file(query)) end = read_proc(query, path, take);
      (end ? report.from_proc : report.missing) |= bit(query.table);
      if (!end && is_missing(end.error())) continue;
    }
    if (!end) return std::move(end.error()).within("dump sockets");
    if (*end == DumpEnd::stopped) break;
    if (*end == DumpEnd::interrupted) report.interrupted = true;
  }
  return report;
}

Result<TableAccess> table_access(Table table) {
  const Query query{
      .table = table, .family = Family::inet, .states = mask(State::none), .detail = {}, .bytecode = {}};
  Result<sys::Netlink> netlink = ask(query, {});
  if (!netlink) return std::move(netlink.error());
  const Result<DumpEnd> end = read_netlink(*netlink, query, {}, [](Row&&) { return false; });
  if (end) return TableAccess::sock_diag;
  if (!is_missing(end.error())) return end.error();
  const char* path = proc_file(query);
  return path != nullptr && std::ifstream(path) ? TableAccess::proc : TableAccess::none;
}

Result<diag::TableSet> dump_sockets(const DumpRequest& request, const std::function<void(Row&&)>& sink) {
  for (int attempt = 0; attempt < kMaxRepeats; ++attempt) {
    Result<DumpReport> report = dump_rows(request, [&](Row&& row) {
      sink(std::move(row));
      return true;
    });
    if (!report && report.error().code == ENOBUFS) continue;  // messages were lost on the way to us
    if (!report) return std::move(report.error());
    if (report->missing & kNeeded)
      return Error{
          "dump sockets: this kernel lists neither TCP nor UDP nor unix sockets by sock_diag; load "
          "tcp_diag, udp_diag, unix_diag",
          ErrorKind::unavailable, ENOENT};
    if (!report->interrupted) return report->missing;
  }
  return Error{"dump sockets: interrupted by changes, or overrun, again and again", ErrorKind::general,
               EAGAIN};
}

Result<std::optional<Socket>> find_socket(const Socket& socket) {
  const std::vector<std::byte> request = diag::get_request(socket);
  if (request.empty() || socket.type == SOCK_RAW)
    return Error{"find socket: not a kind that sock_diag finds one by one"};
  Result<std::unique_ptr<sys::NetlinkTransport>> transport = sys::open_sock_diag();
  if (!transport) return std::move(transport.error());
  sys::Netlink netlink(std::move(*transport));
  Result<std::optional<std::vector<std::byte>>> answer = netlink.get(SOCK_DIAG_BY_FAMILY, request);
  if (!answer) return std::move(answer.error()).within("find socket");
  if (!*answer) return std::optional<Socket>();
  Table table = Table::unix_stream;
  if (socket.family != Family::unix) {
    for (Table candidate : {Table::udp, Table::udplite, Table::tcp, Table::dccp, Table::sctp, Table::mptcp})
      if (diag::protocol(candidate) == socket.protocol) table = candidate;
    if (table == Table::unix_stream) return Error{"find socket: no table of its protocol"};
  }
  Result<Row> row = diag::parse_row(table, **answer);
  if (!row) return std::move(row.error()).within("find socket");
  // Asked for by addresses alone, the kernel answers for a connection that is gone with its listener (__inet_lookup).
  if (socket.key.cookie == 0 && row->socket.peer != socket.peer) return std::optional<Socket>();
  row->socket.netns = socket.netns;
  return std::optional(std::move(row->socket));
}

bool lists_bound_inactive() {
  const sys::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!fd || bind(fd.get(), generic, length) != 0 || getsockname(fd.get(), generic, &length) != 0)
    return false;
  bool listed = false;
  DumpRequest request;
  request.tables = bit(Table::tcp);
  request.states = mask(State::bound_inactive);
  request.inet6 = false;
  const Result<DumpReport> report = dump_rows(request, [&](Row&& row) {
    listed = row.socket.local.port == ntohs(address.sin_port);
    return !listed;
  });
  return report && listed;
}

Result<void> destroy_socket(const Socket& socket) {
  const std::vector<std::byte> request = diag::get_request(socket);
  if (request.empty() || socket.family == Family::unix)
    return Error{"only TCP, UDP, DCCP and SCTP sockets can be closed", ErrorKind::general, EOPNOTSUPP};
  Result<std::unique_ptr<sys::NetlinkTransport>> transport = sys::open_sock_diag();
  if (!transport) return std::move(transport.error());
  return sys::Netlink(std::move(*transport)).act(SOCK_DESTROY, request);
}

}  // namespace socktrace::source
