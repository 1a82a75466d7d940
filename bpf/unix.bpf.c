// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The end of unix sockets, which no other hook tells: cgroup/sock_release is of inet sockets only.
 * The function releases those of every type, and has had this name since the kernel is kept in git.
 */
#include "vmlinux.h"
#include "flavors.h"
#include "macros.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "emit.h"
#include "sock.h"
#include "task.h"

static __always_inline void st_fill_released_unix(struct st_head *head, struct st_sock *out,
						  const struct socket *socket)
{
	const struct sock *sk = socket->sk;

	head->netns = st_netns_direct(sk);
	out->family = AF_UNIX;
	out->type = sk->sk_type;
	out->new_state = sk->__sk_common.skc_state;
	out->inode = socket->file->f_inode->i_ino;
	out->uid = -1;
}

SEC("fentry/unix_release")
int BPF_PROG(st_unix_release, struct socket *socket)
{
	struct st_with_task *record;
	struct st_plain *plain;

	if (!socket->sk)
		return 0;
	if (st_has_task() && !st_ignored()) {
		record = st_reserve(sizeof(*record), ST_RELEASE, ST_F_TASK);
		if (!record)
			return 0;
		st_fill_released_unix(&record->head, &record->sock, socket);
		st_fill_task(&record->task, -1);
		st_submit(record, false);
	} else {
		plain = st_reserve(sizeof(*plain), ST_RELEASE, 0);
		if (!plain)
			return 0;
		st_fill_released_unix(&plain->head, &plain->sock, socket);
		st_submit(plain, false);
	}
	return 0;
}
