/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which way packets go on, and what time it is, as far as one answer does for many packets: to ask
 * the routing table costs as much as all the rest of a program, and the clock as much as a table.
 * What is known is good until the next tick (1 to 10 ms), so nobody need say that routes, addresses
 * or devices have changed. Whether the neighbour is there is asked for each packet all the same, by
 * bpf_redirect_neigh(). Each CPU has tables of its own, which nobody else touches while a program
 * runs: softirqs are off then. Family-free.
 */
#ifndef WAY_BPF_H
#define WAY_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include "ip.bpf.h"
#include "maps.bpf.h"
#include <bpf/bpf_helpers.h>

/* The highest bits of a product (Knuth, Fibonacci hashing), as many as `ways` takes. */
#define WAYS_SHIFT 24

/* CLOCK_MONOTONIC_COARSE, at most a tick late. */
static __always_inline __u64 coarse_now(void)
{
	__u32 zero = 0;
	struct tick *tick = bpf_map_lookup_elem(&ticks, &zero);
	__u64 jiffies = bpf_jiffies64();

	if (!tick)
		return bpf_ktime_get_coarse_ns();
	if (tick->jiffies != jiffies) {
		tick->coarse_ns = bpf_ktime_get_coarse_ns();
		tick->jiffies = jiffies;
	}
	return tick->coarse_ns;
}

/* The place of what is known of packets from `source` to `destination`, or of others. */
static __always_inline struct way *way_place(const struct ip_address *source,
					     const struct ip_address *destination)
{
	__u32 from = source->words[0] ^ source->words[1] ^ source->words[2] ^ source->words[3];
	__u32 to = destination->words[0] ^ destination->words[1] ^ destination->words[2] ^
		   destination->words[3];
	/* Not the same for there and back. */
	__u32 index = (from * 3 + to) * 0x9e3779b1u >> WAYS_SHIFT;

	return bpf_map_lookup_elem(&ways, &index);
}

static __always_inline int way_is_known(const struct way *way, const struct __sk_buff *skb,
					int is_egress, const struct packet *packet,
					const struct ip_address *source,
					const struct ip_address *destination)
{
	return way->asked_jiffies == bpf_jiffies64() &&
	       way->hook == (skb->ifindex << 1 | (is_egress ? 1 : 0)) &&
	       way->protocol == packet->tuple.protocol && ip_equal(&way->source, source) &&
	       ip_equal(&way->destination, destination);
}

static __always_inline void way_note(struct way *way, const struct __sk_buff *skb, int is_egress,
				     const struct packet *packet, const struct ip_address *source,
				     const struct ip_address *destination)
{
	way->asked_jiffies = bpf_jiffies64();
	way->source = *source;
	way->destination = *destination;
	way->hook = skb->ifindex << 1 | (is_egress ? 1 : 0);
	way->protocol = packet->tuple.protocol;
}

/*
 * Asks the routing table for the way of packets of `length` bytes, and notes it. Returns whether
 * there is one for which a next hop is all that it takes.
 */
__noinline int way_ask(struct __sk_buff *skb, const struct packet *packet,
		       const struct ip_address *source, const struct ip_address *destination,
		       __u32 length)
{
	struct bpf_fib_lookup fib;
	struct way *way;
	long found;

	if (!packet || !source || !destination)
		return 0;
	way = way_place(source, destination);
	if (!way)
		return 0;
	found = ip_route_from(skb, packet, source, destination, length, 0, &fib);
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return 0;
	way_note(way, skb, 0, packet, source, destination);
	/* Where there is no neighbour yet it is the length that was asked for. */
	way->longest = length ? fib.mtu_result : 0;
	way->ifindex = fib.ifindex;
	ip_next_hop(&fib, &way->next_hop);
	return 1;
}

/*
 * The way of packets of `length` bytes from `source` to `destination`; NULL when the routing table
 * has none for which a next hop is all that it takes.
 */
static __always_inline const struct way *
way_find(struct __sk_buff *skb, const struct packet *packet, const struct ip_address *source,
	 const struct ip_address *destination, __u32 length)
{
	struct way *way = way_place(source, destination);

	if (!way)
		return NULL;
	if (way_is_known(way, skb, 0, packet, source, destination) && length <= way->longest)
		return way;
	return way_ask(skb, packet, source, destination, length) ? way : NULL;
}

#endif
