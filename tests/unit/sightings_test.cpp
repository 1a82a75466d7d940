#include "source/sightings.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace socktrace {
namespace {

using source::Sight;

constexpr sys::Exercise kExercise{.listener = 1,
                                  .refused = 2,
                                  .client = 3,
                                  .accepted = 4,
                                  .datagram = 5,
                                  .port = 4000,
                                  .client_port = 4001,
                                  .datagram_port = 4002};

Record record(uint64_t cookie, RecordKind kind, State state = State::none, int error = 0) {
  Record record;
  record.kind = kind;
  record.socket.key.cookie = cookie;
  record.new_state = state;
  record.error = error;
  return record;
}

// What the kernel reports of the exercise when everything is attached.
const std::vector<Record> kEverything = {
    record(1, RecordKind::bind),
    record(1, RecordKind::state, State::listen),
    record(2, RecordKind::bind, State::none, EADDRINUSE),
    record(3, RecordKind::state, State::syn_sent),
    record(4, RecordKind::state, State::established),
    record(4, RecordKind::accept),
    record(3, RecordKind::state, State::close),
    record(5, RecordKind::bind),
    record(5, RecordKind::release),
};

std::vector<probe::Hook> hooks(std::initializer_list<const char*> attached) {
  std::vector<probe::Hook> hooks;
  for (const char* name : attached)
    hooks.push_back({.name = name, .attached = true, .error = "", .cost = ""});
  return hooks;
}

const std::vector<probe::Hook> kAllHooks =
    hooks({"tp_btf/inet_sock_set_state", "tracepoint/syscalls/sys_exit_accept4", "cgroup/bind4",
           "cgroup/post_bind4", "cgroup/sock_release"});

// "listen:seen accept:off ..." of those that are not `other`.
std::string text(const std::vector<source::Sighting>& steps, Sight other) {
  constexpr const char* kNames[] = {"seen", "off", "missed", "untested"};
  std::string text;
  for (const source::Sighting& step : steps)
    if (step.sight != other)
      text += std::string(text.empty() ? "" : " ") + std::string(step.what) + ":" +
              kNames[static_cast<size_t>(step.sight)];
  return text;
}

TEST(Sightings, AllStepsAreSeenWhenEverythingIsReported) {
  source::Sightings sightings(kExercise, true);
  for (const Record& one : kEverything) {
    EXPECT_FALSE(sightings.complete(kAllHooks));
    EXPECT_TRUE(sightings.note(one));
  }
  EXPECT_TRUE(sightings.complete(kAllHooks));
  EXPECT_EQ(text(sightings.result(kAllHooks), Sight::seen), "");
}

TEST(Sightings, EachStepIsMissedOrOffWithoutItsRecord) {
  constexpr const char* kSteps[] = {"bind",   "listen", "failed bind", "connect",  "established",
                                    "accept", "close",  "UDP bind",    "UDP close"};
  for (size_t left_out = 0; left_out < kEverything.size(); ++left_out) {
    source::Sightings sightings(kExercise, true);
    for (size_t i = 0; i < kEverything.size(); ++i)
      if (i != left_out) sightings.note(kEverything[i]);
    EXPECT_FALSE(sightings.complete(kAllHooks));
    EXPECT_EQ(text(sightings.result(kAllHooks), Sight::seen), std::string(kSteps[left_out]) + ":missed");
    EXPECT_EQ(text(sightings.result({}), Sight::seen), std::string(kSteps[left_out]) + ":off");
  }
}

TEST(Sightings, WhatNoAttachedHookShowsIsNotWaitedFor) {
  const auto transitions = hooks({"tp_btf/inet_sock_set_state"});
  source::Sightings sightings(kExercise, true);
  for (const Record& one : kEverything)
    if (one.kind == RecordKind::state) sightings.note(one);
  EXPECT_TRUE(sightings.complete(transitions));
  EXPECT_EQ(text(sightings.result(transitions), Sight::seen),
            "bind:off failed bind:off accept:off UDP bind:off UDP close:off");
}

TEST(Sightings, ConnectionsThatAreNotToldAreNotWaitedFor) {
  const auto everything = hooks({"tp_btf/inet_sock_set_state", "tracepoint/syscalls/sys_exit_accept4"});
  source::Sightings sightings(kExercise, false);
  EXPECT_FALSE(sightings.complete(everything));
  for (const Record& one : kEverything)
    if (one.kind == RecordKind::state && one.new_state == State::listen) sightings.note(one);
  EXPECT_TRUE(sightings.complete(everything));
  EXPECT_EQ(text(sightings.result(everything), Sight::off), "listen:seen");
}

TEST(Sightings, WithoutResultsAttemptAndSuccessCount) {
  source::Sightings sightings(kExercise, true);
  sightings.note(record(1, RecordKind::bind_attempt));
  sightings.note(record(1, RecordKind::bind_ok));
  sightings.note(record(2, RecordKind::bind_attempt));
  EXPECT_EQ(text(sightings.result({}), Sight::off), "bind:seen failed bind:seen");
}

TEST(Sightings, OtherSocketsAreNotTakenForTheExercise) {
  source::Sightings sightings(kExercise, true);
  EXPECT_FALSE(sightings.note(record(9, RecordKind::state, State::listen)));
  EXPECT_FALSE(sightings.note(record(0, RecordKind::state, State::established)));
  EXPECT_TRUE(sightings.note(record(4, RecordKind::release)));  // ours, though no step
  EXPECT_EQ(text(sightings.result({}), Sight::off), "");
}

TEST(Sightings, AConnectionWithoutACookieIsKnownByItsListenersPort) {
  source::Sightings sightings(kExercise, true);
  Record established = record(0, RecordKind::state, State::established);
  established.socket.local.port = kExercise.port;
  EXPECT_TRUE(sightings.note(established));
  EXPECT_EQ(text(sightings.result({}), Sight::off), "established:seen");
}

TEST(Sightings, TheTransitionsAreVital) {
  std::string vital;
  for (const source::Sighting& step : source::nothing_sighted())
    if (step.vital) vital += std::string(step.what) + ' ';
  EXPECT_EQ(vital, "listen connect established close ");
}

}  // namespace
}  // namespace socktrace
