#include "bpf/kernel_fields.h"

#include <gtest/gtest.h>

#include <memory>

namespace socktrace::test {
namespace {

struct BtfDeleter {
  void operator()(btf* types) const { btf__free(types); }
};
using Btf = std::unique_ptr<btf, BtfDeleter>;

// struct NAME { FIELD of `bytes` bytes };
Btf one_struct(const char* name, const char* field, uint32_t bytes) {
  Btf types(btf__new_empty());
  const int number = btf__add_int(types.get(), "number", bytes, 0);
  btf__add_struct(types.get(), name, bytes);
  btf__add_field(types.get(), field, number, 0, 0);
  return types;
}

std::vector<std::string> differences(const Btf& ours, const Btf& kernel) {
  return compare_fields(ours.get(), kernel.get()).differences;
}

TEST(KernelFields, AMissingStructFieldOrWidthIsFound) {
  const Btf kernel = one_struct("sock", "sk_err", 4);
  EXPECT_TRUE(differences(one_struct("sock", "sk_err", 4), kernel).empty());
  EXPECT_EQ(differences(one_struct("sock", "sk_err", 8), kernel),
            std::vector<std::string>{"sock.sk_err: 8 bytes, the kernel has 4"});
  EXPECT_EQ(differences(one_struct("sock", "sk_errno", 4), kernel),
            std::vector<std::string>{"sock.sk_errno: the kernel has no such field"});
  EXPECT_EQ(differences(one_struct("socket", "sk_err", 4), kernel),
            std::vector<std::string>{"socket: the kernel has no such struct"});
}

TEST(KernelFields, OfAFlavourOnlyTheNamesCount) {
  const Btf kernel = one_struct("sock", "sk_err", 4);
  EXPECT_TRUE(differences(one_struct("sock___wide", "sk_err", 8), kernel).empty());
  EXPECT_EQ(differences(one_struct("sock___wide", "sk_wide", 8), kernel),
            std::vector<std::string>{"sock.sk_wide: the kernel has no such field"});
}

// Our declarations as they were compiled, so that no second list of them can be out of date.
TEST(KernelFields, EveryFieldWeReadIsInThisKernelWithItsWidth) {
  const Btf ours(btf__parse(BPF_OBJECT, nullptr));
  ASSERT_TRUE(ours) << BPF_OBJECT;
  const Btf kernel(btf__load_vmlinux_btf());
  if (!kernel) GTEST_SKIP() << "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)";
  const FieldReport report = compare_fields(ours.get(), kernel.get());
  for (const std::string& difference : report.differences) ADD_FAILURE() << difference;
  EXPECT_GE(report.types, 20);
  EXPECT_GE(report.fields, 70);
}

}  // namespace
}  // namespace socktrace::test
