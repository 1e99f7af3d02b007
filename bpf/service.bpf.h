/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From what a client dialled to a backend that serves it. Family-free. */
#ifndef SERVICE_BPF_H
#define SERVICE_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include "maps.bpf.h"
#include <bpf/bpf_helpers.h>

/* Ids start at 1: what is read of a frontend that does not exist. */
#define NO_SERVICE_PORT 0

static __always_inline int frontend_equal(const struct frontend_value *a,
					  const struct frontend_value *b)
{
	return a->service_port_id == b->service_port_id && a->backends.first == b->backends.first &&
	       a->backends.count == b->backends.count;
}

/* More than two are needed only while the frontend is being replaced. */
#define FRONTEND_READINGS 4

/*
 * Reads what `dialled` leads to. Returns whether it leads anywhere.
 *
 * A single look-up may deceive: the kernel gives the memory of a replaced entry to the next one of
 * the same hash at once, without waiting for its readers (bpf_mem_alloc, since 6.1). The value then
 * turns into another frontend's while it is read, and a look-up that stands on the entry may end
 * there, as if there were no such key (observed on 6.18: one in 50,000, with two keys replaced
 * without pause). So it counts only when two readings in a row say the same.
 */
static __always_inline int frontend_read(const struct ip_port *dialled, __u8 protocol,
					 struct frontend_value *frontend)
{
	struct frontend_key key = {
		.address = dialled->address,
		.port = dialled->port,
		.protocol = protocol,
	};

	*frontend = (struct frontend_value){};
	for (int reading = 1; reading <= FRONTEND_READINGS; reading++) {
		const struct frontend_value *found = bpf_map_lookup_elem(&frontends, &key);
		struct frontend_value now = {};

		if (found)
			now = *found;
		if (reading > 1 && frontend_equal(&now, frontend))
			break;
		*frontend = now;
	}
	return frontend->service_port_id != NO_SERVICE_PORT;
}

/*
 * Picks a backend of a non-empty run, each with the same chance. The frontend must have been read
 * before the slot array is, which is what makes a run in a grown array visible with the array.
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
