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

/* A raw or ping socket receives at once; every other kind appears when it is bound, connected or
 * listens. */
SEC("cgroup/sock_create")
int st_sock_create(struct bpf_sock *ctx)
{
	__u32 protocol = ctx->protocol;
	bool ping =
	    ctx->type == SOCK_DGRAM && (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6);
	struct st_with_task *record;

	if (ctx->type != SOCK_RAW && !ping) {
		/* From here on skc_cookie can be read where the helper is missing. */
		bpf_get_socket_cookie(ctx);
		return ST_ALLOW;
	}
	if (st_ignored())
		return ST_ALLOW;
	record = st_reserve(sizeof(*record), ST_CREATE, ST_F_TASK);
	if (!record)
		return ST_ALLOW;
	st_fill_head(&record->head, &record->sock, ctx, ctx);
	st_fill_context(&record->sock, ctx);
	st_fill_task(&record->task, -1);
	st_submit(record, false);
	return ST_ALLOW;
}

/* uid, inode and options are known since the socket's first record: reading them here again would
 * double the cost. */
static __always_inline void st_fill_released(struct st_head *head, struct st_sock *out,
					     struct bpf_sock *ctx)
{
	const struct sock *sk = st_sock_address(&head->sk, ctx);

	head->cookie = bpf_get_socket_cookie(ctx);
	if (st_config.features & ST_CFG_PROBE_READ)
		st_fill_shallow(out, &head->cookie, &head->netns, sk);
	st_fill_context(out, ctx);
	out->options = 0;
	out->uid = -1;
}

/* A connection or what is left of one. A closed TCP socket that holds a port is bound. */
static __always_inline bool st_is_connection(struct bpf_sock *ctx)
{
	const struct sock *sk = (const void *)ctx;
	__u16 port = 0;

	if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_MPTCP)
		return false;
	if (ctx->state != TCP_CLOSE)
		return ctx->state != TCP_LISTEN;
	if (!(st_config.features & ST_CFG_PROBE_READ))
		return false;
	return !bpf_probe_read_kernel(&port, sizeof(port), &sk->__sk_common.skc_num) && !port;
}

/* As st_is_elsewhere(), but by address: under lockdown=confidentiality every socket is told. */
static __always_inline bool st_is_released_elsewhere(struct bpf_sock *ctx)
{
	const struct sock *sk = (const void *)ctx;
	const struct net *net = NULL;
	__u32 netns = 0;

	if (!st_only_netns || !(st_config.features & ST_CFG_PROBE_READ))
		return false;
	return !bpf_probe_read_kernel(&net, sizeof(net), &sk->__sk_common.skc_net.net) &&
	       !bpf_probe_read_kernel(&netns, sizeof(netns), &net->ns.inum) &&
	       netns != st_only_netns;
}

SEC("cgroup/sock_release")
int st_sock_release(struct bpf_sock *ctx)
{
	struct st_with_task *record;
	struct st_plain *plain;

	if (!(st_config.features & ST_CFG_CONNECTIONS) && st_is_connection(ctx))
		return ST_ALLOW;
	if (st_is_released_elsewhere(ctx))
		return ST_ALLOW;
	if (st_has_task() && !st_ignored()) {
		record = st_reserve(sizeof(*record), ST_RELEASE, ST_F_TASK);
		if (!record)
			return ST_ALLOW;
		st_fill_released(&record->head, &record->sock, ctx);
		st_fill_task(&record->task, -1);
		st_submit(record, false);
	} else {
		plain = st_reserve(sizeof(*plain), ST_RELEASE, 0);
		if (!plain)
			return ST_ALLOW;
		st_fill_released(&plain->head, &plain->sock, ctx);
		st_submit(plain, false);
	}
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
