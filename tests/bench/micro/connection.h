#pragma once

#include <array>
#include <cstddef>

#include "support/record_builder.h"

namespace socktrace::bench {

inline constexpr size_t kRecordsPerConnection = 8;

// What the hooks report of one loopback connection that the client resets, both ends: the records of the
// churn that the tracer is measured with.
inline std::array<Record, kRecordsPerConnection> connection(uint64_t client, uint64_t server,
                                                            uint64_t time_ns) {
  using test::RecordBuilder;
  using test::transition;
  const std::string near = "127.0.0.1:" + std::to_string(32'768 + client / 2 % 28'000);
  const std::string far = "127.0.0.1:80";
  const auto both = [&](RecordBuilder record, bool is_client) {
    record.local(is_client ? near : far).peer(is_client ? far : near);
    return record.at(++time_ns).record;
  };
  return {
      both(transition(State::close, State::syn_sent, client).by(100, 4), true),
      both(transition(State::syn_recv, State::established, server), false),
      both(transition(State::syn_sent, State::established, client), true),
      both(RecordBuilder(RecordKind::accept, server).state(State::established).by(200, 5).result(), false),
      both(RecordBuilder(RecordKind::release, client).state(State::established).by(100, 4), true),
      both(transition(State::established, State::close, client).stats(0, 0).error(104), true),
      both(transition(State::established, State::close, server).stats(0, 0).error(104), false),
      both(RecordBuilder(RecordKind::release, server).state(State::close).by(200, 5), false),
  };
}

}  // namespace socktrace::bench
