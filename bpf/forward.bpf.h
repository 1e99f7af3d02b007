/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Translated packets on their way: up the stack, or on to another node. Family-free.
 *
 * A masqueraded packet cannot go through the stack as such: with an address of this node as its
 * source it would be dropped as a martian. So it is sent on from here when the route allows; when
 * it does not (too long, no hop left, tunnels that only the stack can fill), the stack gets it with
 * its translation half done, as one from the client to the backend, and the other half follows at
 * egress.
 */
#ifndef FORWARD_BPF_H
#define FORWARD_BPF_H

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "abi.h"
#include "count.bpf.h"
#include "flow.bpf.h"
#include "ip.bpf.h"
#include "maps.bpf.h"
#include "masquerade.bpf.h"
#include "packet.bpf.h"
#include "way.bpf.h"
#include <bpf/bpf_helpers.h>

/*
 * In skb->tc_index of packets that a program has redirected: at egress there is nothing left to do.
 * Since 6.3 the kernel itself has no use for that field (sch_dsmark and cls_tcindex were removed).
 */
#define TC_INDEX_DONE 0x5b0c

/*
 * In skb->cb of packets that a program has seen, with the hook: where links of TCX and filters of
 * clsact take turns, both are there for a moment, and what the first has translated is no packet
 * for the second. IP and bridges clear that field, so no packet comes to the same hook of another
 * network namespace with it.
 */
#define SEEN_ON_HOOK 0x5b0c5ee2

/* Whether the packet is one that another program of ours has just seen; if not, this one has. */
static __always_inline int seen_on_hook(struct __sk_buff *skb, int is_egress)
{
	__u32 hook = skb->ifindex << 1 | (is_egress ? 1 : 0);

	if (skb->cb[0] == SEEN_ON_HOOK && skb->cb[1] == hook)
		return 1;
	skb->cb[0] = SEEN_ON_HOOK;
	skb->cb[1] = hook;
	return 0;
}

static __always_inline int drop(enum packet_outcome why)
{
	count(why);
	return TC_ACT_SHOT;
}

/* So that others on the same hook see the packet too. */
static __always_inline int pass(enum packet_outcome what)
{
	count(what);
	return TC_ACT_UNSPEC;
}

/* The offset, in a TCP header, of the byte whose upper half is the header's length in words. */
#define TCP_LENGTH_OFFSET 12

/* How many bytes, from its IP header on, the longest packet has that the device will send for
 * `skb`. */
static __always_inline __u32 packet_length(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 headers = packet->transport - packet->network;
	__u8 words = 0;

	if (!skb->gso_size)
		return skb->len - packet->network;
	if (packet->tuple.protocol != IPPROTO_TCP)
		return headers + sizeof(struct udphdr) + skb->gso_size;
	if (bpf_skb_load_bytes(skb, packet->transport + TCP_LENGTH_OFFSET, &words, sizeof(words)))
		return 0;
	return headers + (words >> 4) * 4 + skb->gso_size;
}

/*
 * Puts a half into the table. One that is there stays, for others may stand on it: its memory would
 * be another entry's at once.
 */
static __always_inline void forward_note_half(const struct flow_key *key,
					      const struct flow_value *value)
{
	struct flow_value *entry = bpf_map_lookup_elem(&flows, key);

	if (entry && entry->flags == value->flags &&
	    ip_port_equal(&entry->source, &value->source) &&
	    ip_port_equal(&entry->destination, &value->destination))
		entry->last_used_ns = value->last_used_ns;
	else
		bpf_map_update_elem(&flows, key, value, BPF_ANY);
}

/*
 * Has the packet's translation done in two halves: notes for egress what is left of it, both ways.
 * `middle` is the client with the port that the backend sees.
 */
__noinline int forward_note(const struct packet *packet, const struct flow_value *flow,
			    const struct ip_port *middle, __u64 now_ns)
{
	const struct flow_key *tuple;
	struct flow_value value = {}, *entry;
	struct flow_key key = {};
	int is_request;

	if (!packet || !flow || !middle)
		return 0;
	tuple = &packet->tuple;
	is_request = flow->flags & FLOW_REQUEST;
	key.source = *middle;
	key.destination = is_request ? flow->destination : tuple->source;
	key.protocol = tuple->protocol;
	value.last_used_ns = now_ns;
	value.checked_ns = now_ns;
	value.source = is_request ? flow->source : tuple->destination;
	value.destination = key.destination;
	value.service_port_id = flow->service_port_id;
	value.flags = (flow->flags & FLOW_SHARED & ~(FLOW_IN_HALVES | FLOW_PLACE)) | FLOW_REQUEST |
		      FLOW_AT_EGRESS | FLOW_FORWARDED;
	forward_note_half(&key, &value);
	key.source = key.destination;
	key.destination = *middle;
	value.source = is_request ? tuple->destination : flow->source;
	value.destination = is_request ? tuple->source : flow->destination;
	value.flags &= ~FLOW_REQUEST;
	forward_note_half(&key, &value);
	if (flow->flags & FLOW_IN_HALVES)
		return 0;
	/* They go with the flow. */
	key = *tuple;
	entry = bpf_map_lookup_elem(&flows, &key);
	if (entry)
		__sync_fetch_and_or(&entry->flags, FLOW_IN_HALVES);
	key = flow_other_key(tuple, flow);
	entry = bpf_map_lookup_elem(&flows, &key);
	if (entry && flow_is_other(entry, tuple))
		__sync_fetch_and_or(&entry->flags, FLOW_IN_HALVES);
	return 0;
}

/*
 * Sends the packet to the next hop, with its link-layer header made by the kernel; counts it as
 * `what`.
 */
static __always_inline int send_on(struct __sk_buff *skb, const struct packet *packet,
				   __u32 ifindex, const struct next_hop *next_hop,
				   enum packet_outcome what)
{
	/*
	 * bpf_redirect_neigh() takes a link-layer header off, and drops packets that have none, as
	 * those that come in by tunnels.
	 */
	if (!packet->network && bpf_skb_change_head(skb, ETH_HLEN, 0))
		return drop(PACKET_DROPPED_CANNOT_REWRITE);
	count(what);
	skb->tc_index = TC_INDEX_DONE;
	skb->cb[0] = 0;
	return bpf_redirect_neigh(ifindex, (void *)next_hop, sizeof(*next_hop), 0);
}

/* Sends a masqueraded packet on. Returns what the program is to return. */
__noinline int forward(struct __sk_buff *skb, const struct packet *packet,
		       const struct flow_value *flow)
{
	const struct way *way = NULL;
	struct ip_port middle;
	int is_request;

	if (!packet || !flow)
		return TC_ACT_UNSPEC;
	is_request = flow->flags & FLOW_REQUEST;
	if (packet->hops > 1)
		way = way_find(skb, packet, &packet->tuple.source.address,
			       &flow->destination.address, packet_length(skb, packet));
	if (way) {
		if (packet_translate(skb, packet, &flow->source, &flow->destination,
				     packet->hops - 1))
			return drop(PACKET_DROPPED_CANNOT_REWRITE);
		return send_on(skb, packet, way->ifindex, &way->next_hop,
			       is_request ? PACKET_REQUEST_REDIRECTED : PACKET_REPLY_REDIRECTED);
	}
	middle = flow_middle(&packet->tuple, flow);
	forward_note(packet, flow, &middle, coarse_now());
	if (packet_translate(skb, packet, is_request ? &middle : &packet->tuple.source,
			     is_request ? &flow->destination : &middle, packet->hops))
		return drop(PACKET_DROPPED_CANNOT_REWRITE);
	return pass(is_request ? PACKET_REQUEST_FORWARDED : PACKET_REPLY_FORWARDED);
}

/* What a packet becomes that is translated here and goes its way through the stack. */
static __always_inline int deliver(struct __sk_buff *skb, const struct packet *packet,
				   const struct flow_value *flow)
{
	if (packet_translate(skb, packet, &flow->source, &flow->destination, packet->hops))
		return drop(PACKET_DROPPED_CANNOT_REWRITE);
	if (flow->flags & FLOW_FORWARDED)
		return pass(PACKET_FORWARDED_OUT);
	return pass(flow->flags & FLOW_REQUEST ? PACKET_REQUEST_DELIVERED : PACKET_REPLY_DELIVERED);
}

/*
 * The stack has chosen the way of a reply by the pod's address, which may be of another network
 * card's network than the node's address that was dialled (source rules, as the AWS VPC CNI makes
 * them): beyond that card nobody takes packets from that address. Sends such a reply by the way of
 * the service address. Returns TC_ACT_UNSPEC when it is on its way already.
 */
__noinline int reply_elsewhere(struct __sk_buff *skb, const struct packet *packet,
			       const struct flow_value *flow)
{
	const struct ip_address *source, *destination;
	struct node_port_address local;
	const struct way *way;
	struct ip_address own;
	struct way *place;

	if (!packet || !flow)
		return TC_ACT_UNSPEC;
	source = &flow->source.address;
	destination = &flow->destination.address;
	place = way_place(source, destination);
	if (!place || way_is_known(place, skb, 1, packet, source, destination))
		return TC_ACT_UNSPEC;
	own = device_address(skb->ifindex, source);
	local.address = *source;
	if (ip_equal(&own, source) || !bpf_map_lookup_elem(&node_port_addresses, &local)) {
		way_note(place, skb, 1, packet, source, destination);
		return TC_ACT_UNSPEC;
	}
	way = way_find(skb, packet, source, destination, packet_length(skb, packet));
	if (!way || way->ifindex == skb->ifindex)
		return TC_ACT_UNSPEC;
	if (packet_translate(skb, packet, &flow->source, &flow->destination, packet->hops))
		return drop(PACKET_DROPPED_CANNOT_REWRITE);
	return send_on(skb, packet, way->ifindex, &way->next_hop, PACKET_REPLY_REDIRECTED);
}

#endif
