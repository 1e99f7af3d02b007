/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which source a backend sees, such that no two flows look alike to it; both entries of every new
 * flow, masqueraded or not, are made here. Family-free.
 */
#ifndef MASQUERADE_BPF_H
#define MASQUERADE_BPF_H

#include <linux/bpf.h>
#include <linux/errno.h>

#include "abi.h"
#include "count.bpf.h"
#include "flow.bpf.h"
#include "ip.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "service.bpf.h"
#include <bpf/bpf_helpers.h>

/*
 * How many ports are tried. With nine of ten ports in use, one flow in 850 finds none of so many.
 */
#define PORT_TRIES 64

/* How long a flow keeps its port for certain before it is confirmed: much more than a round trip.
 */
#define UNCONFIRMED_SECONDS 3

static __always_inline struct ip_address device_address(__u32 ifindex,
							const struct ip_address *like)
{
	const struct device *device = bpf_map_lookup_elem(&devices, &ifindex);

	if (!device)
		return (struct ip_address){};
	return ip_is_mapped(like) ? device->ipv4 : device->ipv6;
}

/*
 * Whether what `backend` answers comes in where no program meets it: it is behind a device of this
 * node that is not served, as a pod or a virtual machine of which nobody says that it is here. A
 * backend that dials itself must not see itself.
 */
static __always_inline int is_behind_unserved(const struct packet *packet,
					      const struct ip_port *backend, __u32 ifindex)
{
	const struct device *device = bpf_map_lookup_elem(&devices, &ifindex);

	return !(device && (device->flags & DEVICE_SERVED)) &&
	       !ip_equal(&backend->address, &packet->tuple.source.address);
}

/*
 * Finds the address of this node that packets to `backend` come from: what the route says, or on
 * kernels that do not tell (before 6.7) the device's own, or the node's.
 *
 * Returns PACKET_FLOW_CREATED, or why there is none; PACKET_REQUEST_DELIVERED when the backend is
 * here, which an endpoint need not say: this node itself, or behind a device of its own.
 */
__noinline int masquerade_address(struct __sk_buff *skb, const struct packet *packet,
				  const struct ip_port *backend, struct ip_address *address)
{
	const struct node *node = node_get();
	struct bpf_fib_lookup fib;
	int has_source;
	long way;

	if (!packet || !backend || !address)
		return PACKET_DROPPED_NO_ROUTE;
	way = ip_route(skb, packet, &backend->address, 0, FIB_LOOKUP_SOURCE, &fib);
	has_source = way == BPF_FIB_LKUP_RET_SUCCESS || way == BPF_FIB_LKUP_RET_NO_NEIGH;
	/* The flag is not known (EINVAL), or there is no address by that rule. */
	if (!has_source)
		way = ip_route(skb, packet, &backend->address, 0, 0, &fib);
	if (way == BPF_FIB_LKUP_RET_NOT_FWDED)
		return PACKET_REQUEST_DELIVERED;
	if (way < 0 || (way >= BPF_FIB_LKUP_RET_BLACKHOLE && way <= BPF_FIB_LKUP_RET_PROHIBIT))
		return PACKET_DROPPED_NO_ROUTE;
	if (is_behind_unserved(packet, backend, fib.ifindex))
		return PACKET_REQUEST_DELIVERED;
	if (has_source) {
		*address = ip_route_source(packet, &fib);
		if (ip_is_routable(address))
			return PACKET_FLOW_CREATED;
	}
	*address = device_address(fib.ifindex, &backend->address);
	if (ip_is_unspecified(address) && node)
		*address = node_address_for(node, &backend->address);
	return ip_is_routable(address) ? PACKET_FLOW_CREATED : PACKET_DROPPED_NO_MASQUERADE_ADDRESS;
}

/* A reply entry on the way into the table, under one source port or another. */
struct claim {
	struct flow_key key;
	struct flow_value value;
	/* Ports to try: those from `first` on. */
	__u32 first;
	__u32 count;
	/* Where the first try goes, if anywhere. */
	__be16 preferred;
	__u16 has_preferred;
	/* The last try found an entry that has had its time. */
	__u32 replaces;
	/* Nothing better was found. */
	__u32 is_last_resort;
	/* Not long: before 6.4 the upper half of what a map helper returns says nothing. */
	int error;
};

/* Whether the entry that stands in the way may be replaced. */
static __always_inline int claim_may_replace(const struct claim *claim,
					     const struct flow_value *other)
{
	if (flow_is_other(other, &(struct flow_key){.source = claim->value.destination,
						    .destination = claim->value.source}))
		return 1;
	if (flow_is_over(other, claim->key.protocol, claim->value.last_used_ns))
		return 1;
	if ((other->flags & (FLOW_ENDING | FLOW_REPLY_FIN_FIRST)) ==
	    (FLOW_REQUEST_FIN | FLOW_REPLY_FIN))
		return 1;
	if (!claim->is_last_resort)
		return 0;
	/*
	 * A backend that ended first takes a SYN in TIME_WAIT only when its numbers are above the
	 * old ones, as another client's need not be.
	 */
	if ((other->flags & FLOW_RESET) || flow_is_in_time_wait(other))
		return 1;
	/* A flood of requests that nobody goes on with must not keep every port. */
	return !(other->flags & FLOW_CONFIRMED) &&
	       (__s64)(claim->value.last_used_ns - other->last_used_ns) >
		       (__s64)(UNCONFIRMED_SECONDS * NS_PER_SECOND);
}

/* The highest bits of a product (Knuth, Fibonacci hashing), as many as masquerade_turns takes. */
#define TURNS_SHIFT 22

/*
 * Ports go round for each backend: the longer one was not used, the surer the backend has nothing
 * left of its last connection, also of one that had to make room in the queue.
 */
static __always_inline __u32 masquerade_turn(const struct ip_port *backend)
{
	const __be32 *words = backend->address.words;
	__u32 index = ((words[0] ^ words[1] ^ words[2] ^ words[3]) + backend->port) * 0x9e3779b1u >>
		      TURNS_SHIFT;
	struct masquerade_turns *turns = bpf_map_lookup_elem(&masquerade_turns, &index);

	return turns ? __sync_fetch_and_add(&turns->taken, 1) : bpf_get_prandom_u32();
}

/* One try, as bpf_loop() calls it. Returns 1 to end. */
static long claim_try(__u32 index, struct claim *claim)
{
	const struct flow_value *other;
	__u32 number;

	if (index == 0 && claim->has_preferred) {
		claim->key.destination.port = claim->preferred;
	} else {
		/* Those beside one that is in use may be, too. */
		number = index > claim->has_preferred ? bpf_get_prandom_u32()
						      : masquerade_turn(&claim->key.source);
		claim->key.destination.port =
			bpf_htons(claim->first + number % (claim->count ?: 1));
	}
	/* Looked at first: to be refused an entry costs ten times as much. */
	other = bpf_map_lookup_elem(&flows, &claim->key);
	if (!other) {
		claim->error = bpf_map_update_elem(&flows, &claim->key, &claim->value, BPF_NOEXIST);
		return claim->error != -EEXIST;
	}
	claim->error = -EEXIST;
	claim->replaces = claim_may_replace(claim, other);
	return claim->replaces;
}

/*
 * Puts both entries of a new flow into the table: the packet's tuple is the request's key, `flow`
 * its value but for the source's port, of which it has a wish or 0. The reply's entry comes first:
 * it is the one that may clash.
 *
 * Returns PACKET_FLOW_CREATED, or why not.
 */
__noinline int flow_publish(const struct packet *packet, struct flow_value *flow)
{
	const struct node *node = node_get();
	const struct flow_value *other;
	__u32 tries = PORT_TRIES;
	struct claim claim = {};

	if (!packet || !flow)
		return PACKET_DROPPED_FLOW_TABLE;
	claim.key = flow_other_key(&packet->tuple, flow);
	claim.value = flow_other_value(&packet->tuple, flow, flow->last_used_ns);
	/*
	 * Of a masqueraded flow the port that the same client's last connection had, if any: its
	 * numbers only grow, so that the backend takes it even in TIME_WAIT.
	 */
	claim.preferred = flow->source.port;
	claim.has_preferred = flow->source.port || !(flow->flags & FLOW_MASQUERADED) ||
			      packet->tuple.protocol == IPPROTO_SCTP;
	/* Its checksum is over the whole packet. */
	if (packet->tuple.protocol == IPPROTO_SCTP)
		tries = 1;
	if (node) {
		claim.first = node->masquerade_first_port;
		claim.count = node->masquerade_port_count;
	}
	if (!claim.count)
		tries = claim.has_preferred;
	bpf_loop(tries, claim_try, &claim, 0);
	if (claim.error == -EEXIST && !claim.replaces) {
		claim.is_last_resort = 1;
		bpf_loop(tries, claim_try, &claim, 0);
	}
	if (claim.replaces) {
		/*
		 * With its other half, or packets of the old flow would still be taken for the new
		 * one's; and with those in between, which nobody else takes away without an agent.
		 * Of two that have found it one wins; the other's client asks again.
		 */
		other = bpf_map_lookup_elem(&flows, &claim.key);
		if (other)
			flow_forget(&claim.key, other);
		claim.error = bpf_map_update_elem(&flows, &claim.key, &claim.value, BPF_NOEXIST);
	}
	if (claim.error == -EEXIST && packet->tuple.protocol == IPPROTO_SCTP)
		return PACKET_DROPPED_SCTP_PORT;
	if (claim.error || !tries)
		return claim.error == -EEXIST || !tries ? PACKET_DROPPED_MASQUERADE_PORTS_EXHAUSTED
							: PACKET_DROPPED_FLOW_TABLE;
	flow->source.port = claim.key.destination.port;
	if (!(flow->flags & FLOW_MASQUERADED) && flow->source.port != packet->tuple.source.port)
		count(PACKET_SOURCE_PORT_CHANGED);
	/* In the claim's place: before 6.2 an entry must not come from behind an argument. */
	claim.key = packet->tuple;
	claim.value = *flow;
	if (bpf_map_update_elem(&flows, &claim.key, &claim.value, BPF_ANY)) {
		claim.key = flow_other_key(&packet->tuple, flow);
		bpf_map_delete_elem(&flows, &claim.key);
		return PACKET_DROPPED_FLOW_TABLE;
	}
	return PACKET_FLOW_CREATED;
}

#endif
