// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Creation and release of inet sockets. */
#include "vmlinux.h"
#include "flavors.h"
#include "macros.h"
#include <bpf/bpf_helpers.h>
#include "cgroup.h"

static __always_inline void st_fill_context(struct st_sock *out, const struct bpf_sock *ctx)
{
	out->family = ctx->family;
	out->type = ctx->type;
	out->protocol = ctx->protocol;
	out->mark = ctx->mark;
	out->ifindex = ctx->bound_dev_if;
}

static __always_inline void st_lifetime(struct bpf_sock *ctx, __u8 kind, const bool deep)
{
	struct st_with_task *record;
	struct st_plain *plain;

	if (st_ignored())
		return;
	if (st_has_task()) {
		record = st_reserve(sizeof(*record), kind, ST_F_TASK);
		if (!record)
			return;
		st_fill_head(&record->head, &record->sock, ctx, ctx, deep);
		st_fill_context(&record->sock, ctx);
		st_fill_task(&record->task, -1);
		st_submit(record, false);
	} else {
		plain = st_reserve(sizeof(*plain), kind, 0);
		if (!plain)
			return;
		st_fill_head(&plain->head, &plain->sock, ctx, ctx, deep);
		st_fill_context(&plain->sock, ctx);
		st_submit(plain, false);
	}
}

/* A raw or ping socket receives at once; every other kind appears when it is bound, connected or
 * listens. */
SEC("cgroup/sock_create")
int st_sock_create(struct bpf_sock *ctx)
{
	__u32 protocol = ctx->protocol;
	bool ping =
	    ctx->type == SOCK_DGRAM && (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6);

	if (ctx->type == SOCK_RAW || ping)
		st_lifetime(ctx, ST_CREATE, true);
	else
		bpf_get_socket_cookie(
		    ctx); /* from here on skc_cookie can be read where the helper is missing */
	return ST_ALLOW;
}

/* uid and inode are known since the socket's first record: reading them here would double the cost.
 */
SEC("cgroup/sock_release")
int st_sock_release(struct bpf_sock *ctx)
{
	st_lifetime(ctx, ST_RELEASE, false);
	return ST_ALLOW;
}

/*
 * Cookies are made on demand, and before 5.12 no tracing program can demand one: this makes that of
 * a passive connection, just before it becomes ESTABLISHED. Attached on such kernels only.
 */
SEC("sockops")
int st_stamp(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		bpf_get_socket_cookie(ctx);
	return ST_ALLOW;
}
