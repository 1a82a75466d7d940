/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The data that all programs share; defined in maps.bpf.c. */
#pragma once

#include "abi.h"
#include "config.h"

/* A bind(), listen() or connect() under way in a thread: made at sys_enter, filled by the hooks
 * that run inside the call, emitted at sys_exit. */
struct st_call {
	__u64 cookie;
	__u64 sk;
	__u32 netns;
	__s32 fd;
	__u8 kind;   /* enum st_kind: ST_BIND, ST_LISTEN or ST_CONNECT */
	__u8 seen;   /* a hook has filled this, or SYN_SENT came: the call reached the socket's
			protocol */
	__u8 stream; /* connect(): sk is the stream socket itself, known from the beginning */
	__u8 fresh;  /* connect(): no other one was under way on the socket, whose result this would
			return */
	__s32 length;  /* of what is at the address */
	__u64 address; /* bind(), connect(): user memory */
	struct st_sock sock;
};

struct st_ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
};

struct st_calls_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct st_call);
};

/* The port from which a datagram socket has sent before: only the first send from a port is told.
 * It gets another one after connect(AF_UNSPEC). */
struct st_sent_map {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u16);
};

/* A transition, by the arguments of its hook. */
struct st_transition {
	__u64 sk;
	__u64 states;
};

/* Enough for a task's own transition and those of a softirq that interrupts it; a power of two. */
#define ST_SEEN_MAX 256

/* The transitions of this CPU that st_set_state has seen and st_set_state_nested has not: that of
 * a task, and above it those of a softirq that has interrupted it between the two. */
struct st_seen {
	struct st_transition list[ST_SEEN_MAX];
	__u32 count; /* of all that were added and not taken back; the list keeps the last ones */
	__u8 first_runs;  /* st_set_state is at work on the one that was added last */
	__u8 nested_runs; /* st_set_state_nested is: it is not asked about what happens meanwhile */
	__u16 reserved;
};

struct st_seen_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct st_seen);
};

extern struct st_ring_map st_ring SEC(".maps");
extern struct st_seen_map st_seen SEC(".maps");
extern struct st_calls_map st_calls SEC(".maps");
extern struct st_sent_map st_sent SEC(".maps");

extern const volatile struct st_config st_config;
/* Which inodes st_socket_owners is asked for, and others that share a bit with one. */
extern const volatile __u64 st_wanted[ST_WANTED_BITS / 64];
extern struct st_counters st_counters[ST_MAX_CPUS];
/* Set by the reader before it sleeps for long: the next record wakes it, and clears this. */
extern __u32 st_reader_sleeps;
/* Inode number of the only network namespace that matters; 0: all do. Set when it is known that
 * events flow. */
extern __u32 st_only_netns;
