/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernel differences: the same type as some kernels have it. CO-RE ignores everything from `___` on when it looks for
 * the type. Each entry names the commit that made the difference.
 */
#pragma once

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* sk_userlocks was a 4-bit field before "net: reorganize "struct sock" fields" (6.9) gave it a byte of its own. It is
 * read with BPF_CORE_READ_BITFIELD, which takes place and width from the running kernel in either case. */
struct sock___userlocks {
	u8 sk_userlocks : 4;
};

#pragma clang attribute pop
