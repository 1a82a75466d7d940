// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Datagram sockets that were never bound: they get their port when they connect or first send. */
#include "vmlinux.h"
#include "flavors.h"
#include "macros.h"
#include <bpf/bpf_helpers.h>
#include "cgroup.h"

static __always_inline void st_fill_peer(struct st_sock *out, const struct bpf_sock_addr *ctx,
					 const int family)
{
	__u32 *address = (__u32 *)out->raddr;

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
	out->rport = bpf_ntohs(ctx->user_port);
}

static __always_inline void st_connect(struct bpf_sock_addr *ctx, const int family)
{
	struct st_with_task *record;
	struct st_call *call;

	if (ctx->type == SOCK_STREAM) /* told by CLOSE -> SYN_SENT */
		return;
	call = st_current_call(ST_CONNECT);
	if (call) {
		st_fill_call(call, ctx, ctx->sk);
		st_fill_peer(&call->sock, ctx, family);
		return;
	}
	if (st_ignored())
		return;
	record = st_reserve(sizeof(*record), ST_CONNECT, ST_F_TASK);
	if (!record)
		return;
	st_fill_head(&record->head, &record->sock, ctx, ctx->sk);
	st_fill_peer(&record->sock, ctx, family);
	st_fill_task(&record->task, -1);
	st_submit(record, false);
}

static __always_inline void st_send(struct bpf_sock_addr *ctx, const int family)
{
	struct bpf_sock *sk = ctx->sk;
	struct st_with_task *record;
	__u16 port, *sent;

	if (!sk)
		return;
	sent = bpf_sk_storage_get(&st_sent, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	port = sk->src_port;
	if (!sent || *sent == port)
		return;
	*sent = port;
	if (st_ignored() || !st_has_task())
		return;
	record = st_reserve(sizeof(*record), ST_SEND, ST_F_TASK);
	if (!record)
		return;
	st_fill_head(&record->head, &record->sock, ctx, sk);
	st_fill_peer(&record->sock, ctx, family);
	record->sock.lport = port;
	st_fill_task(&record->task, -1);
	st_submit(record, false);
}

SEC("cgroup/connect4")
int st_connect4(struct bpf_sock_addr *ctx)
{
	st_connect(ctx, AF_INET);
	return ST_ALLOW;
}

SEC("cgroup/connect6")
int st_connect6(struct bpf_sock_addr *ctx)
{
	st_connect(ctx, AF_INET6);
	return ST_ALLOW;
}

SEC("cgroup/sendmsg4")
int st_sendmsg4(struct bpf_sock_addr *ctx)
{
	st_send(ctx, AF_INET);
	return ST_ALLOW;
}

SEC("cgroup/sendmsg6")
int st_sendmsg6(struct bpf_sock_addr *ctx)
{
	st_send(ctx, AF_INET6);
	return ST_ALLOW;
}
