/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From what a client dialled to a backend that serves it. Family-free. */
#ifndef SERVICE_BPF_H
#define SERVICE_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include "ip.bpf.h"
#include "maps.bpf.h"
#include <bpf/bpf_helpers.h>

/* Ids start at 1: what is read of a frontend that does not exist. */
#define NO_SERVICE_PORT 0

static __always_inline int frontend_equal(const struct frontend_value *a,
					  const struct frontend_value *b)
{
	return a->service_port_id == b->service_port_id && a->kind == b->kind &&
	       a->flags == b->flags && a->affinity_timeout_seconds == b->affinity_timeout_seconds &&
	       a->inside.first == b->inside.first && a->inside.count == b->inside.count &&
	       a->outside.first == b->outside.first && a->outside.count == b->outside.count;
}

/* More than two are needed only while the frontend is being replaced. */
#define FRONTEND_READINGS 4

/*
 * Reads what `key` leads to. Returns whether it leads anywhere.
 *
 * A single look-up may deceive: the kernel gives the memory of a replaced entry to the next one of
 * the same hash at once, without waiting for its readers (bpf_mem_alloc, since 6.1). The value then
 * turns into another frontend's while it is read, and a look-up that stands on the entry may end
 * there, as if there were no such key (observed on 6.18: one in 50,000, with two keys replaced
 * without pause). So it counts only when two readings in a row say the same.
 */
static __always_inline int frontend_read(const struct frontend_key *key,
					 struct frontend_value *frontend)
{
	*frontend = (struct frontend_value){};
	for (int reading = 1; reading <= FRONTEND_READINGS; reading++) {
		const struct frontend_value *found = bpf_map_lookup_elem(&frontends, key);
		struct frontend_value now = {};

		if (found)
			now = *found;
		if (reading > 1 && frontend_equal(&now, frontend))
			break;
		*frontend = now;
	}
	return frontend->service_port_id != NO_SERVICE_PORT;
}

static __always_inline const struct node *node_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nodes, &zero);
}

/* Whether one of the flags is set. */
static __always_inline int node_has(enum node_flags flags)
{
	const struct node *node = node_get();

	return node && (node->flags & flags);
}

/* Loopback, and the unspecified address, which dials it. */
static __always_inline int dials_loopback(const struct ip_address *address)
{
	return ip_is_loopback(address) || ip_is_unspecified(address);
}

/*
 * Whether this node serves nodePorts on the loopback of the network namespace `netns_cookie`: only
 * on that of its own. A pod's loopback is the pod's.
 */
static __always_inline int serves_loopback(__u64 netns_cookie)
{
	const struct node *node = node_get();

	return node && node->netns_cookie == netns_cookie &&
	       (node->flags & NODE_LOOPBACK_NODE_PORTS);
}

/*
 * Whether `address`, dialled in the network namespace `netns_cookie`, is one on which this node
 * serves nodePorts.
 */
static __always_inline int serves_node_ports(const struct ip_address *address, __u64 netns_cookie)
{
	if (dials_loopback(address))
		return serves_loopback(netns_cookie);
	struct node_port_address key = {.address = *address};

	return bpf_map_lookup_elem(&node_port_addresses, &key) != NULL;
}

/* Whether `address` is of those that Services get their clusterIPs from, and no other proxy's. */
static __always_inline int is_service_address(const struct ip_address *address)
{
	struct ip_prefix key = {.bits = 128, .address = *address};
	const struct presence *found = bpf_map_lookup_elem(&service_cidrs, &key);

	/* The longest prefix counts: 0 are addresses that another proxy serves. */
	return found && found->present;
}

static __always_inline int is_served_hash(__u32 hash)
{
	__u32 bit = hash >> (32 - SERVED_NETWORKS_BITS), word = bit / 64;
	const struct served_networks *networks = bpf_map_lookup_elem(&served_networks, &word);

	return !networks || (networks->bits >> bit % 64 & 1);
}

/* Whether anything may stand at `address`: most of what is dialled is known to be nothing of ours.
 */
static __always_inline int is_perhaps_served(const struct ip_address *address)
{
	return is_served_hash(ip_network_hash(address)) || is_served_hash(ip_address_hash(address));
}

enum finding {
	FOUND_NOTHING,
	FOUND_FRONTEND,
	/* An address of which Services are made, and no Service has it. */
	FOUND_UNALLOCATED,
};

/*
 * What stands at `dialled` for a new connection of a client in the network namespace
 * `netns_cookie`.
 */
static __always_inline enum finding frontend_find(const struct ip_port *dialled, __u8 protocol,
						  __u64 netns_cookie,
						  struct frontend_value *frontend)
{
	struct frontend_key key = {
		.address = dialled->address,
		.port = dialled->port,
		.protocol = protocol,
		.scope = FRONTEND_AT_ADDRESS,
	};

	if (node_has(NODE_DRAINING))
		return FOUND_NOTHING;
	if (!is_perhaps_served(&dialled->address) &&
	    !(dials_loopback(&dialled->address) && serves_loopback(netns_cookie)))
		return FOUND_NOTHING;
	if (frontend_read(&key, frontend))
		return FOUND_FRONTEND;
	if (serves_node_ports(&dialled->address, netns_cookie)) {
		ip_unspecified_like(&dialled->address, &key.address);
		key.scope = FRONTEND_AT_NODE;
		if (frontend_read(&key, frontend))
			return FOUND_FRONTEND;
		/* Service addresses may lie on devices of the node, too. */
		key.address = dialled->address;
	}
	/* Nothing can be there: who connects to port 0 asks for a route, as getaddrinfo() does. */
	if (!dialled->port)
		return FOUND_NOTHING;
	key.port = 0;
	key.protocol = 0;
	key.scope = FRONTEND_AT_OTHER_PORTS;
	if (frontend_read(&key, frontend))
		return FOUND_FRONTEND;
	return is_service_address(&dialled->address) ? FOUND_UNALLOCATED : FOUND_NOTHING;
}

/* Whether `source` is in a source range of the service port. */
static __always_inline int source_allowed(__u32 service_port_id, const struct ip_address *source)
{
	struct source_range_key key = {
		.bits = 32 + 128,
		.service_port_id = service_port_id,
		.address = *source,
	};

	return bpf_map_lookup_elem(&source_ranges, &key) != NULL;
}

/* Where a frontend leads one kind of client. */
struct route {
	struct slot_run run;
	/* Which of a member's flags tells that it is in the run. */
	enum member_flags list;
	/* What an empty run means: to drop, or else to refuse. */
	int drops;
};

static __always_inline struct route route_outside(const struct frontend_value *frontend)
{
	return (struct route){
		.run = frontend->outside,
		.list = frontend->flags & FRONTEND_LOCAL_OUTSIDE ? MEMBER_IN_LOCAL
								 : MEMBER_IN_CLUSTER,
		.drops = frontend->flags & FRONTEND_DROPS_OUTSIDE,
	};
}

static __always_inline struct route route_inside(const struct frontend_value *frontend)
{
	return (struct route){
		.run = frontend->inside,
		.list = frontend->flags & FRONTEND_LOCAL_INSIDE ? MEMBER_IN_LOCAL
								: MEMBER_IN_CLUSTER,
		.drops = frontend->flags & FRONTEND_DROPS_INSIDE,
	};
}

/*
 * Picks a backend of a non-empty run by any number: a random one gives each slot the same chance.
 * The frontend must have been read before the slot array is, which is what makes a run in a grown
 * array visible with the array.
 *
 * Returns NULL when the run lies outside the slots, which user space never publishes.
 */
static __always_inline const struct ip_port *backend_pick(const struct slot_run *run, __u32 number)
{
	__u32 zero = 0, index = run->first + number % run->count;
	void *array = bpf_map_lookup_elem(&slots, &zero);

	return array ? bpf_map_lookup_elem(array, &index) : NULL;
}

static __always_inline const struct member_value *member_of(__u32 service_port_id,
							    const struct ip_port *backend)
{
	struct member_key key = {
		.service_port_id = service_port_id,
		.backend = *backend,
	};

	return bpf_map_lookup_elem(&members, &key);
}

/* Whether what uses a remembered backend may go on. */
static __always_inline int backend_serves(__u32 service_port_id, const struct ip_port *backend)
{
	return member_of(service_port_id, backend) != NULL;
}

/* Whether a remembered backend may be used for something new. */
static __always_inline int backend_eligible(__u32 service_port_id, enum member_flags list,
					    const struct ip_port *backend)
{
	const struct member_value *member = member_of(service_port_id, backend);

	return member && (member->flags & list);
}

#define NS_PER_SECOND 1000000000ULL

/*
 * The backend of a new connection of `client`, copied to `backend`: the one that it had, when the
 * service port has affinity, that backend is in this route, and the last connection is not too long
 * ago; else that of the run which `number` says. `client` names the service port.
 *
 * Returns 0, or -1 when there is none to be had.
 */
static __always_inline int backend_for_client(const struct frontend_value *frontend,
					      const struct route *route,
					      const struct affinity_key *client, __u32 number,
					      struct ip_port *backend)
{
	__u64 timeout_ns = frontend->affinity_timeout_seconds * NS_PER_SECOND;
	struct affinity_value *kept = NULL, chosen = {};
	const struct ip_port *picked;

	if (timeout_ns) {
		chosen.last_used_ns = bpf_ktime_get_ns();
		kept = bpf_map_lookup_elem(&affinities, client);
		if (kept) {
			/* Judged as copied: the entry may become another client's meanwhile. */
			struct affinity_value known = *kept;

			/* Another CPU may have used it since this one read the clock. */
			if ((__s64)(chosen.last_used_ns - known.last_used_ns) < (__s64)timeout_ns &&
			    backend_eligible(frontend->service_port_id, route->list,
					     &known.backend)) {
				kept->last_used_ns = chosen.last_used_ns;
				*backend = known.backend;
				return 0;
			}
		}
	}
	picked = backend_pick(&route->run, number);
	if (!picked)
		return -1;
	*backend = *picked;
	if (timeout_ns) {
		chosen.backend = *picked;
		/* Of two first connections at once the earlier one decides for both. */
		if (bpf_map_update_elem(&affinities, client, &chosen,
					kept ? BPF_ANY : BPF_NOEXIST)) {
			kept = bpf_map_lookup_elem(&affinities, client);
			if (kept) {
				struct affinity_value known = *kept;

				/* The other one may have gone by another list. */
				if (backend_eligible(frontend->service_port_id, route->list,
						     &known.backend))
					*backend = known.backend;
			}
		}
	}
	return 0;
}

#endif
