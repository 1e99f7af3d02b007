/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Look-ups of service.bpf.h as functions that the verifier looks into once, for programs that make
 * many of them.
 */
#ifndef DIALLED_BPF_H
#define DIALLED_BPF_H

#include "abi.h"
#include "service.bpf.h"

/* What stands at `dialled` for a packet: an enum finding. */
__noinline int dialled_find(const struct ip_port *dialled, __u32 protocol,
			    struct frontend_value *frontend)
{
	if (!dialled || !frontend)
		return FOUND_NOTHING;
	/* No packet comes from the network namespace that serves loopback. */
	return frontend_find(dialled, protocol, 0, frontend);
}

/* Reads what `key` leads to. Returns whether it leads anywhere. */
__noinline int dialled_read(const struct frontend_key *key, struct frontend_value *frontend)
{
	struct frontend_key copy;

	if (!key || !frontend)
		return 0;
	/* Before 6.2 a key must not lie behind an argument of such a function. */
	copy = *key;
	return frontend_read(&copy, frontend);
}

#endif
