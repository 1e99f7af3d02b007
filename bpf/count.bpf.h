/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts what becomes of packets, and of the connections to each service port. */
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

/* NULL for a service port that is not counted. Once per connection, never per packet. */
static __always_inline struct service_count *service_count_of(__u32 service_port_id)
{
	__u32 index = service_port_id % SERVICE_COUNTERS;

	return bpf_map_lookup_elem(&service_counts, &index);
}

/*
 * Of sockets. One CPU may be taken from a task in the middle of this and given to another that does
 * the same.
 */
static __always_inline void count_socket(__u32 service_port_id, int has_backend)
{
	struct service_count *counted = service_count_of(service_port_id);

	if (counted)
		__sync_fetch_and_add(
			has_backend ? &counted->socket_connections : &counted->socket_refusals, 1);
}

static __always_inline void count_flow(__u32 service_port_id, int has_backend)
{
	struct service_count *counted = service_count_of(service_port_id);

	if (!counted)
		return;
	if (has_backend)
		counted->packet_connections++;
	else
		counted->packet_refusals++;
}

#endif
