#include "diagnose/port_answer.h"

#include <netinet/in.h>

#include <algorithm>

#include "diagnose/claim.h"

namespace socktrace::diagnose {
namespace {

struct OptionSet {
  bool reuse_address;
  bool reuse_port;
  bool v6_only;
};

// Fewest first.
constexpr OptionSet kOptionSets[] = {{true, false, false}, {false, true, false}, {false, false, true},
                                     {true, true, false},  {true, false, true},  {false, true, true},
                                     {true, true, true}};

// A server binds, and listens if it is TCP; each may fail.
Verdict serve(BindRequest request, SocketSpan sockets, const HostFacts& facts) {
  request.options.known = true;
  request.options.v6_only_known = true;
  Verdict verdict = explain(request, sockets, facts);
  if (verdict.error != 0 || request.protocol != IPPROTO_TCP) return verdict;
  request.is_listen = true;
  return explain(request, sockets, facts);
}

std::vector<std::string> works_with(BindRequest request, SocketSpan sockets, const HostFacts& facts) {
  const bool dual_stack =
      request.family == Family::inet6 && is_wildcard(Family::inet6, request.local.address);
  for (const OptionSet& set : kOptionSets) {
    if (set.v6_only && !dual_stack) continue;
    request.options.reuse_address = set.reuse_address;
    request.options.reuse_port = set.reuse_port;
    request.options.v6_only = set.v6_only;
    const Verdict verdict = serve(request, sockets, facts);
    if (verdict.error != 0) continue;
    std::vector<std::string> names;
    if (set.reuse_address) names.emplace_back("SO_REUSEADDR");
    if (set.reuse_port) names.emplace_back("SO_REUSEPORT");
    if (set.v6_only) names.emplace_back("IPV6_V6ONLY");
    return names;
  }
  return {};
}

Trial try_at(Family family, const Where& where, uint16_t protocol, const Asker& asker, SocketSpan sockets,
             const HostFacts& facts) {
  Trial trial;
  BindRequest& request = trial.request;
  request.netns = sockets.empty() ? 0 : sockets.front()->netns;
  request.protocol = protocol;
  request.family = family;
  request.local = {where.address, where.port};
  request.uid = asker.uid;
  request.capable_net_bind = asker.capable_net_bind;
  trial.verdict = serve(request, sockets, facts);
  if (trial.verdict.error != 0) trial.works_with = works_with(request, sockets, facts);
  return trial;
}

bool blocks(const std::vector<Trial>& trials, const Socket& socket) {
  return std::ranges::any_of(trials, [&](const Trial& trial) {
    return std::ranges::any_of(trial.verdict.conflicts,
                               [&](const Conflict& conflict) { return conflict.holder.key == socket.key; });
  });
}

bool is_of(uint16_t protocol, const Socket& socket) {
  return protocol == IPPROTO_TCP ? is_tcp(socket) : socket.protocol == protocol;
}

}  // namespace

std::vector<PortAnswer> answer(const Where& where, const Asker& asker, SocketSpan sockets,
                               const HostFacts& facts) {
  std::vector<PortAnswer> answers;
  for (const uint16_t protocol : {uint16_t{IPPROTO_TCP}, uint16_t{IPPROTO_UDP}}) {
    if (where.protocol != 0 && where.protocol != protocol) continue;
    PortAnswer& answer = answers.emplace_back();
    answer.protocol = protocol;
    for (const Family family : {Family::inet, Family::inet6})
      if (where.family == Family::unspecified || where.family == family)
        answer.trials.push_back(try_at(family, where, protocol, asker, sockets, facts));
    for (const Socket* socket : sockets)
      if (socket->local.port == where.port && is_of(protocol, *socket) && !blocks(answer.trials, *socket))
        answer.bystanders.push_back(socket);
  }
  return answers;
}

bool meets(const PortAnswer& answer, const Socket& socket) {
  return is_of(answer.protocol, socket) && std::ranges::any_of(answer.trials, [&](const Trial& trial) {
           return socket.local.port == trial.request.local.port &&
                  addresses_overlap(claim_of(trial.request), claim_of(socket, Unknown::blocks));
         });
}

}  // namespace socktrace::diagnose
