// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Every open socket of every process, in one pass over all descriptor tables and so over all
 * network namespaces. */
#include "vmlinux.h"
#include "flavors.h"
#include "macros.h"
#include <bpf/bpf_helpers.h>
#include "sock.h"

static __always_inline void st_fill_owner(struct st_open_socket *out,
					  const struct task_struct *task, int fd)
{
	const struct task_struct *leader = task->group_leader;
	const __u64 *comm = (const __u64 *)__builtin_preserve_access_index(&leader->comm);

	out->pid = task->tgid;
	out->fd = fd;
	out->start_ns = leader->start_boottime;
	((__u64 *)out->comm)[0] = comm[0];
	((__u64 *)out->comm)[1] = comm[1];
}

static __always_inline void st_write_direct(struct seq_file *seq, struct st_open_socket *out,
					    struct file *file)
{
	struct socket *socket = bpf_sock_from_file(file);
	struct sock *sk;

	if (!socket)
		return;
	sk = socket->sk;
	out->type = socket->type;
	out->cookie = sk->__sk_common.skc_cookie.counter;
	out->netns = st_netns_direct(sk);
	out->family = sk->__sk_common.skc_family;
	out->protocol = sk->sk_protocol;
	if (out->family == AF_INET || out->family == AF_INET6)
		out->options = st_options(&sk->__sk_common) | st_lock_option(sk);
	bpf_seq_write(seq, out, sizeof(*out));
}

/* Before 5.11: private_data is a void pointer, which only bpf_probe_read_kernel() follows. */
static __always_inline void st_write_probed(struct seq_file *seq, struct st_open_socket *out,
					    struct file *file)
{
	struct socket *socket = file->private_data;
	struct st_sock fields = {};
	struct sock *sk;

	if (BPF_CORE_READ(socket, file) != file)
		return;
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || !st_fill_probed(&fields, &out->cookie, &out->netns, sk))
		return;
	out->type = BPF_CORE_READ(socket, type);
	out->family = fields.family;
	out->protocol = fields.protocol;
	if (out->family == AF_INET || out->family == AF_INET6)
		out->options = fields.options;
	bpf_seq_write(seq, out, sizeof(*out));
}

SEC("iter/task_file")
int st_open_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct st_open_socket out = {};

	if (!task || !file || (file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return 0;
	st_fill_owner(&out, task, ctx->fd);
	out.inode = file->f_inode->i_ino;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_sock_from_file))
		st_write_direct(ctx->meta->seq, &out, file);
	else if (st_config.features & ST_CFG_PROBE_READ)
		st_write_probed(ctx->meta->seq, &out, file);
	return 0;
}

/*
 * For who asks only which process holds which socket: inode and owner as in /proc, the rest 0.
 * Every structure that a program reads costs its loader a search through the kernel's BTF, 1 ms
 * each, so this one reads three. Since 5.11 (bpf_sock_from_file); elsewhere it does not load.
 */
SEC("?iter/task_file")
int st_socket_owners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct st_open_socket out = {};

	if (!task || !file)
		return 0;
	out.inode = file->f_inode->i_ino;
	if (!(st_wanted[out.inode / 64 % (ST_WANTED_BITS / 64)] >> out.inode % 64 & 1) ||
	    !bpf_sock_from_file(file))
		return 0;
	st_fill_owner(&out, task, ctx->fd);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}
