/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Results of bind(), listen(), accept() and of connect() on datagram sockets, for whichever hooks
 * see a call begin and end: fexit.bpf.c or, where the kernel refuses those, syscalls.bpf.c. What
 * the cgroup hooks learn in between is joined by a hash keyed by thread.
 */
#pragma once

#include "emit.h"
#include "sock.h"
#include "task.h"

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

/* The same for a descriptor that the kernel will only take, or has just made, as a socket's. */
static __always_inline const struct sock *st_sock_of_socket(int fd)
{
	struct socket *socket;
	struct file *file;

	if (!(st_config.features & ST_CFG_PROBE_READ))
		return NULL;
	file = st_file_of(fd);
	if (!file)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline bool st_is_inet(const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return family == AF_INET || family == AF_INET6;
}

static __always_inline int st_call_begins(__u8 kind, int fd)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct st_call call = {.kind = kind, .fd = fd};

	if (!st_ignored())
		bpf_map_update_elem(&st_calls, &id, &call, BPF_ANY);
	return 0;
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

/* A bind that no hook saw either failed before it reached the protocol (EBADF, a bad length), which
 * is told to nobody, or belongs to a protocol with a bind of its own (raw, SCTP), which the socket
 * itself describes. */
static __always_inline void st_bind_result(const struct st_call *call, long result)
{
	const struct sock *sk = NULL;
	struct st_with_task *record;

	if (!call->seen) {
		if (result)
			return;
		sk = st_sock_of(call->fd);
		if (!sk || !st_is_inet(sk))
			return;
	}
	record = st_result(ST_BIND, result, call->fd);
	if (!record)
		return;
	if (call->seen)
		st_take(record, call);
	else
		st_fill_at(record, sk);
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

static __always_inline void st_listen_result(int fd, long result)
{
	const struct sock *sk = st_sock_of(fd);
	struct st_with_task *record;

	if (!sk || !st_is_inet(sk))
		return;
	record = st_result(ST_LISTEN, result, fd);
	if (!record)
		return;
	st_fill_at(record, sk);
	record->sock.backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
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
	sk = st_sock_of_socket(result);
	if (!sk || !st_is_inet(sk))
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

/* What is no socket at all is read as something, and fails. A TCP connect is told by its states;
 * but for its port when it does not wait, as SYN_SENT comes before the port is chosen. */
static __always_inline bool st_told_by_states(int fd)
{
	struct socket *socket;
	struct sock *sk;
	struct file *file;

	if (!(st_config.features & ST_CFG_PROBE_READ))
		return false;
	file = st_file_of(fd);
	if (!file)
		return false;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	return sk && BPF_CORE_READ(sk, sk_type) == SOCK_STREAM &&
	       !(BPF_CORE_READ(file, f_flags) & O_NONBLOCK);
}

static __always_inline int st_connect_begins(int fd)
{
	return st_told_by_states(fd) ? 0 : st_call_begins(ST_CONNECT, fd);
}

/*
 * cgroup/connect fills the entry for UDP and ping sockets. It does not for TCP, is not run for raw
 * and UDP-Lite sockets, nor for connect(AF_UNSPEC), which takes the port from a socket for which
 * bind() had not named one: what the call did is read from the socket.
 */
static __always_inline void st_connect_result(const struct st_call *call, long result)
{
	const struct sock *sk = (const struct sock *)call->sk;
	struct st_with_task *record;

	if (!call->seen) {
		if (result && result != -EINPROGRESS)
			return;
		sk = st_sock_of(call->fd);
		if (!sk || !st_is_inet(sk))
			return;
		if ((BPF_CORE_READ(sk, sk_type) == SOCK_STREAM) != (result == -EINPROGRESS))
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
	if (call->kind == ST_CONNECT)
		st_connect_result(call, result);
	bpf_map_delete_elem(&st_calls, &id);
	return 0;
}
