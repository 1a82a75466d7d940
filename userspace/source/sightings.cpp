#include "source/sightings.h"

#include <algorithm>

namespace socktrace::source {
namespace {

bool is_bind(const Record& record) {
  return record.kind == RecordKind::bind_ok || (record.kind == RecordKind::bind && record.error == 0);
}

bool is_failed_bind(const Record& record) {
  return record.kind == RecordKind::bind_attempt || (record.kind == RecordKind::bind && record.error != 0);
}

bool becomes(const Record& record, State state) {
  return record.kind == RecordKind::state && record.new_state == state;
}

// A step of the exercise: the socket that makes it, the record that shows it, and the hooks that write that record, as
// beginnings of their names.
struct Step {
  std::string_view what;
  bool vital;
  uint64_t sys::Exercise::*socket;
  bool (*shows)(const Record& record);
  std::array<std::string_view, 2> hooks;
  bool of_connection = false;
};

constexpr std::string_view kTransitions = "tp_btf/inet_sock_set_state";

constexpr std::array kSteps = {
    Step{"bind", false, &sys::Exercise::listener, is_bind, {"cgroup/post_bind4", "cgroup/bind4"}},
    Step{"listen",
         true,
         &sys::Exercise::listener,
         [](const Record& record) { return becomes(record, State::listen); },
         {kTransitions}},
    Step{"failed bind", false, &sys::Exercise::refused, is_failed_bind, {"cgroup/bind4"}},
    Step{"connect",
         true,
         &sys::Exercise::client,
         [](const Record& record) { return becomes(record, State::syn_sent); },
         {kTransitions},
         true},
    Step{"established",
         true,
         &sys::Exercise::accepted,
         [](const Record& record) { return becomes(record, State::established); },
         {kTransitions},
         true},
    Step{"accept",
         false,
         &sys::Exercise::accepted,
         [](const Record& record) { return record.kind == RecordKind::accept; },
         {"tracepoint/syscalls/sys_exit_accept4", "fexit/__sys_accept4"},
         true},
    Step{"close",
         true,
         &sys::Exercise::client,
         [](const Record& record) { return becomes(record, State::close); },
         {kTransitions},
         true},
    Step{"UDP bind", false, &sys::Exercise::datagram, is_bind, {"cgroup/post_bind4", "cgroup/bind4"}},
    Step{"UDP close",
         false,
         &sys::Exercise::datagram,
         [](const Record& record) { return record.kind == RecordKind::release; },
         {"cgroup/sock_release"}},
};

bool any_attached(const Step& step, const std::vector<probe::Hook>& hooks) {
  return std::any_of(hooks.begin(), hooks.end(), [&](const probe::Hook& hook) {
    return hook.attached && std::any_of(step.hooks.begin(), step.hooks.end(), [&](std::string_view name) {
             return !name.empty() && hook.name == name;
           });
  });
}

}  // namespace

bool Sightings::note(const Record& record) {
  static_assert(kSteps.size() == std::tuple_size_v<decltype(seen_)>);
  const uint64_t cookie = record.socket.key.cookie;
  const uint16_t port = record.socket.local.port;
  bool ours = false;
  for (size_t i = 0; i < kSteps.size(); ++i) {
    const Step& step = kSteps[i];
    // Before 5.12 a connection may have no cookie yet; then its listener's port tells.
    const bool same = cookie != 0 ? cookie == exercise_.*step.socket
                                  : step.socket == &sys::Exercise::accepted && port == exercise_.port;
    if (!same) continue;
    ours = true;
    if (step.shows(record)) seen_[i] = true;
  }
  return ours;
}

bool Sightings::is_looked_for(size_t step, const std::vector<probe::Hook>& hooks) const {
  return (connections_ || !kSteps[step].of_connection) && any_attached(kSteps[step], hooks);
}

std::vector<Sighting> Sightings::result(const std::vector<probe::Hook>& hooks) const {
  std::vector<Sighting> result = nothing_sighted();
  for (size_t i = 0; i < kSteps.size(); ++i)
    result[i].sight = seen_[i] ? Sight::seen : is_looked_for(i, hooks) ? Sight::missed : Sight::off;
  return result;
}

bool Sightings::complete(const std::vector<probe::Hook>& hooks) const {
  for (size_t i = 0; i < kSteps.size(); ++i)
    if (!seen_[i] && is_looked_for(i, hooks)) return false;
  return true;
}

std::vector<Sighting> nothing_sighted() {
  std::vector<Sighting> result;
  for (const Step& step : kSteps) result.push_back({step.what, Sight::untested, step.vital});
  return result;
}

}  // namespace socktrace::source
