/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts what becomes of packets. */
#ifndef COUNT_BPF_H
#define COUNT_BPF_H

#include "abi.h"
#include "maps.bpf.h"
#include <bpf/bpf_helpers.h>

static __always_inline void count(enum packet_outcome outcome)
{
	__u32 index = outcome;
	struct packet_count *counted = bpf_map_lookup_elem(&packet_counts, &index);

	if (counted)
		counted->packets++;
}

#endif
