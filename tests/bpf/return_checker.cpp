#include "bpf/return_checker.h"

#include <array>
#include <deque>
#include <optional>
#include <vector>

namespace socktrace::test {
namespace {

// A register holds a known constant or anything (nullopt).
using Value = std::optional<int64_t>;
using Registers = std::array<Value, 16>;

bool is_load_imm64(const bpf_insn& insn) {
  return insn.code == (BPF_LD | BPF_IMM | BPF_DW);
}

void apply(Registers& registers, const bpf_insn& insn) {
  Value& target = registers[insn.dst_reg];
  switch (BPF_CLASS(insn.code)) {
    case BPF_ALU:
    case BPF_ALU64:
      if (BPF_OP(insn.code) != BPF_MOV) {
        target.reset();
      } else if (BPF_SRC(insn.code) == BPF_K) {
        // A 32-bit move clears the upper half; a 64-bit one extends the sign.
        target = BPF_CLASS(insn.code) == BPF_ALU ? static_cast<int64_t>(static_cast<uint32_t>(insn.imm))
                                                 : insn.imm;
      } else {
        target = registers[insn.src_reg];
        if (BPF_CLASS(insn.code) == BPF_ALU || insn.off != 0) target.reset();
      }
      break;
    case BPF_LD:
    case BPF_LDX:
      target.reset();
      break;
    case BPF_STX:
      // Fetching atomics write their source register, compare-and-exchange writes r0.
      if (BPF_MODE(insn.code) == 0xc0 && (insn.imm & 0x01)) {
        registers[insn.src_reg].reset();
        registers[0].reset();
      }
      break;
    case BPF_JMP:
      if (BPF_OP(insn.code) == BPF_CALL)
        for (int i = 0; i <= 5; ++i) registers[static_cast<size_t>(i)].reset();
      break;
    default:
      break;
  }
}

// Where control may go from instruction `at`.
std::vector<int64_t> successors(const bpf_insn& insn, int64_t at) {
  const int64_t next = at + (is_load_imm64(insn) ? 2 : 1);
  const auto kind = BPF_CLASS(insn.code);
  if ((kind != BPF_JMP && kind != BPF_JMP32) || BPF_OP(insn.code) == BPF_CALL) return {next};
  if (BPF_OP(insn.code) == BPF_JA) return {next + (kind == BPF_JMP32 ? insn.imm : insn.off)};
  return {next, next + insn.off};
}

bool is_exit(const bpf_insn& insn) {
  return insn.code == (BPF_JMP | BPF_EXIT);
}

// Keeps what both agree on; true when that changed `into`.
bool join(std::optional<Registers>& into, const Registers& from) {
  if (!into) {
    into = from;
    return true;
  }
  bool changed = false;
  for (size_t i = 0; i < from.size(); ++i) {
    Value& value = (*into)[i];
    if (value && value != from[i]) {
      value.reset();
      changed = true;
    }
  }
  return changed;
}

}  // namespace

std::string returns_only(std::span<const bpf_insn> program, int64_t expected) {
  std::vector<std::optional<Registers>> before(program.size());
  std::deque<int64_t> work;
  if (program.empty()) return "no instructions";
  before[0] = Registers{};
  work.push_back(0);
  bool exits = false;
  while (!work.empty()) {
    const int64_t at = work.front();
    work.pop_front();
    const bpf_insn& insn = program[static_cast<size_t>(at)];
    Registers registers = *before[static_cast<size_t>(at)];
    if (is_exit(insn)) {
      exits = true;
      continue;
    }
    apply(registers, insn);
    for (const int64_t next : successors(insn, at)) {
      if (next < 0 || next >= static_cast<int64_t>(program.size()))
        return "instruction " + std::to_string(at) + " leaves the program";
      if (join(before[static_cast<size_t>(next)], registers)) work.push_back(next);
    }
  }
  if (!exits) return "never exits";
  for (size_t at = 0; at < program.size(); ++at) {
    if (!before[at] || !is_exit(program[at])) continue;
    const Value result = (*before[at])[0];
    if (result != expected)
      return "instruction " + std::to_string(at) + " may return " +
             (result ? std::to_string(*result) : "an unknown value");
  }
  return "";
}

}  // namespace socktrace::test
