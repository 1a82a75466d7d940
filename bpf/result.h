/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Results of bind(), listen(), accept() and connect(), for whichever hooks see a call begin and
 * end: fexit.bpf.c or, where the kernel refuses those, syscalls.bpf.c. What the cgroup hooks learn
 * in between is joined by a hash keyed by thread.
 */
#pragma once

#include "emit.h"
#include "sock.h"
#include "task.h"
#include "unix.h"

/* The file behind a descriptor of the current process, or NULL. */
static __always_inline struct file *st_file_of(int fd)
{
	struct file *file = NULL, **slots;
	struct fdtable *table;
	__u32 count;

	if (st_config.features & ST_CFG_TASK_BTF) {
		table = bpf_get_current_task_btf()->files->fdt;
		slots = table->fd;
		count = table->max_fds;
	} else {
		table = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), files, fdt);
		slots = BPF_CORE_READ(table, fd);
		count = BPF_CORE_READ(table, max_fds);
	}
	if ((__u32)fd < count)
		bpf_probe_read_kernel(&file, sizeof(file), &slots[fd]);
	return file;
}

/* The socket behind a descriptor of the current process, or NULL. */
static __always_inline const struct sock *st_sock_of(int fd)
{
	struct socket *socket;
	struct file *file;

	if (!(st_config.features & ST_CFG_PROBE_READ))
		return NULL;
	file = st_file_of(fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	/* A socket file opened by its path (O_PATH) is not a socket. */
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return NULL;
	return BPF_CORE_READ(socket, sk);
}

/* The same, without its file's type, for a descriptor that the kernel will only take, or has just
 * made, as a socket's: what is none is read as something, and fails. */
static __always_inline const struct socket *st_socket_of(int fd)
{
	struct file *file;

	if (!(st_config.features & ST_CFG_PROBE_READ))
		return NULL;
	file = st_file_of(fd);
	return file ? BPF_CORE_READ(file, private_data) : NULL;
}

static __always_inline bool st_is_inet(const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return family == AF_INET || family == AF_INET6;
}

/* The socket behind a descriptor of the current process, if it is one of IPv4 or IPv6, or NULL. */
static __always_inline const struct sock *st_inet_sock_of(int fd)
{
	const struct sock *sk = st_sock_of(fd);

	return sk && st_is_inet(sk) ? sk : NULL;
}

static __always_inline int st_put_call(const struct st_call *call)
{
	__u64 id = bpf_get_current_pid_tgid();

	if (!st_ignored())
		bpf_map_update_elem(&st_calls, &id, call, BPF_ANY);
	return 0;
}

static __always_inline int st_bind_begins(int fd, __u64 address, int length)
{
	struct st_call call = {.kind = ST_BIND, .fd = fd, .length = length, .address = address};

	return st_put_call(&call);
}

static __always_inline int st_listen_begins(int fd)
{
	struct st_call call = {.kind = ST_LISTEN, .fd = fd};

	return st_put_call(&call);
}

/* A record of what the system call returned. `socket` is filled by the caller. */
static __always_inline struct st_with_task *st_result(__u8 kind, long result, int fd)
{
	struct st_with_task *record = st_reserve(sizeof(*record), kind, ST_F_TASK | ST_F_RESULT);

	if (!record)
		return NULL;
	record->head.error = result < 0 ? -result : 0;
	st_fill_task(&record->task, fd);
	return record;
}

static __always_inline void st_fill_at(struct st_with_task *record, const struct sock *sk)
{
	if (!(st_config.features & ST_CFG_PROBE_READ))
		return;
	record->head.sk = (__u64)sk;
	st_fill_probed(&record->sock, &record->head.cookie, &record->head.netns, sk);
}

static __always_inline void st_take(struct st_with_task *record, const struct st_call *call)
{
	record->head.cookie = call->cookie;
	record->head.sk = call->sk;
	record->head.netns = call->netns;
	record->sock = call->sock;
}

/* The scope of a link-local address binds its socket to a device, also when the call fails. */
static __always_inline void st_take_scope(struct st_sock *out, const struct st_call *call)
{
	const struct sock *sk = (const struct sock *)call->sk;

	if (st_config.features & ST_CFG_PROBE_READ && out->family == AF_INET6)
		out->ifindex = BPF_CORE_READ(sk, __sk_common.skc_bound_dev_if);
}

/*
 * The IPv4 or IPv6 socket of a call that succeeded though no hook saw it reach the protocol, or
 * NULL. Of a unix socket, which no hook sees, the result is told here.
 */
static __always_inline const struct sock *st_unseen_sock(__u8 kind, const struct st_call *call,
							 long result)
{
	const struct sock *sk;

	if (result && !(st_config.features & ST_CFG_UNIX))
		return NULL;
	sk = st_sock_of(call->fd);
	if (!sk)
		return NULL;
	if (st_is_traced_unix(sk)) {
		st_unix_result(kind, result, call->fd, sk, call);
		return NULL;
	}
	return !result && st_is_inet(sk) ? sk : NULL;
}

/* A bind that no hook saw either failed before it reached the protocol (EBADF, a bad length), which
 * is told to nobody, or belongs to a protocol with a bind of its own (raw, SCTP), which the socket
 * itself describes. */
static __always_inline void st_bind_result(const struct st_call *call, long result)
{
	const struct sock *sk = NULL;
	struct st_with_task *record;

	if (!call->seen) {
		sk = st_unseen_sock(ST_BIND, call, result);
		if (!sk)
			return;
	}
	record = st_result(ST_BIND, result, call->fd);
	if (!record)
		return;
	if (call->seen) {
		st_take(record, call);
		st_take_scope(&record->sock, call);
	} else {
		st_fill_at(record, sk);
	}
	st_submit(record, result != 0);
}

static __always_inline int st_bind_ends(long result)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct st_call *call = bpf_map_lookup_elem(&st_calls, &id);

	if (!call)
		return 0;
	if (call->kind == ST_BIND)
		st_bind_result(call, result);
	bpf_map_delete_elem(&st_calls, &id);
	return 0;
}

/* It is the first subflow of an MPTCP socket that listens. */
static __always_inline __u32 st_backlog(const struct sock *sk)
{
	const struct mptcp_sock *mptcp = (const void *)sk;

	if (BPF_CORE_READ(sk, sk_protocol) == IPPROTO_MPTCP && bpf_core_field_exists(mptcp->first))
		sk = BPF_CORE_READ(mptcp, first);
	return BPF_CORE_READ(sk, sk_max_ack_backlog);
}

static __always_inline void st_listen_result(int fd, long result)
{
	const struct sock *sk = st_sock_of(fd);
	struct st_with_task *record;

	if (!sk)
		return;
	if (st_is_traced_unix(sk))
		return st_unix_result(ST_LISTEN, result, fd, sk, NULL);
	if (!st_is_inet(sk))
		return;
	record = st_result(ST_LISTEN, result, fd);
	if (!record)
		return;
	st_fill_at(record, sk);
	record->sock.backlog = st_backlog(sk);
	st_submit(record, true);
}

static __always_inline int st_listen_ends(long result)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct st_call *call = bpf_map_lookup_elem(&st_calls, &id);

	if (!call)
		return 0;
	if (call->kind == ST_LISTEN)
		st_listen_result(call->fd, result);
	bpf_map_delete_elem(&st_calls, &id);
	return 0;
}

/* Nothing of its beginning is needed: what matters is the descriptor that is returned. */
static __always_inline int st_accept_ends(long result)
{
	struct st_with_task *record;
	const struct sock *sk;

	if (result < 0 || st_ignored())
		return 0;
	sk = BPF_CORE_READ(st_socket_of(result), sk);
	if (!sk)
		return 0;
	if (st_is_traced_unix(sk)) {
		st_unix_result(ST_ACCEPT, 0, result, sk, NULL);
		return 0;
	}
	if (!st_is_inet(sk))
		return 0;
	record = st_result(ST_ACCEPT, 0, result);
	if (!record)
		return 0;
	st_fill_at(record, sk);
	if (!record->sock.lport) /* reset before it was accepted */
		record->sock.lport = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	st_submit(record, false);
	return 0;
}

static __always_inline int st_connect_begins(int fd, __u64 address, int length)
{
	struct st_call call = {.kind = ST_CONNECT, .fd = fd, .length = length, .address = address};

	if (st_config.features & ST_CFG_PROBE_READ) {
		const struct socket *socket = st_socket_of(fd);
		const struct sock *sk = BPF_CORE_READ(socket, sk);

		if (sk && !st_is_inet(sk)) {
			if (!st_is_traced_unix(sk))
				return 0;
		} else if (sk && BPF_CORE_READ(sk, sk_type) == SOCK_STREAM) {
			if (!(st_config.features & ST_CFG_CONNECTIONS))
				return 0;
			call.sk = (__u64)sk;
			call.stream = 1;
			call.fresh = BPF_CORE_READ(socket, state) == SS_UNCONNECTED;
		}
	}
	return st_put_call(&call);
}

/* struct sockaddr_in and sockaddr_in6 as far as both go, and then what only the latter has. */
struct st_destination {
	__u16 family;
	__be16 port;
	__u32 address; /* IPv4; the flow label of IPv6 */
	__u32 address6[4];
};

/* Where connect() was to go, which its socket does not say once it has failed. */
static __always_inline void st_fill_destination(struct st_sock *out, __u64 address)
{
	struct st_destination given = {};
	__u32 *peer = (__u32 *)out->raddr;

	if (bpf_probe_read_user(&given, offsetof(struct st_destination, address6),
				(void *)address) ||
	    given.family != out->family)
		return;
	if (given.family == AF_INET) {
		peer[0] = given.address;
	} else {
		if (bpf_probe_read_user(&given, sizeof(given), (void *)address))
			return;
		peer[0] = given.address6[0];
		peer[1] = given.address6[1];
		peer[2] = given.address6[2];
		peer[3] = given.address6[3];
	}
	out->rport = bpf_ntohs(given.port);
}

/*
 * The states of a stream socket tell its connect, but for its port when it does not wait, as
 * SYN_SENT comes before the port is chosen, and for what fails before SYN_SENT: no route, no
 * permission, no address to send from.
 */
static __always_inline void st_stream_connect_result(const struct st_call *call, long result)
{
	const bool waits = result == -EINPROGRESS;
	const bool failed = result && !waits && result != -EISCONN && call->fresh && !call->seen;
	struct st_with_task *record;
	const struct sock *sk;

	if (!waits && !failed)
		return;
	sk = st_inet_sock_of(call->fd);
	if (!sk)
		return;
	record = st_result(ST_CONNECT, result, call->fd);
	if (!record)
		return;
	st_fill_at(record, sk);
	if (failed)
		st_fill_destination(&record->sock, call->address);
	st_submit(record, false);
}

/*
 * cgroup/connect fills the entry for UDP and ping sockets. It is not run for raw and UDP-Lite
 * sockets, nor for connect(AF_UNSPEC), which takes the port from a socket for which bind() had not
 * named one: what the call did is read from the socket.
 */
static __always_inline void st_connect_result(const struct st_call *call, long result)
{
	const struct sock *sk = (const struct sock *)call->sk;
	struct st_with_task *record;

	if (!call->seen) {
		sk = st_unseen_sock(ST_CONNECT, call, result);
		if (!sk)
			return;
	}
	record = st_result(ST_CONNECT, result, call->fd);
	if (!record)
		return;
	if (call->seen)
		st_take(record, call);
	if (!call->seen || !result)
		st_fill_at(record, sk);
	st_submit(record, false);
}

static __always_inline int st_connect_ends(long result)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct st_call *call = bpf_map_lookup_elem(&st_calls, &id);

	if (!call)
		return 0;
	if (call->kind == ST_CONNECT && call->stream)
		st_stream_connect_result(call, result);
	else if (call->kind == ST_CONNECT)
		st_connect_result(call, result);
	bpf_map_delete_elem(&st_calls, &id);
	return 0;
}
