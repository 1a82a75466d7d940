#pragma once

#include <bpf/btf.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace socktrace::test {

// A member of a struct.
struct Field {
  uint32_t type = 0;
  uint32_t bits = 0;  // of a bit-field; 0: none
};

struct NamedStruct {
  uint32_t id = 0;
  std::string name;
};

// Past typedefs, const and the like.
uint32_t resolve(const btf* types, uint32_t id);
// The field of that name, in the struct itself or in an anonymous struct or union within.
std::optional<Field> find_field(const btf* types, uint32_t id, std::string_view name);
// The structs of our object that are the kernel's (our own begin with st_).
std::vector<NamedStruct> kernel_structs(const btf* ours);

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
