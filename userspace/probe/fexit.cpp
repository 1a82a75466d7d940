#include "probe/fexit.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "probe/libbpf_log.h"
#include "sys/unique_fd.h"

namespace socktrace::probe {
namespace {

constexpr char kFunction[] = "__sys_bind";

// A program that is detached while a task sleeps inside the function crashed the kernel until trampolines got a life of
// their own: e21aa341785c, 5.12 and stable series before it, which this type came with.
constexpr char kOutlivesDetach[] = "bpf_tramp_image";

}  // namespace

std::string fexit_refusal() {
  const LibbpfLog log;
  const std::unique_ptr<btf, void (*)(btf*)> kernel(btf__load_vmlinux_btf(), btf__free);
  if (!kernel) return "this kernel has no BTF";
  const int function = btf__find_by_name_kind(kernel.get(), kFunction, BTF_KIND_FUNC);
  if (function < 0) return std::string("this kernel has no function ") + kFunction;
  if (btf__find_by_name_kind(kernel.get(), kOutlivesDetach, BTF_KIND_STRUCT) < 0)
    return "this kernel may crash when one is detached (before 5.12, e21aa341785c)";

  constexpr bpf_insn kReturnZero[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_FEXIT,
              .attach_btf_id = static_cast<__u32>(function));
  const sys::UniqueFd program(
      bpf_prog_load(BPF_PROG_TYPE_TRACING, "st_probe", "GPL", kReturnZero, std::size(kReturnZero), &options));
  return program ? "" : std::strerror(errno);
}

}  // namespace socktrace::probe
