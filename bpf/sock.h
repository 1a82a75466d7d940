/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a record says about a socket, read in the two ways that exist: directly through a BTF
 * pointer (tp_btf and iterator programs; works under lockdown=confidentiality), or with
 * bpf_probe_read_kernel from an address (cgroup and system call programs).
 */
#pragma once

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "maps.h"

/* Without SOCK_BINDPORT_LOCK, which is not in sock_common. */
static __always_inline __u8 st_options(const struct sock_common *common)
{
	__u8 options = ST_O_KNOWN;

	if (BPF_CORE_READ_BITFIELD(common, skc_reuse))
		options |= ST_O_REUSEADDR;
	if (BPF_CORE_READ_BITFIELD(common, skc_reuseport))
		options |= ST_O_REUSEPORT;
	if (BPF_CORE_READ_BITFIELD(common, skc_ipv6only))
		options |= ST_O_V6ONLY;
	return options;
}

/* `common` is either a BTF pointer or a copy on the stack: CO-RE offsets hold for both. */
static __always_inline void st_fill_common(struct st_sock *out, const struct sock_common *common)
{
	out->family = common->skc_family;
	if (out->family == AF_INET6 && bpf_core_field_exists(common->skc_v6_daddr)) {
		const __u64 *local, *remote;

		local = (const __u64 *)__builtin_preserve_access_index(&common->skc_v6_rcv_saddr);
		remote = (const __u64 *)__builtin_preserve_access_index(&common->skc_v6_daddr);
		((__u64 *)out->laddr)[0] = local[0];
		((__u64 *)out->laddr)[1] = local[1];
		((__u64 *)out->raddr)[0] = remote[0];
		((__u64 *)out->raddr)[1] = remote[1];
	} else {
		*(__u32 *)out->laddr = common->skc_rcv_saddr;
		*(__u32 *)out->raddr = common->skc_daddr;
	}
	out->lport = common->skc_num;
	out->rport = bpf_ntohs(common->skc_dport);
	out->new_state = common->skc_state;
	out->ifindex = common->skc_bound_dev_if;
	out->options = st_options(common);
}

static __always_inline __u8 st_lock_option(const struct sock *sk)
{
	const struct sock___userlocks *locks = (const void *)sk;

	return BPF_CORE_READ_BITFIELD(locks, sk_userlocks) & SOCK_BINDPORT_LOCK ? ST_O_PORT_LOCKED
										: 0;
}

/* Everything about a socket that a tp_btf program got as its argument, but its cookie. */
static __always_inline void st_fill_direct(struct st_sock *out, const struct sock *sk)
{
	st_fill_common(out, &sk->__sk_common);
	out->protocol = sk->sk_protocol;
	out->type = sk->sk_type;
	out->mark = sk->sk_mark;
	out->uid = sk->sk_uid.val;
	/* NULL along the way (no descriptor yet, or no more) reads as 0: BTF loads do not fault. */
	out->inode = sk->sk_socket->file->f_inode->i_ino;
	out->options |= st_lock_option(sk);
}

static __always_inline __u64 st_cookie_direct(struct sock *sk)
{
	if (st_config.features & ST_CFG_COOKIE)
		return bpf_get_socket_cookie(sk);
	return sk->__sk_common.skc_cookie.counter;
}

static __always_inline __u32 st_netns_direct(const struct sock *sk)
{
	return sk->__sk_common.skc_net.net->ns.inum;
}

static __always_inline bool st_is_elsewhere(const struct sock *sk)
{
	return st_only_netns && st_only_netns != st_netns_direct(sk);
}

/* The head and socket of a tp_btf record. */
static __always_inline void st_identify(struct st_head *head, struct st_sock *out, struct sock *sk)
{
	struct tcp_sock *tp;

	head->cookie = st_cookie_direct(sk);
	head->sk = (__u64)sk;
	head->netns = st_netns_direct(sk);
	st_fill_direct(out, sk);
	if (out->lport)
		return;
	/* On the way to CLOSE skc_num has been cleared, unless bind() named the port; the copy in
	 * inet_sock stays. */
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp)
		out->lport = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
}

/* struct sock_common up to the cookie, at whatever offset this kernel has it; 96 bytes on 6.18. */
#define ST_COMMON_MAX 128

struct st_common_copy {
	__u64 words[ST_COMMON_MAX / 8];
};

static __always_inline bool st_copy_common(struct st_common_copy *copy, const void *sk)
{
	__u32 size = bpf_core_field_offset(struct sock_common, skc_cookie) + sizeof(__u64);

	if (size > ST_COMMON_MAX)
		size = ST_COMMON_MAX;
	return bpf_probe_read_kernel(copy, size, sk) == 0;
}

/* sockfs allocates a socket and its inode as one, so the number is known before there is a file. */
static __always_inline __u32 st_inode_probed(const struct sock *sk)
{
	struct socket_alloc *pair = (struct socket_alloc *)BPF_CORE_READ(sk, sk_socket);

	return pair ? BPF_CORE_READ(pair, vfs_inode.i_ino) : 0;
}

/*
 * Addresses, ports, state, options and namespace, by address. Returns whether the memory could be
 * read; if not, nothing has been written.
 */
static __always_inline bool st_fill_shallow(struct st_sock *out, __u64 *cookie, __u32 *netns,
					    const struct sock *sk)
{
	struct st_common_copy copy = {};
	const struct sock_common *common = (const void *)&copy;

	if (!st_copy_common(&copy, sk))
		return false;
	st_fill_common(out, common);
	if (!*cookie)
		*cookie = common->skc_cookie.counter;
	*netns = BPF_CORE_READ(common->skc_net.net, ns.inum);
	return true;
}

/* All that st_fill_direct() fills, by address. */
static __always_inline bool st_fill_probed(struct st_sock *out, __u64 *cookie, __u32 *netns,
					   const struct sock *sk)
{
	const struct sock___userlocks *locks = (const void *)sk;

	if (!st_fill_shallow(out, cookie, netns, sk))
		return false;
	out->protocol = BPF_CORE_READ(sk, sk_protocol);
	out->type = BPF_CORE_READ(sk, sk_type);
	out->mark = BPF_CORE_READ(sk, sk_mark);
	out->uid = BPF_CORE_READ(sk, sk_uid.val);
	out->inode = st_inode_probed(sk);
	if (BPF_CORE_READ_BITFIELD_PROBED(locks, sk_userlocks) & SOCK_BINDPORT_LOCK)
		out->options |= ST_O_PORT_LOCKED;
	return true;
}
