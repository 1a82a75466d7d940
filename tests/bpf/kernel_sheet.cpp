/* kernel_sheet OBJECT VMLINUX: the sheet (sheet.h) of a kernel, from the BTF in VMLINUX, for tests/data/btf/. */
#include <cstdio>
#include <memory>

#include "bpf/sheet.h"

int main(int argc, char** argv) {
  using Btf = std::unique_ptr<btf, void (*)(btf*)>;
  if (argc != 3) return 2;
  const Btf ours(btf__parse(argv[1], nullptr), btf__free);
  const Btf kernel(btf__parse(argv[2], nullptr), btf__free);
  if (!ours || !kernel) {
    std::fprintf(stderr, "kernel_sheet: no BTF in %s\n", ours ? argv[2] : argv[1]);
    return 1;
  }
  std::fputs(socktrace::test::to_text(socktrace::test::make_sheet(ours.get(), kernel.get())).c_str(), stdout);
  return 0;
}
