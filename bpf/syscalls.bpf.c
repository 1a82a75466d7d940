// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Results of bind(), listen(), accept() and of connect() on datagram sockets. Classic tracepoints:
 * their context has the arguments on entry and only the result on exit, so a hash keyed by thread
 * joins the two.
 */
#include "vmlinux.h"
#include "flavors.h"
#include "macros.h"
#include <bpf/bpf_helpers.h>
#include "emit.h"
#include "sock.h"
#include "task.h"

static __always_inline struct fdtable *st_descriptors(void)
{
	struct task_struct *task;

	if (st_config.features & ST_CFG_TASK_BTF)
		return bpf_get_current_task_btf()->files->fdt;
	task = (struct task_struct *)bpf_get_current_task();
	return BPF_CORE_READ(task, files, fdt);
}

/* The socket behind a descriptor of the current process, or NULL. */
static __always_inline const struct sock *st_sock_of(int fd)
{
	struct fdtable *table = st_descriptors();
	struct file **slots = BPF_CORE_READ(table, fd);
	struct socket *socket;
	struct file *file = NULL;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), &slots[fd]);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	/* A socket file opened by its path (O_PATH) is not a socket. */
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return NULL;
	return BPF_CORE_READ(socket, sk);
}

static __always_inline bool st_is_inet(const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return family == AF_INET || family == AF_INET6;
}

static __always_inline int st_enter(__u8 kind, int fd)
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

SEC("tracepoint/syscalls/sys_enter_bind")
int st_enter_bind(struct trace_event_raw_sys_enter *ctx)
{
	return st_enter(ST_BIND, ctx->args[0]);
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

SEC("tracepoint/syscalls/sys_exit_bind")
int st_exit_bind(struct trace_event_raw_sys_exit *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct st_call *call = bpf_map_lookup_elem(&st_calls, &id);

	if (!call)
		return 0;
	if (call->kind == ST_BIND)
		st_bind_result(call, ctx->ret);
	bpf_map_delete_elem(&st_calls, &id);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_listen")
int st_enter_listen(struct trace_event_raw_sys_enter *ctx)
{
	return st_enter(ST_LISTEN, ctx->args[0]);
}

SEC("tracepoint/syscalls/sys_exit_listen")
int st_exit_listen(struct trace_event_raw_sys_exit *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct st_call *call = bpf_map_lookup_elem(&st_calls, &id);
	struct st_with_task *record;
	const struct sock *sk;
	int fd;

	if (!call)
		return 0;
	fd = call->fd;
	bpf_map_delete_elem(&st_calls, &id);
	sk = st_sock_of(fd);
	if (!sk || !st_is_inet(sk))
		return 0;
	record = st_result(ST_LISTEN, ctx->ret, fd);
	if (!record)
		return 0;
	st_fill_at(record, sk);
	record->sock.backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
	st_submit(record, true);
	return 0;
}

/* No entry is needed: what matters is the descriptor that is returned. */
static __always_inline int st_accepted(long result)
{
	struct st_with_task *record;
	const struct sock *sk;

	if (result < 0 || st_ignored())
		return 0;
	sk = st_sock_of(result);
	if (!sk || !st_is_inet(sk))
		return 0;
	record = st_result(ST_ACCEPT, 0, result);
	if (!record)
		return 0;
	st_fill_at(record, sk);
	st_submit(record, false);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_accept")
int st_exit_accept(struct trace_event_raw_sys_exit *ctx)
{
	return st_accepted(ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_accept4")
int st_exit_accept4(struct trace_event_raw_sys_exit *ctx)
{
	return st_accepted(ctx->ret);
}

SEC("tracepoint/syscalls/sys_enter_connect")
int st_enter_connect(struct trace_event_raw_sys_enter *ctx)
{
	return st_enter(ST_CONNECT, ctx->args[0]);
}

/* Only cgroup/connect on a datagram socket fills the entry. The port the kernel has chosen is read
 * from the socket. */
SEC("tracepoint/syscalls/sys_exit_connect")
int st_exit_connect(struct trace_event_raw_sys_exit *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct st_call *call = bpf_map_lookup_elem(&st_calls, &id);
	struct st_with_task *record;

	if (!call)
		return 0;
	if (call->kind == ST_CONNECT && call->seen) {
		record = st_result(ST_CONNECT, ctx->ret, call->fd);
		if (record) {
			st_take(record, call);
			if (!ctx->ret)
				st_fill_at(record, (const struct sock *)call->sk);
			st_submit(record, false);
		}
	}
	bpf_map_delete_elem(&st_calls, &id);
	return 0;
}
