#include "bpf/sheet.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>

namespace socktrace::test {
namespace {

struct BtfDeleter {
  void operator()(btf* types) const { btf__free(types); }
};
using Btf = std::unique_ptr<btf, BtfDeleter>;

// struct NAME { unsigned int FIELD : bits };   0 bits: all of it
Btf one_struct(const char* name, const char* field, int bits) {
  Btf types(btf__new_empty());
  const int number = btf__add_int(types.get(), "unsigned int", 4, 0);
  btf__add_struct(types.get(), name, 4);
  btf__add_field(types.get(), field, number, 0, static_cast<__u32>(bits));
  return types;
}

std::string compared(const Btf& ours, const Btf& kernel) {
  return differences(make_sheet(ours.get(), ours.get()), make_sheet(ours.get(), kernel.get()));
}

TEST(Sheet, TellsBytesBitsAndWhatIsMissing) {
  const Btf word = one_struct("sock", "sk_err", 0);
  const Btf bits = one_struct("sock", "sk_err", 4);
  EXPECT_EQ(to_text(make_sheet(word.get(), word.get())), "sock.sk_err 4\n");
  EXPECT_EQ(to_text(make_sheet(word.get(), bits.get())), "sock.sk_err :4\n");
  EXPECT_EQ(to_text(make_sheet(word.get(), one_struct("sock", "sk_else", 0).get())), "sock.sk_err missing\n");
  EXPECT_EQ(to_text(make_sheet(word.get(), one_struct("socket", "sk_err", 0).get())),
            "sock.sk_err missing\n");
}

TEST(Sheet, AnotherWidthOrNoFieldIsADifference) {
  const Btf word = one_struct("sock", "sk_err", 0);
  EXPECT_EQ(compared(word, word), "");
  EXPECT_EQ(compared(word, one_struct("sock", "sk_err", 4)), "sock.sk_err: we say 4, the kernel :4\n");
  EXPECT_EQ(compared(word, one_struct("sock", "sk_else", 0)), "sock.sk_err: we say 4, the kernel missing\n");
  EXPECT_EQ(differences(make_sheet(word.get(), word.get()), {}),
            "sock.sk_err: we say 4, the kernel not in the sheet\n");
}

TEST(Sheet, OfAFlavourOnlyThePresenceCounts) {
  const Btf flavour = one_struct("sock___bits", "sk_err", 4);
  EXPECT_EQ(compared(flavour, one_struct("sock", "sk_err", 0)), "");
  EXPECT_EQ(compared(flavour, one_struct("sock", "sk_else", 0)),
            "sock___bits.sk_err: we say :4, the kernel missing\n");
}

TEST(Sheet, TextIsReadBack) {
  const Sheet sheet = {{"file.f_inode", "pointer"}, {"sock.__sk_common", "struct sock_common"}};
  EXPECT_EQ(parse_sheet("# made by tests/vm/make-sheets\n" + to_text(sheet)), sheet);
}

// One sheet for each kernel that scripts/vm boots; made from its BTF by tests/vm/make-sheets.
class SheetOf : public testing::TestWithParam<const char*> {};

TEST_P(SheetOf, TheKernelHasEveryFieldWeReadWithItsWidth) {
  const Btf ours(btf__parse(BPF_OBJECT, nullptr));
  ASSERT_TRUE(ours) << BPF_OBJECT;
  const std::string path = std::string(SHEETS) + "/" + GetParam() + ".txt";
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  Sheet kernel = parse_sheet(text.str());
  const Sheet declared = make_sheet(ours.get(), ours.get());
  EXPECT_GE(declared.size(), 70u);
  // Debian's 5.10 is built without MPTCP: bpf_core_field_exists() comes before.
  if (const auto mptcp = kernel.find("mptcp_sock.first"); mptcp != kernel.end() && mptcp->second == "missing")
    mptcp->second = declared.at(mptcp->first);
  EXPECT_EQ(differences(declared, kernel), "") << "after a change of vmlinux/: tests/vm/make-sheets";
  for (const auto& [field, description] : kernel)
    EXPECT_TRUE(declared.contains(field)) << field << " is in " << path << " and read no more";
}

INSTANTIATE_TEST_SUITE_P(Kernels, SheetOf, testing::Values("5.10", "6.1", "6.12"), [](const auto& kernel) {
  return "Linux_" + std::string(kernel.param).replace(1, 1, "_");
});

}  // namespace
}  // namespace socktrace::test
