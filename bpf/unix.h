/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Results of bind(), listen(), accept() and connect() on unix sockets. Their names are the point of
 * it: what bind() has made and connect() was given.
 */
#pragma once

#include "emit.h"
#include "sock.h"
#include "task.h"

/* include/linux/errno.h: not for user space */
#define ST_ERESTARTSYS 512
#define ST_ERESTART_RESTARTBLOCK 516

#define ST_FAMILY_BYTES 2 /* of sun_family, which a sockaddr_un and its length begin with */

static __always_inline bool st_is_traced_unix(const struct sock *sk)
{
	return (st_config.features & ST_CFG_UNIX) && (st_config.features & ST_CFG_PROBE_READ) &&
	       BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX;
}

/* How many bytes of a name an address of that length has. */
static __always_inline __u32 st_name_length(__s32 address_length)
{
	__u32 length = address_length - ST_FAMILY_BYTES;

	if (address_length <= ST_FAMILY_BYTES || length >= ST_NAME_BYTES)
		return 0;
	/* So that the verifier sees it in the register that it looks at. */
	asm volatile("" : "+r"(length));
	return length & (ST_NAME_BYTES - 1);
}

/* Where the call was to bind or to connect to. */
static __always_inline void st_fill_given_name(struct st_name *out, const struct st_call *call)
{
	__u32 length = st_name_length(call->length);
	__u16 family = 0;

	if (bpf_probe_read_user(&family, sizeof(family), (void *)call->address) ||
	    family != AF_UNIX)
		return;
	if (!bpf_probe_read_user(out->bytes, length, (char *)call->address + ST_FAMILY_BYTES))
		out->length = length;
}

static __always_inline void st_fill_own_name(struct st_name *out, const struct sock *sk)
{
	const struct unix_address *address = BPF_CORE_READ((const struct unix_sock *)sk, addr);
	const char *name;
	__u32 length;

	if (!address)
		return;
	name = (const char *)address + bpf_core_field_offset(struct unix_address, name);
	length = st_name_length(BPF_CORE_READ(address, len));
	if (!bpf_probe_read_kernel(out->bytes, length, name + ST_FAMILY_BYTES))
		out->length = length;
}

static __always_inline void st_fill_unix(struct st_with_name *record, const struct sock *sk)
{
	struct st_sock *out = &record->sock;
	const struct sock *peer = BPF_CORE_READ((const struct unix_sock *)sk, peer);

	record->head.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	out->family = AF_UNIX;
	out->type = BPF_CORE_READ(sk, sk_type);
	out->new_state = BPF_CORE_READ(sk, __sk_common.skc_state);
	out->uid = BPF_CORE_READ(sk, sk_uid.val);
	out->inode = st_inode_probed(sk);
	if (peer)
		record->name.peer_inode = st_inode_probed(peer);
}

/* A signal came: the call is begun again, or returns EINTR, which is decided later (ERESTARTSYS and
 * its kin). */
static __always_inline bool st_was_interrupted(long result)
{
	return result <= -ST_ERESTARTSYS && result >= -ST_ERESTART_RESTARTBLOCK;
}

/*
 * `call` is what bind() or connect() began with, else NULL. What a call that failed was given is
 * read when it ends, and another thread may have changed it; of one that succeeded the kernel has
 * the name.
 */
static __always_inline void st_unix_result(__u8 kind, long result, int fd, const struct sock *sk,
					   const struct st_call *call)
{
	const struct sock *named = sk;
	struct st_with_name *record;

	if (st_was_interrupted(result))
		return;
	record = st_reserve(sizeof(*record), kind, ST_F_TASK | ST_F_RESULT | ST_F_NAME);
	if (!record)
		return;
	record->head.error = result < 0 ? -result : 0;
	st_fill_task(&record->task, fd);
	st_fill_unix(record, sk);
	if (kind == ST_LISTEN)
		record->sock.backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
	if (kind == ST_CONNECT && !result)
		named = BPF_CORE_READ((const struct unix_sock *)sk, peer);
	if (call && result)
		st_fill_given_name(&record->name, call);
	else if (named)
		st_fill_own_name(&record->name, named);
	st_submit(record, kind == ST_LISTEN || (kind == ST_BIND && result));
}
