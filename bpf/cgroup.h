/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For the cgroup programs. They run in the caller's task for system calls, io_uring and 32-bit
 * callers alike, and must return exactly 1: 0 makes bind() or connect() fail for the whole host.
 */
#pragma once

#include "call.h"
#include "emit.h"
#include "sock.h"
#include "task.h"

#define ST_ALLOW 1

/*
 * The kernel address of a socket as a plain number. The verifier lets nobody add an offset to a
 * socket pointer; written to a record or a map value (not to the stack, where it stays a pointer)
 * and read back, it is a number like any other. Works for bpf_sock_addr.sk and for the context of
 * cgroup/sock programs, which are both a struct sock.
 */
static __always_inline const struct sock *st_sock_address(__u64 *memory, const void *sk)
{
	*memory = (__u64)sk;
	asm volatile("" ::: "memory");
	return (const struct sock *)*(volatile __u64 *)memory;
}

/*
 * The socket of a cgroup hook. Its network namespace is not in any context and
 * bpf_get_netns_cookie() is not the inode number, so it comes from the socket itself. Under
 * lockdown=confidentiality only what the context tells is filled, and the namespace is that of the
 * calling process: another one only for a socket that was passed or kept across setns().
 */
static __always_inline void st_fill_hook(struct st_sock *out, __u64 *cookie, __u64 *sk_address,
					 __u32 *netns, void *ctx, const void *sk)
{
	const struct sock *address = st_sock_address(sk_address, sk);

	out->uid = -1;
	*cookie = bpf_get_socket_cookie(ctx);
	if (st_config.features & ST_CFG_PROBE_READ)
		st_fill_probed(out, cookie, netns, address);
	else if (st_config.features & ST_CFG_TASK_BTF)
		*netns = bpf_get_current_task_btf()->nsproxy->net_ns->ns.inum;
}

static __always_inline void st_fill_head(struct st_head *head, struct st_sock *out, void *ctx,
					 const void *sk)
{
	st_fill_hook(out, &head->cookie, &head->sk, &head->netns, ctx, sk);
}

static __always_inline void st_fill_call(struct st_call *call, void *ctx, const void *sk)
{
	st_fill_hook(&call->sock, &call->cookie, &call->sk, &call->netns, ctx, sk);
	call->seen = 1;
}
