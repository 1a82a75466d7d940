/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Kernel constants that are macros, which BTF does not carry. Each names its header; all are old and part of an ABI. */
#pragma once

#define AF_UNIX 1   /* include/linux/socket.h */
#define AF_INET 2
#define AF_INET6 10

#define IPPROTO_ICMPV6 58 /* include/uapi/linux/in6.h: an enum that no type refers to */

#define EISCONN 106 /* include/uapi/asm-generic/errno.h */
#define EINPROGRESS 115

#define S_IFMT 00170000 /* include/uapi/linux/stat.h */
#define S_IFSOCK 0140000

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

#define SOCK_BINDPORT_LOCK 8 /* include/net/sock.h: bind() chose the port */
