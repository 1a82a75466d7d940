#pragma once

#include <bpf/btf.h>

#include <string>
#include <vector>

namespace socktrace::test {

struct FieldReport {
  int types = 0;
  int fields = 0;
  std::vector<std::string> differences;  // "sock.sk_err: 8 bytes, the kernel has 4"
};

// Compares every struct of `ours` that is a kernel type (our own begin with st_) with the type of that name
// in `kernel`: each field must exist there with the same width. Of a flavour (NAME___WHY) only the names are
// compared: that its width differs between kernels is why it exists.
FieldReport compare_fields(const btf* ours, const btf* kernel);

}  // namespace socktrace::test
