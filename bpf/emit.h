/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Writing records into the ring, and counting them: attempted = delivered + lost holds exactly on
 * every CPU. */
#pragma once

#include "maps.h"

/* The layouts of abi.h that are in use. */
struct st_plain {
	struct st_head head;
	struct st_sock sock;
};

struct st_with_task {
	struct st_head head;
	struct st_sock sock;
	struct st_task task;
};

struct st_with_name {
	struct st_head head;
	struct st_sock sock;
	struct st_task task;
	struct st_name name;
};

struct st_with_stats {
	struct st_head head;
	struct st_sock sock;
	struct st_stats stats;
};

/*
 * A zeroed record of constant size, its head begun, or NULL when the ring is full. The additions
 * are atomic since a softirq may interrupt a system call's program on the same CPU; their results
 * stay unused, as the fetching form exists only since 5.12. Whatever this returns must be
 * submitted.
 */
static __always_inline void *st_reserve(const __u64 size, __u8 kind, __u8 flags)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct st_counters *counters = &st_counters[cpu & (ST_MAX_CPUS - 1)];
	struct st_head *head;

	__sync_fetch_and_add(&counters->attempted, 1);
	head = bpf_ringbuf_reserve(&st_ring, size, 0);
	if (!head) {
		__sync_fetch_and_add(&counters->lost, 1);
		return NULL;
	}
	__builtin_memset(head, 0, size);
	head->time_ns = bpf_ktime_get_boot_ns();
	head->lost = counters->lost;
	head->cpu = cpu;
	head->kind = kind;
	head->flags = flags;
	return head;
}

/*
 * A wakeup costs ten times the record, so the reader sleeps through most of them and looks by
 * itself every few milliseconds, unless nothing happens: then it asks to be woken. It is woken once
 * as the ring fills past the watermark (a window, not "above it": a reader that is busy draining
 * needs no further wakeups), and at once for what is rare and waited for.
 */
static __always_inline void st_submit(void *record, bool at_once)
{
	__u64 flags = BPF_RB_NO_WAKEUP;
	__u32 mark = st_config.wakeup_bytes;

	if (at_once || bpf_ringbuf_query(&st_ring, BPF_RB_AVAIL_DATA) - mark < mark / 4)
		flags = BPF_RB_FORCE_WAKEUP;
	if (st_reader_sleeps) {
		st_reader_sleeps = 0;
		flags = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(record, flags);
}
