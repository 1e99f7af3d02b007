/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From what a client dialled to a backend that serves it. Family-free. */
#ifndef SERVICE_BPF_H
#define SERVICE_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include "maps.bpf.h"
#include <bpf/bpf_helpers.h>

static __always_inline const struct frontend_value *frontend_lookup(const struct ip_port *dialled,
								    __u8 protocol)
{
	struct frontend_key key = {
		.address = dialled->address,
		.port = dialled->port,
		.protocol = protocol,
	};

	return bpf_map_lookup_elem(&frontends, &key);
}

/*
 * Picks a backend of a non-empty run, each with the same chance. The frontend must have been looked
 * up before the slot array is, which is what makes a run in a grown array visible with the array.
 *
 * Returns NULL when the run lies outside the slots, which user space never publishes.
 */
static __always_inline const struct ip_port *backend_pick(const struct slot_run *run)
{
	__u32 zero = 0, index = run->first + bpf_get_prandom_u32() % run->count;
	void *array = bpf_map_lookup_elem(&slots, &zero);

	return array ? bpf_map_lookup_elem(array, &index) : NULL;
}

/* Whether a remembered backend may be used for something new. */
static __always_inline int backend_eligible(__u32 service_port_id, const struct ip_port *backend)
{
	struct member_key key = {
		.service_port_id = service_port_id,
		.backend = *backend,
	};
	const struct member_value *member = bpf_map_lookup_elem(&members, &key);

	return member && member->state == MEMBER_ELIGIBLE;
}

#endif
