/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The process in whose context a program runs. Only hooks inside its own system call may use this.
 */
#pragma once

#include <bpf/bpf_core_read.h>
#include "maps.h"

/*
 * Whether the record may name the current process. Not in a kernel thread: a worker can drop the
 * last reference to a socket (delayed fput, MPTCP), and it is not the process that closed it.
 */
static __always_inline bool st_has_task(void)
{
	if (st_config.features & ST_CFG_TASK_BTF)
		return !(bpf_get_current_task_btf()->flags & PF_KTHREAD);
	if (st_config.features & ST_CFG_PROBE_READ)
		return !(BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), flags) &
			 PF_KTHREAD);
	return true;
}

/*
 * In the tracer's own context. What it opens is left out, but its iterator holds each file for a
 * moment and may so be the one to drop the last reference to somebody's socket: what ends there is
 * told, without a process.
 */
static __always_inline bool st_ignored(void)
{
	return st_config.ignore_tgid && bpf_get_current_pid_tgid() >> 32 == st_config.ignore_tgid;
}

static __always_inline void st_fill_task(struct st_task *out, int fd)
{
	__u64 id = bpf_get_current_pid_tgid();

	out->pid = id >> 32;
	out->tid = id;
	out->fd = fd;
	out->cgroup_id = bpf_get_current_cgroup_id();
	if (st_config.features & ST_CFG_TASK_BTF) {
		struct task_struct *task = bpf_get_current_task_btf();
		struct task_struct *leader = task->group_leader;
		__u64 *comm = (__u64 *)__builtin_preserve_access_index(&leader->comm);

		out->uid = task->cred->euid.val;
		out->start_ns = leader->start_boottime;
		((__u64 *)out->comm)[0] = comm[0];
		((__u64 *)out->comm)[1] = comm[1];
	} else if (st_config.features & ST_CFG_PROBE_READ) {
		struct task_struct *task = (struct task_struct *)bpf_get_current_task();
		struct task_struct *leader = BPF_CORE_READ(task, group_leader);

		out->uid = BPF_CORE_READ(task, cred, euid.val);
		out->start_ns = BPF_CORE_READ(leader, start_boottime);
		BPF_CORE_READ_INTO(&out->comm, leader, comm);
	} else {
		/* No kernel memory can be read here: the thread's own name and real uid are the
		 * nearest. */
		out->uid = bpf_get_current_uid_gid();
		bpf_get_current_comm(out->comm, sizeof(out->comm));
	}
}
