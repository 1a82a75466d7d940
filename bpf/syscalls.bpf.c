// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The system calls whose results we tell, by classic tracepoints: their context has the arguments
 * on entry and only the result on exit. An attached one costs every system call of the host some 40
 * ns, and neither io_uring nor 32-bit callers pass here; fexit.bpf.c does the same without both.
 */
#include "vmlinux.h"
#include "flavors.h"
#include "macros.h"
#include <bpf/bpf_helpers.h>
#include "result.h"

SEC("tracepoint/syscalls/sys_enter_bind")
int st_enter_bind(struct trace_event_raw_sys_enter *ctx)
{
	return st_bind_begins(ctx->args[0], ctx->args[1], ctx->args[2]);
}

SEC("tracepoint/syscalls/sys_exit_bind")
int st_exit_bind(struct trace_event_raw_sys_exit *ctx)
{
	return st_bind_ends(ctx->ret);
}

SEC("tracepoint/syscalls/sys_enter_listen")
int st_enter_listen(struct trace_event_raw_sys_enter *ctx)
{
	return st_listen_begins(ctx->args[0]);
}

SEC("tracepoint/syscalls/sys_exit_listen")
int st_exit_listen(struct trace_event_raw_sys_exit *ctx)
{
	return st_listen_ends(ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_accept")
int st_exit_accept(struct trace_event_raw_sys_exit *ctx)
{
	return st_accept_ends(ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_accept4")
int st_exit_accept4(struct trace_event_raw_sys_exit *ctx)
{
	return st_accept_ends(ctx->ret);
}

SEC("tracepoint/syscalls/sys_enter_connect")
int st_enter_connect(struct trace_event_raw_sys_enter *ctx)
{
	return st_connect_begins(ctx->args[0], ctx->args[1], ctx->args[2]);
}

SEC("tracepoint/syscalls/sys_exit_connect")
int st_exit_connect(struct trace_event_raw_sys_exit *ctx)
{
	return st_connect_ends(ctx->ret);
}
