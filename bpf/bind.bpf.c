// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bind(): the requested address on every attempt, the real port on success. Inside a traced system
 * call these hooks fill its entry and sys_exit emits one record with the result; from io_uring,
 * from a 32-bit caller or without tracepoints they emit for themselves, and success is an
 * ST_BIND_OK following the ST_BIND_ATTEMPT.
 */
#include "vmlinux.h"
#include "flavors.h"
#include "macros.h"
#include <bpf/bpf_helpers.h>
#include "cgroup.h"

/* What the context has and a socket not bound yet does not: the requested address. */
static __always_inline void st_fill_requested(struct st_sock *out, const struct bpf_sock_addr *ctx,
					      const int family)
{
	__u32 *address = (__u32 *)out->laddr;

	out->family = ctx->family;
	out->type = ctx->type;
	out->protocol = ctx->protocol;
	if (family == AF_INET6) {
		address[0] = ctx->user_ip6[0];
		address[1] = ctx->user_ip6[1];
		address[2] = ctx->user_ip6[2];
		address[3] = ctx->user_ip6[3];
	} else {
		address[0] = ctx->user_ip4;
	}
	out->lport = bpf_ntohs(ctx->user_port);
}

static __always_inline void st_bind_attempt(struct bpf_sock_addr *ctx, const int family)
{
	struct st_call *call = st_current_call(ST_BIND);
	struct st_with_task *record;

	if (call) {
		st_fill_call(call, ctx, ctx->sk);
		st_fill_requested(&call->sock, ctx, family);
		return;
	}
	if (st_ignored())
		return;
	record = st_reserve(sizeof(*record), ST_BIND_ATTEMPT, ST_F_TASK);
	if (!record)
		return;
	st_fill_head(&record->head, &record->sock, ctx, ctx->sk);
	st_fill_requested(&record->sock, ctx, family);
	st_fill_task(&record->task, -1);
	st_submit(record, true);
}

static __always_inline void st_fill_bound(struct st_sock *out, const struct bpf_sock *ctx,
					  const int family)
{
	__u32 *address = (__u32 *)out->laddr;

	if (family == AF_INET6) {
		address[0] = ctx->src_ip6[0];
		address[1] = ctx->src_ip6[1];
		address[2] = ctx->src_ip6[2];
		address[3] = ctx->src_ip6[3];
	} else {
		address[0] = ctx->src_ip4;
	}
	out->lport = ctx->src_port;
	out->family = ctx->family;
	out->type = ctx->type;
	out->protocol = ctx->protocol;
}

static __always_inline void st_bound(struct bpf_sock *ctx, const int family)
{
	struct st_call *call = st_current_call(ST_BIND);
	struct st_with_task *record;

	if (call) {
		st_fill_bound(&call->sock, ctx, family);
		return;
	}
	if (st_ignored())
		return;
	record = st_reserve(sizeof(*record), ST_BIND_OK, ST_F_TASK);
	if (!record)
		return;
	st_fill_head(&record->head, &record->sock, ctx, ctx);
	st_fill_bound(&record->sock, ctx, family);
	st_fill_task(&record->task, -1);
	st_submit(record, false);
}

SEC("cgroup/bind4")
int st_bind4(struct bpf_sock_addr *ctx)
{
	st_bind_attempt(ctx, AF_INET);
	return ST_ALLOW;
}

SEC("cgroup/bind6")
int st_bind6(struct bpf_sock_addr *ctx)
{
	st_bind_attempt(ctx, AF_INET6);
	return ST_ALLOW;
}

SEC("cgroup/post_bind4")
int st_post_bind4(struct bpf_sock *ctx)
{
	st_bound(ctx, AF_INET);
	return ST_ALLOW;
}

SEC("cgroup/post_bind6")
int st_post_bind6(struct bpf_sock *ctx)
{
	st_bound(ctx, AF_INET6);
	return ST_ALLOW;
}
