#pragma once

#include <bpf/btf.h>

#include <map>
#include <string>

namespace socktrace::test {

// What a kernel has of the fields that the BPF programs read, by path: "sock.sk_err" -> "4" (bytes), "sock_common.skc_reuse" ->
// ":4" (bits), "file.f_inode" -> "pointer", "sock.__sk_common" -> "struct sock_common", or "missing".
// A flavour (NAME___WHY) keeps its name in the path and is looked up without it.
using Sheet = std::map<std::string, std::string>;

// `ours` names the fields (our own types, which begin with st_, are left out), `kernel` has them. With our object as both:
// what we declare.
Sheet make_sheet(const btf* ours, const btf* kernel);

// One "PATH DESCRIPTION" a line; # begins a comment.
std::string to_text(const Sheet& sheet);
Sheet parse_sheet(const std::string& text);

// Where a sheet does not have what we declare: "sock.sk_err: we say 8, the kernel 4". Of flavours only the presence counts,
// as their width differs between kernels.
std::string differences(const Sheet& declared, const Sheet& kernel);

}  // namespace socktrace::test
