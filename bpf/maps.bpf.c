// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "maps.h"

struct st_ring_map st_ring SEC(".maps");
struct st_seen_map st_seen SEC(".maps");
struct st_calls_map st_calls SEC(".maps");
struct st_sent_map st_sent SEC(".maps");

const volatile struct st_config st_config = {};
const volatile __u64 st_wanted[ST_WANTED_BITS / 64] = {};
struct st_counters st_counters[ST_MAX_CPUS] = {};
__u32 st_reader_sleeps = 0;
__u32 st_only_netns = 0;

/* The kernel's spelling of this project's licence: GPL-2.0-only OR BSD-2-Clause. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
