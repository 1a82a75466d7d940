#include "core/log/decode_socket.h"

#include <arpa/inet.h>

#include <charconv>

#include "core/log/words.h"

namespace socktrace {
namespace {

struct EndText {
  std::string_view address;
  uint16_t port = 0;
};

bool parse_ipv4(std::string_view text, AddressBytes& out) {
  const char* cursor = text.data();
  const char* end = cursor + text.size();
  for (size_t i = 0; i < 4; ++i) {
    if (i > 0 && (cursor == end || *cursor++ != '.')) return false;
    const auto [next, failure] = std::from_chars(cursor, end, out[i]);
    if (failure != std::errc{} || next == cursor) return false;
    cursor = next;
  }
  return cursor == end;
}

bool parse_ipv6(std::string_view text, AddressBytes& out) {
  char copy[INET6_ADDRSTRLEN] = "";
  if (text.size() >= sizeof copy) return false;
  text.copy(copy, text.size());
  return inet_pton(AF_INET6, copy, out.data()) == 1;
}

bool parse_end(Family family, const EndText& text, Endpoint& out) {
  out.port = text.port;
  if (text.address.empty()) return true;
  if (family == Family::inet) return parse_ipv4(text.address, out.address);
  return family == Family::inet6 && parse_ipv6(text.address, out.address);
}

}  // namespace

bool SocketReader::network(JsonValue& value, Socket& socket, State& previous) {
  EndText local;
  EndText peer;
  std::string_view transport;
  std::string_view type;
  const auto end = [&](std::string_view name, JsonValue& from, EndText& to) {
    return fields_.each_field(name, from, [&](std::string_view key, JsonValue& field) {
      if (key == "address") return fields_.word(key, field, to.address);
      if (key == "port") return fields_.number(key, field, to.port);
      return true;
    });
  };
  const auto state = [&](std::string_view key, JsonValue& from, State& to) {
    std::string_view word;
    if (!fields_.word(key, from, word)) return false;
    const std::optional<State> found = state_from_otel(word);
    if (!found) return fields_.refuse(key, "is not a socket state");
    to = *found;
    return true;
  };
  const bool read = fields_.each_field("network", value, [&](std::string_view key, JsonValue& field) {
    if (key == "transport") return fields_.word(key, field, transport);
    if (key == "type") return fields_.word(key, field, type);
    if (key == "local") return end(key, field, local);
    if (key == "peer") return end(key, field, peer);
    if (key == "connection")
      return fields_.each_field(key, field, [&](std::string_view inner, JsonValue& word) {
        if (inner == "state") return state(inner, word, socket.state);
        if (inner == "previous") return state(inner, word, previous);
        return true;
      });
    if (key == "direction") {
      std::string_view direction;
      if (!fields_.word(key, field, direction)) return false;
      socket.inbound = direction == "inbound";
    }
    return true;
  });
  if (!read) return false;
  if (type == "ipv4")
    socket.family = Family::inet;
  else if (type == "ipv6")
    socket.family = Family::inet6;
  else
    for (const FamilyWord& row : kFamilyWords)
      if (row.word == transport) socket.family = row.family;
  if (!parse_end(socket.family, local, socket.local)) return fields_.refuse("local", "has no valid address");
  if (!parse_end(socket.family, peer, socket.peer)) return fields_.refuse("peer", "has no valid address");
  return true;
}

bool SocketReader::socket(JsonValue& value, Socket& socket, const LineTimes& times, std::string& netns_name) {
  std::string_view since;
  bool has_since_ns = false;
  const auto relative = [&](std::string_view key, JsonValue& field, uint64_t& out) {
    int64_t t_ns = 0;
    if (!fields_.quantity(key, field, t_ns)) return false;
    if (times.has_t0) out = times.t0_ns + static_cast<uint64_t>(t_ns);
    return true;
  };
  const auto details = [&]() -> SocketDetails& { return socket.details.make(); };
  const bool read = fields_.each_field("socket", value, [&](std::string_view key, JsonValue& field) {
    if (key == "cookie") return fields_.digits(key, field, socket.key.cookie, 16);
    if (key == "sk") return fields_.digits(key, field, socket.key.sk, 16);
    if (key == "netns") return fields_.number(key, field, socket.netns);
    if (key == "netns_name") return fields_.bytes(key, field, netns_name);
    if (key == "inode") return fields_.number(key, field, socket.inode);
    if (key == "protocol") return fields_.number(key, field, socket.protocol);
    if (key == "type") {
      std::string_view word;
      if (field.raw_json_token().front() != '"') return fields_.number(key, field, socket.type);
      if (!fields_.word(key, field, word)) return false;
      const std::optional<size_t> type = value_of(kTypeWords, word);
      if (!type) return fields_.refuse(key, "is not a socket type");
      socket.type = static_cast<uint8_t>(*type);
      return true;
    }
    if (key == "uid") return fields_.number(key, field, socket.uid);
    if (key == "cgroup_id") return fields_.digits(key, field, socket.cgroup_id);
    if (key == "since") return fields_.word(key, field, since);
    if (key == "since_ns") {
      has_since_ns = times.has_t0;
      return relative(key, field, socket.opened_ns);
    }
    if (key == "since_is_bound") {
      bool is_bound = false;
      if (!fields_.boolean(key, field, is_bound)) return false;
      socket.since_is_bound = is_bound;
      return true;
    }
    if (key == "changed_ns") return relative(key, field, socket.changed_ns);
    if (key == "options") return options(field, socket.options);
    if (key == "shutdown") return fields_.number(key, field, socket.shutdown);
    if (key == "recv_q") return fields_.number(key, field, socket.recv_q);
    if (key == "send_q") return fields_.number(key, field, socket.send_q);
    if (key == "ifindex") return fields_.number(key, field, socket.ifindex);
    if (key == "mark") return fields_.number(key, field, socket.mark);
    if (key == "name") return fields_.bytes(key, field, details().name);
    if (key == "peer_name") return fields_.bytes(key, field, details().peer_name);
    if (key == "peer_inode") return fields_.number(key, field, details().peer_inode);
    if (key == "node") return fields_.number(key, field, details().node);
    if (key == "port") return fields_.number(key, field, details().port);
    if (key == "peer_node") return fields_.number(key, field, details().peer_node);
    if (key == "peer_port") return fields_.number(key, field, details().peer_port);
    if (key == "no_owner") {
      std::string_view word;
      if (!fields_.word(key, field, word)) return false;
      socket.no_owner = static_cast<NoOwner>(value_of(kNoOwnerWords, word).value_or(0));
      return true;
    }
    return true;
  });
  if (!read) return false;
  if (!has_since_ns && !since.empty()) {
    const Result<uint64_t> realtime_ns = parse_rfc3339(since);
    if (!realtime_ns) return fields_.refuse("since", "is not a time");
    socket.opened_ns = times.clock.boottime_ns(*realtime_ns);
  }
  return true;
}

bool SocketReader::options(JsonValue& value, BindOptions& options) {
  JsonArray array;
  if (value.get_array().get(array)) return fields_.refuse("options", "is not an array");
  return fields_.remembered("options", array, known_options_, options, [&](JsonArray& words) {
    return fields_.each_element("options", words, [&](JsonValue& item) {
      std::string_view word;
      if (!fields_.word("options", item, word)) return false;
      for (const OptionWord& option : kOptionWords)
        if (option.word == word) option.set(options);
      return true;
    });
  });
}

bool SocketReader::owners(JsonValue& value, std::vector<Owner>& owners) {
  return fields_.each_element("owners", value, [&](JsonValue& item) {
    JsonObject object;
    if (item.get_object().get(object)) return fields_.refuse("owners", "is not an object");
    Owner& owner = owners.emplace_back();
    return fields_.remembered("owners", object, known_owners_, owner,
                              [&](JsonObject& fields) { return this->owner(fields, owner); });
  });
}

bool SocketReader::owner(JsonObject& object, Owner& owner) {
  ProcessText text;
  const bool read = fields_.each_field(object, [&](std::string_view key, JsonValue& field) {
    if (key == "fd") return fields_.number(key, field, owner.fd);
    if (key == "exited") return fields_.boolean(key, field, owner.exited);
    if (key == "source") {
      std::string_view word;
      if (!fields_.word(key, field, word)) return false;
      owner.source = static_cast<OwnerSource>(value_of(kOwnerSourceWords, word).value_or(0));
      return true;
    }
    return process_field(key, field, text);
  });
  if (!read || !intern(text, owner.process)) return false;
  owner.tid = text.tid;
  return true;
}

bool SocketReader::conflicts(JsonValue& value, std::vector<Conflict>& conflicts, const LineTimes& times) {
  return fields_.each_element("conflict", value, [&](JsonValue& item) {
    conflicts.emplace_back();
    return conflict(item, conflicts.back(), times);
  });
}

bool SocketReader::parents(JsonValue& value, std::vector<Ancestor>& parents) {
  return fields_.each_element("parents", value, [&](JsonValue& item) {
    Ancestor& parent = parents.emplace_back();
    return fields_.each_field("parents", item, [&](std::string_view key, JsonValue& field) {
      if (key == "pid") return fields_.number(key, field, parent.pid);
      if (key == "name") return fields_.bytes(key, field, parent.name);
      return true;
    });
  });
}

bool SocketReader::conflict(JsonValue& value, Conflict& conflict, const LineTimes& times) {
  Socket& holder = conflict.holder;
  std::string same_netns;  // as the socket's that failed
  State ignored = State::none;
  const bool read = fields_.each_field("conflict", value, [&](std::string_view key, JsonValue& field) {
    if (key == "reason") return fields_.bytes(key, field, conflict.reason);
    if (key == "held_for") return fields_.bytes(key, field, conflict.held_for);
    if (key == "why") return fields_.bytes(key, field, conflict.why);
    if (key == "next") return fields_.bytes(key, field, conflict.next);
    if (key == "command") return fields_.bytes(key, field, conflict.command);
    if (key == "parents") return parents(field, conflict.parents);
    if (key == "network") return network(field, holder, ignored);
    if (key == "socket") return socket(field, holder, times, same_netns);
    if (key == "owners") return owners(field, holder.owners);
    return true;
  });
  return read;
}

}  // namespace socktrace
