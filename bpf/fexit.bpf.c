// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The system calls whose results we tell, by the kernel functions that do their work: the same for
 * 64-bit callers, 32-bit ones and socketcall(), and no cost to any other system call. io_uring
 * enters one level below; its binds and connects are told by the cgroup hooks, as they find no
 * entry here.
 *
 * The functions have had these names and arguments since 5.5. Some wait (accept, connect), and a
 * program that is detached meanwhile is left alone only since 5.12, e21aa341785c (and in the stable
 * series): userspace/probe/fexit.cpp sees to that before these are loaded.
 */
#include "vmlinux.h"
#include "flavors.h"
#include "macros.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "result.h"

SEC("fentry/__sys_bind")
int BPF_PROG(st_fentry_bind, int fd, void *address, int length)
{
	return st_bind_begins(fd, (__u64)address, length);
}

SEC("fexit/__sys_bind")
int BPF_PROG(st_fexit_bind, int fd, void *address, int length, int result)
{
	return st_bind_ends(result);
}

SEC("fentry/__sys_listen")
int BPF_PROG(st_fentry_listen, int fd)
{
	return st_listen_begins(fd);
}

SEC("fexit/__sys_listen")
int BPF_PROG(st_fexit_listen, int fd, int backlog, int result)
{
	return st_listen_ends(result);
}

SEC("fexit/__sys_accept4")
int BPF_PROG(st_fexit_accept4, int fd, void *address, int *length, int flags, int result)
{
	return st_accept_ends(result);
}

SEC("fentry/__sys_connect")
int BPF_PROG(st_fentry_connect, int fd, void *address, int length)
{
	return st_connect_begins(fd, (__u64)address, length);
}

SEC("fexit/__sys_connect")
int BPF_PROG(st_fexit_connect, int fd, void *address, int length, int result)
{
	return st_connect_ends(result);
}
