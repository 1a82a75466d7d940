#include "core/ss/selection.h"

#include <strings.h>

#include <array>

namespace socktrace::ss {
namespace {

using diag::bit;
using diag::Table;
using diag::TableSet;

constexpr FamilySet kInetFamilies = ss::bit(Family::inet) | ss::bit(Family::inet6);
// ss has no UDP-Lite: it is shown to who asks for it by name (-A).
constexpr TableSet kInetOfSs = diag::kInetTables & ~bit(Table::udplite);
constexpr TableSet kDefaultTables = kInetOfSs | diag::kUnixTables | diag::kPacketTables |
                                    bit(Table::netlink) | diag::kVsockTables | bit(Table::xdp);

struct Default {
  TableSet tables;
  FamilySet families;
  StateMask states;
};

// What choosing a table implies.
Default of_table(Table table) {
  const StateMask established = mask(State::established);
  const StateMask close = mask(State::close);
  switch (table) {
    case Table::udp:
    case Table::udplite:
    case Table::raw:
      return {bit(table), kInetFamilies, established};
    case Table::unix_stream:
    case Table::unix_seqpacket:
      return {bit(table), ss::bit(Family::unix), kConnected};
    case Table::unix_dgram:
      return {bit(table), ss::bit(Family::unix), close};
    case Table::packet_raw:
    case Table::packet_dgram:
      return {bit(table), ss::bit(Family::packet), close};
    case Table::netlink:
      return {bit(table), ss::bit(Family::netlink), close};
    case Table::vsock_stream:
    case Table::vsock_dgram:
      return {bit(table), ss::bit(Family::vsock), kConnected};
    case Table::tipc:
      return {bit(table), ss::bit(Family::tipc), established | mask(State::listen) | close};
    case Table::xdp:
      return {bit(table), ss::bit(Family::xdp), close};
    default:
      return {bit(table), kInetFamilies, kConnected};
  }
}

// What choosing a family implies.
Default of_family(Family family) {
  const StateMask close = mask(State::close);
  switch (family) {
    case Family::inet:
    case Family::inet6:
      return {kInetOfSs, ss::bit(family), kConnected};
    case Family::unix:
      return {diag::kUnixTables, ss::bit(family), kConnected};
    case Family::packet:
      return {diag::kPacketTables, ss::bit(family), close};
    case Family::netlink:
      return {bit(Table::netlink), ss::bit(family), close};
    case Family::vsock:
      return {diag::kVsockTables, ss::bit(family), kConnected};
    case Family::tipc:
      return {bit(Table::tipc), ss::bit(family), mask(State::established) | mask(State::listen) | close};
    case Family::xdp:
      return {bit(Table::xdp), ss::bit(family), close};
    default:
      return {0, 0, 0};
  }
}

constexpr std::array kFamilies = {Family::inet,    Family::inet6, Family::unix, Family::packet,
                                  Family::netlink, Family::vsock, Family::tipc, Family::xdp};

struct TableName {
  std::string_view name;
  TableSet tables;
};

constexpr TableName kTableNames[] = {
    {"all", kDefaultTables},
    {"inet", kInetOfSs},
    {"tcp", bit(Table::tcp)},
    {"mptcp", bit(Table::mptcp)},
    {"udp", bit(Table::udp)},
    {"udplite", bit(Table::udplite)},  // beyond ss
    {"raw", bit(Table::raw)},
    {"dccp", bit(Table::dccp)},
    {"sctp", bit(Table::sctp)},
    {"unix", diag::kUnixTables},
    {"unix_stream", bit(Table::unix_stream)},
    {"u_str", bit(Table::unix_stream)},
    {"unix_dgram", bit(Table::unix_dgram)},
    {"u_dgr", bit(Table::unix_dgram)},
    {"unix_seqpacket", bit(Table::unix_seqpacket)},
    {"u_seq", bit(Table::unix_seqpacket)},
    {"packet", diag::kPacketTables},
    {"packet_raw", bit(Table::packet_raw)},
    {"p_raw", bit(Table::packet_raw)},
    {"packet_dgram", bit(Table::packet_dgram)},
    {"p_dgr", bit(Table::packet_dgram)},
    {"netlink", bit(Table::netlink)},
    {"tipc", bit(Table::tipc)},
    {"vsock", diag::kVsockTables},
    {"vsock_stream", bit(Table::vsock_stream)},
    {"v_str", bit(Table::vsock_stream)},
    {"vsock_dgram", bit(Table::vsock_dgram)},
    {"v_dgr", bit(Table::vsock_dgram)},
    {"xdp", bit(Table::xdp)},
};

struct StateName {
  std::string_view name;
  StateMask states;
};

constexpr StateMask kNotConnected = mask(State::close) | mask(State::listen);
constexpr StateMask kBucket = mask(State::syn_recv) | mask(State::time_wait);

constexpr StateName kStateNames[] = {
    {"established", mask(State::established)},
    {"syn-sent", mask(State::syn_sent)},
    {"syn-recv", mask(State::syn_recv)},
    {"syn-rcv", mask(State::syn_recv)},
    {"fin-wait-1", mask(State::fin_wait_1)},
    {"fin-wait-2", mask(State::fin_wait_2)},
    {"time-wait", mask(State::time_wait)},
    {"closed", mask(State::close)},
    {"close", mask(State::close)},
    {"unconnected", mask(State::close)},
    {"close-wait", mask(State::close_wait)},
    {"last-ack", mask(State::last_ack)},
    {"listening", mask(State::listen)},
    {"closing", mask(State::closing)},
    {"bound-inactive", mask(State::bound_inactive)},  // 6.8
    {"all", kAllStates},
    {"connected", kAllStates & ~kNotConnected},
    {"synchronized", kAllStates & ~kNotConnected & ~mask(State::syn_sent)},
    {"bucket", kBucket},
    {"big", kAllStates & ~kBucket},
};

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

void SelectionBuilder::add_table(Table table) {
  chosen_.tables |= bit(table);
  chosen_.named |= bit(table);
  chosen_.states |= of_table(table).states;
  default_ = false;
}

void SelectionBuilder::add_family(Family family) {
  chosen_.families |= ss::bit(family);
  if (!(kInetFamilies & ss::bit(family))) chosen_.named |= of_family(family).tables;
  chosen_.states |= of_family(family).states;
  chosen_.preferred = family;
  default_ = false;
}

void SelectionBuilder::set_states(StateMask states) {
  states_ = states;
}

bool SelectionBuilder::add_query(std::string_view list) {
  if (!saw_query_) {
    saw_query_ = true;
    default_ = false;
    chosen_.tables = 0;
    if (states_ == 0) states_ = kConnected;
  }
  while (!list.empty()) {
    const size_t comma = list.find(',');
    std::string_view name = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    const bool exclude = name.starts_with('!');
    if (exclude) name.remove_prefix(1);
    const TableName* found = nullptr;
    for (const TableName& candidate : kTableNames)
      if (candidate.name == name) found = &candidate;
    if (!found) return false;
    if (exclude) {
      chosen_.tables &= ~found->tables;
      continue;
    }
    const TableSet named = chosen_.named;
    for (int table = 0; table < diag::kTableCount; ++table)
      if (found->tables & bit(static_cast<Table>(table))) add_table(static_cast<Table>(table));
    if (found->tables == kDefaultTables || found->tables == kInetOfSs) chosen_.named = named;
  }
  return true;
}

bool SelectionBuilder::add_state_word(std::string_view name, bool exclude) {
  const std::optional<StateMask> states = states_from_name(name);
  if (!states) return false;
  if (!saw_state_word_) states_ = exclude ? kAllStates : 0;
  saw_state_word_ = true;
  if (exclude)
    states_ &= ~*states;
  else
    states_ |= *states;
  return true;
}

Selection SelectionBuilder::finish() const {
  Selection selection = chosen_;
  StateMask states = states_;
  if (default_) {
    selection.tables = kDefaultTables;
    if (states == 0) states = kConnected;
  }
  if (states != 0) selection.states = states;
  for (int index = 0; index < diag::kTableCount; ++index) {
    const Default implied = of_table(static_cast<Table>(index));
    if ((selection.tables & implied.tables) && !(implied.families & selection.families))
      selection.families |= implied.families;
  }
  for (Family family : kFamilies) {
    const Default implied = of_family(family);
    const TableSet all = (implied.families & kInetFamilies) ? diag::kInetTables : implied.tables;
    if ((selection.families & implied.families) && !(all & selection.tables))
      selection.tables |= implied.tables;
  }
  return selection;
}

bool selects(const Selection& selection, const diag::Row& row) {
  return (selection.tables & diag::bit(row.table)) != 0 &&
         (selection.families & bit(row.socket.family)) != 0 &&
         (selection.states & mask(row.socket.state)) != 0;
}

void select_family(Selection& selection, Family family) {
  selection.families = ss::bit(family);
  if (selection.states == 0) selection.states = of_family(family).states;
  selection.preferred = family;
}

std::optional<StateMask> states_from_name(std::string_view name) {
  for (const StateName& candidate : kStateNames)
    if (same_text(candidate.name, name)) return candidate.states;
  return std::nullopt;
}

std::optional<Family> family_from_name(std::string_view name) {
  if (name == "inet") return Family::inet;
  if (name == "inet6") return Family::inet6;
  if (name == "link") return Family::packet;
  if (name == "unix") return Family::unix;
  if (name == "netlink") return Family::netlink;
  if (name == "vsock") return Family::vsock;
  if (name == "tipc") return Family::tipc;
  if (name == "xdp") return Family::xdp;
  return std::nullopt;
}

}  // namespace socktrace::ss
