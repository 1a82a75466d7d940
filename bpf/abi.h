/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* clang-format off */
/*
 * The one contract between the BPF programs and user space: what a ring-buffer record looks like.
 *
 * A record is   st_head  st_sock  [st_task]  [st_stats]  [st_name]   in that order; the bits ST_F_TASK, ST_F_STATS
 * and ST_F_NAME of head.flags say which of the optional parts follow, so that its length follows from its flags and
 * the decoder can refuse anything else. Host byte order, except addresses, which stay in network order. Nothing is packed
 * and nothing is padded: every byte has a name, and the sizes are asserted below on both sides.
 *
 * When a field could not be read it is 0 (fd: -1). Ports are in host order.
 */
#pragma once

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum st_kind {
	ST_STATE = 1,	     /* tp_btf/inet_sock_set_state: old_state -> new_state. When a TCP connection goes to CLOSE: stats, and
				its sk_err in head.error (0 for an orderly end). LISTEN -> SYN_RECV is left out: the child follows */
	ST_DESTROY = 2,	     /* tp_btf/tcp_destroy_sock: a full TCP socket that still held a port is gone */
	ST_ERROR = 3,	     /* tp_btf/inet_sk_error_report (5.14): the error of a connection that is not closed yet */
	ST_CREATE = 4,	     /* cgroup/sock_create of a raw or ping socket (visible at once, without a bind) */
	ST_RELEASE = 5,	     /* cgroup/sock_release, fentry/unix_release: the last descriptor of a socket was closed; task = closer, left out when a
				kernel thread dropped it. Comes before the transitions it causes. uid, inode and options are not read */
	ST_BIND_ATTEMPT = 6, /* cgroup/bind4,6 outside a traced bind(): requested address; ST_BIND_OK follows or not */
	ST_BIND_OK = 7,	     /* cgroup/post_bind4,6 outside a traced bind(): the real port */
	ST_BIND = 8,	     /* bind() returned: error 0 with the real port, or errno with the requested address; task.fd */
	ST_LISTEN = 9,	     /* listen() returned on an inet socket: error 0 or errno; task.fd; backlog as given */
	ST_ACCEPT = 10,	     /* accept() returned a child: its cookie and address, task.fd is the new descriptor */
	ST_CONNECT = 11,     /* connect() on a datagram, raw or ping socket, AF_UNSPEC too; local port known when ST_F_RESULT is
				set and error is 0. On a stream socket: returned EINPROGRESS, local port known; or failed before
				SYN_SENT, with the peer it was to reach */
	ST_SEND = 12,	     /* first send on an unconnected datagram socket from this port: local port known */
};

/*
 * Of unix sockets (ST_CFG_UNIX) there are ST_BIND, ST_LISTEN, ST_ACCEPT and ST_CONNECT, all with ST_F_RESULT and
 * ST_F_NAME, and ST_RELEASE. Of st_sock they have family, type, new_state, uid and inode, which is what tells them
 * apart: their cookie is 0, as none is made for them unless somebody asks for it.
 */

enum st_flag {
	ST_F_TASK = 1,	  /* st_task follows: taken in the context of the calling process, never in softirq */
	ST_F_STATS = 2,	  /* st_stats follows */
	ST_F_RESULT = 4,  /* head.error is what the system call returned (errno >= 0), not a guess */
	ST_F_MINI = 8,	  /* ST_STATE to CLOSE: a timewait mini-socket stays, in the state given by sock.mini_state */
	ST_F_AWAITED = 16, /* ST_STATE to LISTEN inside a traced listen(): its ST_LISTEN follows (that of the MPTCP socket, for a subflow) */
	ST_F_NAME = 32,	  /* st_name follows */
	ST_F_GIVEN_UP = 64, /* ST_STATE from SYN_SENT to CLOSE without an error of the socket, inside its own traced connect() */
};

/* st_sock.options: socket options that decide bind conflicts and that sock_diag does not carry */
enum st_option {
	ST_O_REUSEADDR = 1,	/* skc_reuse */
	ST_O_REUSEPORT = 2,	/* skc_reuseport */
	ST_O_V6ONLY = 4,	/* skc_ipv6only */
	ST_O_KNOWN = 8,		/* the other bits were read */
	ST_O_PORT_LOCKED = 16,	/* SOCK_BINDPORT_LOCK: the port was chosen by bind(), not by the kernel */
};

struct st_head {
	__u64 time_ns;	/* bpf_ktime_get_boot_ns(): CLOCK_BOOTTIME */
	__u64 cookie;	/* 0 only on kernels before 5.12 when it was never generated */
	__u64 sk;	/* kernel address: tells MPTCP sockets that share a cookie apart; 0 where not readable */
	__u32 netns;	/* inode number of the network namespace */
	__u32 lost;	/* records this CPU had failed to reserve before this one (low 32 bits, monotonic) */
	__u16 cpu;
	__u8 kind;	/* enum st_kind */
	__u8 flags;	/* enum st_flag */
	__s32 error;	/* errno, positive; 0 none */
};

struct st_sock {
	__u8 laddr[16];	/* IPv4 in the first four bytes */
	__u8 raddr[16];
	__u16 lport;
	__u16 rport;
	__u16 protocol;	/* IPPROTO_*, MPTCP is 262 */
	__u8 family;	/* AF_INET, AF_INET6, AF_UNIX */
	__u8 type;	/* SOCK_*; 0 unknown */
	__u8 old_state;	/* TCP_*: 1 ESTABLISHED ... 11 CLOSING */
	__u8 new_state;	/* other kinds than ST_STATE: the state at that time, and old_state is 0 */
	__u8 mini_state; /* with ST_F_MINI: TCP_TIME_WAIT or TCP_FIN_WAIT2 */
	__u8 options;	/* enum st_option */
	__u32 ifindex;	/* sk_bound_dev_if */
	__u32 mark;	/* sk_mark */
	__u32 uid;	/* sk_uid, in the initial user namespace; -1 unknown */
	__u32 inode;	/* sockfs inode; 0 when no descriptor exists */
	__u32 backlog;	/* listen(): sk_max_ack_backlog; otherwise 0 */
};

struct st_task {
	__u64 start_ns;	 /* group leader's start_boottime: with pid, the identity that survives pid reuse */
	__u64 cgroup_id; /* cgroup v2 id */
	__u32 pid;	 /* tgid */
	__u32 tid;
	__u32 uid;
	__s32 fd;	 /* descriptor the call was made on, or returned (accept); -1 unknown */
	__u8 comm[16];	 /* of the group leader, NUL-terminated */
};

struct st_stats {
	__u64 bytes_received;	/* without SYN and FIN */
	__u64 bytes_sent;	/* acknowledged by the peer, without retransmissions; exact after an orderly end, else within 1 */
	__u32 srtt_us;
	__u32 retransmits;	/* segments retransmitted */
};

#define ST_NAME_BYTES 128 /* sun_path has 108; a power of two, as the verifier wants to see it */

/* A name of a unix socket, as in sun_path: its own, also the one that bind() was refused; with ST_CONNECT that of the socket
 * that it is connected with, or was to be. */
struct st_name {
	__u32 peer_inode; /* of the socket at the other end, if it has one; 0 unknown */
	__u32 length;	  /* of bytes; 0: none. An abstract name begins with a NUL, a path may end with one */
	__u8 bytes[ST_NAME_BYTES];
};

/* Loss accounting, one slot per possible CPU in a memory-mapped array: attempted = delivered + lost, always. */
struct st_counters {
	__u64 attempted;
	__u64 lost;
	__u64 reserved[6];	/* one cache line per CPU */
};

#define ST_MAX_CPUS 512

/* What iter/task_file writes for every open socket of every process. */
struct st_open_socket {
	__u64 cookie;	/* 0: not generated yet; match by inode */
	__u64 start_ns;	/* as st_task.start_ns */
	__u32 pid;
	__s32 fd;
	__u32 inode;
	__u32 netns;
	__u16 family;
	__u16 protocol;
	__u8 type;
	__u8 options;	/* enum st_option, for AF_INET and AF_INET6 */
	__u16 reserved;
	__u8 comm[16];
};

#ifdef __cplusplus
#define ST_ASSERT_SIZE(type, size) static_assert(sizeof(struct type) == (size), #type " changed size")
#else
#define ST_ASSERT_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type " changed size")
#endif
ST_ASSERT_SIZE(st_head, 40);
ST_ASSERT_SIZE(st_sock, 64);
ST_ASSERT_SIZE(st_task, 48);
ST_ASSERT_SIZE(st_stats, 24);
ST_ASSERT_SIZE(st_name, 136);
ST_ASSERT_SIZE(st_counters, 64);
ST_ASSERT_SIZE(st_open_socket, 56);
