// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Transitions, ends and errors of TCP, MPTCP and SCTP sockets. Only BTF pointers are dereferenced
 * here, so that these programs load under lockdown=confidentiality too.
 */
#include "vmlinux.h"
#include "flavors.h"
#include "macros.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "call.h"
#include "emit.h"
#include "sock.h"
#include "task.h"

/*
 * Transitions that only the caller's system call makes. Every other one can be the work of a
 * packet, when `current` is whoever was interrupted: on loopback the client, plausible and wrong.
 */
static __always_inline bool st_by_caller(int old, int new)
{
	switch (new) {
	case TCP_SYN_SENT:
	case TCP_LISTEN:
		return old == TCP_CLOSE;
	case TCP_CLOSE:
		return old == TCP_LISTEN;
	case TCP_FIN_WAIT1:
		return true;
	case TCP_LAST_ACK:
		return old == TCP_CLOSE_WAIT;
	default:
		return false;
	}
}

static __always_inline bool st_flag_set(const struct sock *sk, enum sock_flags flag)
{
	return sk->__sk_common.skc_flags & (1UL << flag);
}

/*
 * The state of the timewait mini-socket that stays behind when a connection closes, or 0.
 * tcp_time_wait() puts it into the hash table and then closes the full socket through the same
 * tcp_set_state(TCP_CLOSE) as a reset does, so the two are told apart by what surrounds them.
 *
 * A reset, abort or timeout has set sk_err before. A received FIN has set SOCK_DONE: TIME_WAIT (in
 * CLOSING our own FIN must be acknowledged too, else it is a disconnect or a zero linger). Without
 * a FIN only an orphan (SOCK_DEAD) waits in FIN_WAIT2 as a mini-socket, and not with
 * TCP_LINGER2 < 0, which closes at once. Each of these is a case of MiniSocketTest.
 *
 * Not seen from here, and corrected by the next dump: the table of mini-sockets is full
 * (TCPTimeWaitOverflow), or the ACK of our FIN carried data for a socket already closed
 * (TCPAbortOnData).
 */
static __always_inline __u8 st_mini_state(const struct sock *sk, const struct tcp_sock *tp, int old)
{
	if (sk->sk_err)
		return 0;
	if (old == TCP_FIN_WAIT2) {
		if (st_flag_set(sk, SOCK_DONE))
			return TCP_TIME_WAIT;
		return st_flag_set(sk, SOCK_DEAD) && tp->linger2 >= 0 ? TCP_FIN_WAIT2 : 0;
	}
	if (old == TCP_CLOSING && tp->snd_una == tp->write_seq)
		return TCP_TIME_WAIT;
	return 0;
}

/* bytes_received counts the FIN as a byte. bytes_acked counts SYN and FIN, bytes_sent counts what
 * was never acknowledged: the lesser is exact for every connection that ended in order. */
static __always_inline void st_fill_stats(struct st_stats *out, const struct sock *sk,
					  const struct tcp_sock *tp)
{
	__u64 sent = tp->bytes_sent - tp->bytes_retrans;
	__u64 acked = tp->bytes_acked;

	out->bytes_received = tp->bytes_received - st_flag_set(sk, SOCK_DONE);
	out->bytes_sent = acked < sent ? acked : sent;
	out->srtt_us = tp->srtt_us >> 3;
	out->retransmits = tp->total_retrans;
}

static __always_inline void st_fill_transition(struct st_head *head, struct st_sock *out,
					       struct sock *sk, int old, int new)
{
	st_identify(head, out, sk);
	if (old == TCP_CLOSE && !sk->__sk_common.skc_num)
		out->lport = 0; /* what st_identify() found is the port of its last connection */
	out->old_state = old;
	out->new_state = new;
}

static __always_inline void st_plain_transition(struct sock *sk, int old, int new)
{
	struct st_plain *record = st_reserve(sizeof(*record), ST_STATE, 0);

	if (!record)
		return;
	st_fill_transition(&record->head, &record->sock, sk, old, new);
	st_submit(record, false);
}

/* The descriptor of the connect() that has brought a socket to SYN_SENT; -1 unknown. */
static __always_inline int st_connects_by(const struct sock *sk)
{
	struct st_call *call = st_current_call(ST_CONNECT);

	if (!call || call->sk != (__u64)sk) /* an MPTCP subflow has none */
		return -1;
	call->seen = 1;
	return call->fd;
}

static __always_inline void st_transition_by_caller(struct sock *sk, int old, int new)
{
	const int fd = new == TCP_SYN_SENT ? st_connects_by(sk) : -1;
	struct st_with_task *record = st_reserve(sizeof(*record), ST_STATE, ST_F_TASK);

	if (!record)
		return;
	st_fill_transition(&record->head, &record->sock, sk, old, new);
	st_fill_task(&record->task, fd);
	if (new == TCP_LISTEN && st_current_call(ST_LISTEN))
		record->head.flags |= ST_F_AWAITED;
	st_submit(record, old == TCP_LISTEN || new == TCP_LISTEN);
}

static __always_inline void st_tcp_close(struct sock *sk, const struct tcp_sock *tp, int old)
{
	struct st_with_stats *record = st_reserve(sizeof(*record), ST_STATE, ST_F_STATS);

	if (!record)
		return;
	st_fill_transition(&record->head, &record->sock, sk, old, TCP_CLOSE);
	/* Set before tcp_done() by whatever ended the connection: a reset, a timeout, an abort. */
	record->head.error = sk->sk_err;
	record->sock.mini_state = st_mini_state(sk, tp, old);
	if (record->sock.mini_state)
		record->head.flags |= ST_F_MINI;
	if (old == TCP_SYN_SENT && !record->head.error && st_connects_by(sk) >= 0)
		record->head.flags |= ST_F_GIVEN_UP;
	st_fill_stats(&record->stats, sk, tp);
	st_submit(record, false);
}

/*
 * Whether somebody wants to hear of this transition. Who does not want connections wants to know
 * that a bound socket, which has its port before SYN_SENT, becomes one.
 */
static __always_inline bool st_is_wanted(const struct sock *sk, int old, int new)
{
	if (st_config.features & ST_CFG_CONNECTIONS)
		return true;
	if (sk->sk_protocol != IPPROTO_TCP && sk->sk_protocol != IPPROTO_MPTCP)
		return true;
	if (new == TCP_LISTEN)
		return true;
	/* What an MPTCP listener has accepted begins as its copy, LISTEN -> ESTABLISHED. */
	if (new == TCP_CLOSE)
		return old == TCP_LISTEN;
	return new == TCP_SYN_SENT && sk->__sk_common.skc_num;
}

static __always_inline int st_any_transition(struct sock *sk, int old, int new)
{
	/*
	 * A new child goes on to ESTABLISHED in the same packet. A TCP Fast Open child stays here
	 * for a while, but cannot be told apart yet (fastopen_rsk is set later); if it is accepted
	 * early, ST_ACCEPT shows it first.
	 */
	if (old == TCP_LISTEN && new == TCP_SYN_RECV)
		return 0;
	if (!st_is_wanted(sk, old, new) || st_is_elsewhere(sk))
		return 0;
	if (old == new && sk->sk_protocol != IPPROTO_MPTCP)
		return 0;
	if (st_by_caller(old, new) && st_has_task()) {
		if (!st_ignored()) {
			st_transition_by_caller(sk, old, new);
			return 0;
		}
		if (new == TCP_SYN_SENT || new == TCP_LISTEN)
			return 0;
	}
	if (new == TCP_CLOSE) {
		struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

		if (tp) {
			st_tcp_close(sk, tp, old);
			return 0;
		}
	}
	st_plain_transition(sk, old, new);
	return 0;
}

/*
 * Takes back what st_set_state has added, if it is among the last `most`, and all above it: what
 * softirqs left there that interrupted st_set_state_nested at its very beginning. Whether it had
 * been added.
 */
static __always_inline bool st_take_seen(struct st_seen *seen, const struct sock *sk, __u64 states,
					 __u32 most)
{
	const __u32 count = seen->count;
	__u32 above = 1;

	while (seen->list[(count - above) % ST_SEEN_MAX].sk != (__u64)sk ||
	       seen->list[(count - above) % ST_SEEN_MAX].states != states)
		if (++above > most)
			return false;
	seen->count = count - above;
	return true;
}

/*
 * The kernel does not run a program inside itself on the same CPU: a timer's softirq that
 * interrupts it in a task (a delayed ACK that ends a FIN_WAIT1, say) would have its transitions
 * dropped, counted as recursion_misses and nowhere else. So there are two copies of one program,
 * attached in this order. What the first has seen it notes, and the second leaves that alone; what
 * the first was kept from seeing is the second's. Who does not want connections needs no second
 * one: a softirq neither listens nor binds.
 *
 * A note that nobody takes back could be taken for that of a later transition of the same socket.
 * So none is made of what the second is not asked about, and while the first is at work only what
 * it has noted last counts. Kernels before 6.1 (05b24ff9b2cf) do run a program inside itself: the
 * first has then noted last what the second is asked about, or told it while the second was at
 * work.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(st_set_state, struct sock *sk, int old, int new)
{
	__u32 key = 0;
	struct st_transition *now;
	struct st_seen *seen;

	if (!(st_config.features & ST_CFG_CONNECTIONS))
		return st_any_transition(sk, old, new);
	seen = bpf_map_lookup_elem(&st_seen, &key);
	if (!seen)
		return 0;
	if (!seen->nested_runs) {
		now = &seen->list[seen->count++ % ST_SEEN_MAX];
		now->sk = (__u64)sk;
		now->states = old << 8 | new;
	}
	barrier();
	seen->first_runs = 1;
	barrier();
	st_any_transition(sk, old, new);
	barrier();
	seen->first_runs = 0;
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(st_set_state_nested, struct sock *sk, int old, int new)
{
	__u32 key = 0;
	struct st_seen *seen = bpf_map_lookup_elem(&st_seen, &key);

	if (!seen || seen->nested_runs)
		return 0;
	seen->nested_runs = 1;
	barrier();
	if (!st_take_seen(seen, sk, old << 8 | new, seen->first_runs ? 1 : ST_SEEN_MAX))
		st_any_transition(sk, old, new);
	barrier();
	seen->nested_runs = 0;
	return 0;
}

/* The others ended at ->CLOSE, where their port went. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(st_destroy, struct sock *sk)
{
	struct st_plain *record;

	if (!sk->__sk_common.skc_num || st_is_elsewhere(sk))
		return 0;
	record = st_reserve(sizeof(*record), ST_DESTROY, 0);
	if (!record)
		return 0;
	st_identify(&record->head, &record->sock, sk);
	st_submit(record, false);
	return 0;
}

/*
 * Also called without an error, by shutdown; after the transition to CLOSE, which of TCP has told
 * the error of a reset (MPTCP, SCTP and DCCP sockets have ended without their reason then); and for
 * datagram sockets, which go on.
 */
SEC("tp_btf/inet_sk_error_report")
int BPF_PROG(st_error, struct sock *sk)
{
	int error = sk->sk_err;
	struct st_plain *record;

	if (!error || sk->__sk_common.skc_state == TCP_CLOSE || sk->sk_type == SOCK_DGRAM ||
	    sk->sk_type == SOCK_RAW || st_is_elsewhere(sk))
		return 0;
	record = st_reserve(sizeof(*record), ST_ERROR, 0);
	if (!record)
		return 0;
	st_identify(&record->head, &record->sock, sk);
	record->head.error = error;
	st_submit(record, false);
	return 0;
}
