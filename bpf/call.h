/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Traced system calls that are under way. */
#pragma once

#include "maps.h"

/* The call that the current thread is in, if a traced system call made an entry of this kind. */
static __always_inline struct st_call *st_current_call(__u8 kind)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct st_call *call = bpf_map_lookup_elem(&st_calls, &id);

	return call && call->kind == kind ? call : NULL;
}
