#pragma once

#include <linux/bpf.h>

#include <span>
#include <string>

namespace socktrace::test {

// Shows that a BPF program returns `expected` on every path, by following constants through all of them; both
// sides of every branch are taken. Empty when it does, else the first instruction where it may not. What is
// not understood counts as an unknown value, so that only what is certain passes.
std::string returns_only(std::span<const bpf_insn> program, int64_t expected);

}  // namespace socktrace::test
