#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "bpf/return_checker.h"

namespace socktrace::test {
namespace {

struct ObjectDeleter {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, ObjectDeleter>;

Object open_object() {
  return Object(bpf_object__open_file(BPF_OBJECT, nullptr));
}

std::span<const bpf_insn> instructions(const bpf_program* program) {
  return {bpf_program__insns(program), bpf_program__insn_cnt(program)};
}

constexpr bpf_insn mov(uint8_t reg, int32_t value) {
  return {BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value};
}
constexpr bpf_insn copy(uint8_t to, uint8_t from) {
  return {BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0};
}
constexpr bpf_insn if_zero(uint8_t reg, int16_t skip) {
  return {BPF_JMP | BPF_JEQ | BPF_K, reg, 0, skip, 0};
}
constexpr bpf_insn call(int32_t helper) {
  return {BPF_JMP | BPF_CALL, 0, 0, 0, helper};
}
constexpr bpf_insn kExit = {BPF_JMP | BPF_EXIT, 0, 0, 0, 0};

TEST(ReturnChecker, AcceptsOneOnBothSidesOfABranch) {
  EXPECT_EQ(returns_only(std::vector{if_zero(1, 2), mov(0, 1), kExit, mov(0, 1), kExit}, 1), "");
  EXPECT_EQ(returns_only(std::vector{mov(6, 1), call(14), copy(0, 6), kExit}, 1), "");
}

TEST(ReturnChecker, RefusesAProgramThatReturnsZero) {
  EXPECT_EQ(returns_only(std::vector{mov(0, 0), kExit}, 1), "instruction 1 may return 0");
}

TEST(ReturnChecker, RefusesZeroOnASinglePath) {
  EXPECT_EQ(returns_only(std::vector{if_zero(1, 2), mov(0, 1), kExit, mov(0, 0), kExit}, 1),
            "instruction 4 may return 0");
  EXPECT_EQ(returns_only(std::vector{mov(0, 1), if_zero(1, 1), mov(0, 0), kExit}, 1),
            "instruction 3 may return an unknown value");
}

TEST(ReturnChecker, RefusesWhatItCannotKnow) {
  EXPECT_EQ(returns_only(std::vector{mov(0, 1), call(14), kExit}, 1),
            "instruction 2 may return an unknown value");
  EXPECT_EQ(returns_only(std::vector{copy(0, 1), kExit}, 1), "instruction 1 may return an unknown value");
  EXPECT_EQ(returns_only(std::vector{mov(0, 1)}, 1), "instruction 0 leaves the program");
  EXPECT_EQ(returns_only(std::vector{bpf_insn{BPF_JMP | BPF_JA, 0, 0, -1, 0}}, 1), "never exits");
}

// 0 would make bind() and connect() fail for the whole host, and 3 would let them pass a privilege check.
TEST(BpfObject, EveryCgroupProgramReturnsOneOnEveryPath) {
  const Object object = open_object();
  ASSERT_TRUE(object) << BPF_OBJECT;
  int checked = 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object.get()) {
    const std::string_view section = bpf_program__section_name(program);
    if (!section.starts_with("cgroup/") && section != "sockops") continue;
    EXPECT_EQ(returns_only(instructions(program), 1), "") << section;
    ++checked;
  }
  EXPECT_EQ(checked, 11);
}

// Nothing here may write to anything but its own maps and the ring: no probe_write_user, override_return,
// send_signal, and nothing that changes a packet or a socket.
TEST(BpfObject, CallsOnlyHelpersThatRead) {
  const std::set<int32_t> allowed = {
      BPF_FUNC_map_lookup_elem,       BPF_FUNC_map_update_elem,     BPF_FUNC_map_delete_elem,
      BPF_FUNC_get_smp_processor_id,  BPF_FUNC_get_current_task,    BPF_FUNC_get_current_pid_tgid,
      BPF_FUNC_get_current_comm,      BPF_FUNC_get_current_uid_gid, BPF_FUNC_get_socket_cookie,
      BPF_FUNC_get_current_cgroup_id, BPF_FUNC_sk_storage_get,      BPF_FUNC_probe_read_kernel,
      BPF_FUNC_ktime_get_boot_ns,     BPF_FUNC_ringbuf_reserve,     BPF_FUNC_ringbuf_submit,
      BPF_FUNC_ringbuf_query,         BPF_FUNC_skc_to_tcp_sock,     BPF_FUNC_get_current_task_btf,
      BPF_FUNC_sock_from_file,        BPF_FUNC_seq_write,           BPF_FUNC_probe_read_user,
  };
  const Object object = open_object();
  ASSERT_TRUE(object) << BPF_OBJECT;
  int calls = 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object.get()) {
    for (const bpf_insn& insn : instructions(program)) {
      if (insn.code != (BPF_JMP | BPF_CALL) || insn.src_reg != 0) continue;
      EXPECT_TRUE(allowed.contains(insn.imm)) << bpf_program__name(program) << " calls helper " << insn.imm;
      ++calls;
    }
  }
  EXPECT_GT(calls, 50);
}

// 5.10 has no atomic that returns the old value (12 in "BPF_STX uses reserved fields").
TEST(BpfObject, UsesNoFetchingAtomics) {
  const Object object = open_object();
  ASSERT_TRUE(object) << BPF_OBJECT;
  int atomics = 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object.get()) {
    for (const bpf_insn& insn : instructions(program)) {
      if (BPF_CLASS(insn.code) != BPF_STX || BPF_MODE(insn.code) != 0xc0) continue;
      EXPECT_EQ(insn.imm, 0) << bpf_program__name(program);
      ++atomics;
    }
  }
  EXPECT_GT(atomics, 0);
}

}  // namespace
}  // namespace socktrace::test
