/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What user space decides before the programs are loaded. It lies in read-only data that is frozen
 * by then, so that the verifier knows every value and removes the code behind a flag that is off,
 * helpers that a kernel lacks included.
 */
#pragma once

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum st_feature {
	ST_CFG_COOKIE = 1,     /* bpf_get_socket_cookie() in tracing programs: 5.12, c5dbb89fc2ac */
	ST_CFG_PROBE_READ = 2, /* bpf_probe_read_kernel(): refused under lockdown=confidentiality */
	ST_CFG_TASK_BTF = 4,   /* bpf_get_current_task_btf(): 5.11, 3ca1032ab7ab */
	ST_CFG_UNIX = 8,       /* somebody wants to hear of unix sockets */
	ST_CFG_CONNECTIONS =
	    16, /* and of TCP connections, not only of listeners and what is bound */
};

/* Bits of st_wanted, a power of two and at least 64: by inode. */
#define ST_WANTED_BITS 16384

struct st_config {
	__u32 features;	    /* enum st_feature */
	__u32 ignore_tgid;  /* records made in this process's context are left out; 0: none */
	__u32 wakeup_bytes; /* the reader is woken when this much is waiting in the ring */
	__u32 reserved;
};
