#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/result.h"
#include "core/socket.h"

namespace socktrace {

// One hit of one kernel hook, decoded from the bytes that bpf/abi.h specifies. What it means is for the
// tracker.
enum class RecordKind : uint8_t {
  state = 1,
  destroy = 2,
  error = 3,
  create = 4,
  release = 5,
  bind_attempt = 6,
  bind_ok = 7,
  bind = 8,
  listen = 9,
  accept = 10,
  connect = 11,
  send = 12,
};

// The process in whose context a hook ran; only hooks that run in the caller's system call have one.
struct Task {
  uint32_t pid = 0;
  uint32_t tid = 0;
  uint32_t uid = 0;
  int32_t fd = -1;
  uint64_t start_ns = 0;
  uint64_t cgroup_id = 0;
  std::string comm;
};

// Totals of a TCP connection at its end.
struct TcpStats {
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint32_t srtt_us = 0;
  uint32_t retransmits = 0;

  bool operator==(const TcpStats&) const = default;
};

struct Record {
  RecordKind kind{};
  uint64_t time_ns = 0;  // CLOCK_BOOTTIME
  uint16_t cpu = 0;
  uint32_t lost = 0;  // st_head.lost
  int32_t error = 0;
  bool has_result = false;  // error is what the system call returned
  bool has_task = false;
  bool has_stats = false;
  bool is_awaited = false;  // CLOSE -> LISTEN: the result of its listen() follows
  bool gave_up = false;     // SYN_SENT -> CLOSE by its own connect(), without an error of the socket
  bool has_mini = false;    // mini_state is valid: a timewait mini-socket stays behind
  State old_state = State::none;
  State new_state = State::none;
  State mini_state = State::none;
  uint32_t backlog = 0;
  // Addresses, ports, protocol, netns, options as the hook saw them; no owners. A unix one has the names that the
  // call was about.
  Socket socket;
  Task task;
  TcpStats stats;
};

// Turns the bytes of one ring-buffer record into a Record. An unknown kind, a length that does not follow
// from the flags or a state out of range is ErrorKind::damaged: it means that the two sides were built from
// different abi.h.
Result<Record> decode(std::span<const std::byte> bytes);

}  // namespace socktrace
