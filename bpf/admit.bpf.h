/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the first packet of a connection meets: a backend, and whose address that is to see; the
 * entries are made in masquerade.bpf.h. Family-free.
 */
#ifndef ADMIT_BPF_H
#define ADMIT_BPF_H

#include <linux/bpf.h>
#include <linux/in.h>

#include "abi.h"
#include "dialled.bpf.h"
#include "flow.bpf.h"
#include "ip.bpf.h"
#include "maps.bpf.h"
#include "masquerade.bpf.h"
#include "packet.bpf.h"
#include "service.bpf.h"
#include "way.bpf.h"
#include <bpf/bpf_helpers.h>

static __always_inline int is_pod_device(const struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	const struct device *device = bpf_map_lookup_elem(&devices, &ifindex);

	return device && (device->flags & DEVICE_OF_POD);
}

/* Whether `source` has its address from where pods have theirs. */
static __always_inline int is_cluster_address(const struct ip_address *source)
{
	struct ip_prefix key = {.bits = 128, .address = *source};

	return bpf_map_lookup_elem(&cluster_cidrs, &key) != NULL;
}

/* MurmurHash3's mixing of one word into a hash. */
static __always_inline __u32 hash_word(__u32 hash, __u32 word)
{
	word *= 0xcc9e2d51;
	word = word << 15 | word >> 17;
	word *= 0x1b873593;
	hash ^= word;
	hash = hash << 13 | hash >> 19;
	return hash * 5 + 0xe6546b64;
}

/*
 * The place of a connection in a Maglev table: the same on every node, so neither the node's
 * address nor any id of its own is in it. With affinity it is the client's alone
 * (cilium/cilium#26709).
 */
static __always_inline __u32 connection_hash(const struct packet *packet, int has_affinity)
{
	const struct ip_port *source = &packet->tuple.source;
	__u32 hash = 0;

	for (int i = 0; i < 4; i++)
		hash = hash_word(hash, source->address.words[i]);
	if (!has_affinity)
		hash = hash_word(hash, source->port);
	hash = hash_word(hash, packet->tuple.destination.port << 8 | packet->tuple.protocol);
	hash ^= hash >> 16;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	return hash ^ hash >> 16;
}

/* Whether a new connection to there would be a Service's. */
static __always_inline int is_dialled(const struct packet *packet)
{
	struct frontend_value frontend = {};

	return dialled_find(&packet->tuple.destination, packet->tuple.protocol, &frontend) ==
		       FOUND_FRONTEND &&
	       frontend.kind != FRONTEND_OTHER_PORTS;
}

/*
 * What becomes of TCP in the middle of a connection of which nothing is known. One that ends here
 * may be the node's own; what was masqueraded comes back to the table with the client's next
 * packet, unless the node's stack resets the connection before. With NODE_CARRYING no end may hear
 * that there is no such connection, whoever says so: neither a client nor, wherever it is, a
 * backend.
 */
__noinline int admit_stray(struct __sk_buff *skb, const struct packet *packet)
{
	struct frontend_key key = {.protocol = IPPROTO_TCP, .scope = FRONTEND_AT_ADDRESS};
	const struct node *node = node_get();
	struct node_port_address local;
	int is_carrying;
	__u32 port;

	if (!packet)
		return PACKET_PASSED;
	is_carrying = node && (node->flags & NODE_CARRYING);
	if (!is_carrying && node && (node->flags & (NODE_BESIDE | NODE_DRAINING)))
		return PACKET_PASSED;
	local.address = packet->tuple.destination.address;
	key.address = packet->tuple.destination.address;
	key.port = packet->tuple.destination.port;
	port = bpf_ntohs(packet->tuple.destination.port);
	/*
	 * From a pod, for a CNI masquerades what pods send beyond the cluster, with any port of the
	 * same addresses: those answers are conntrack's, and no socket has them.
	 */
	if (node && port - node->masquerade_first_port < node->masquerade_port_count &&
	    (is_carrying || is_cluster_address(&packet->tuple.source.address))) {
		struct ip_address own =
			device_address(skb->ifindex, &packet->tuple.destination.address);

		if (ip_equal(&own, &packet->tuple.destination.address) ||
		    bpf_map_lookup_elem(&node_port_addresses, &local))
			return ip_has_tcp_socket(skb, packet) ? PACKET_PASSED
							      : PACKET_DROPPED_UNKNOWN_REPLY;
	}
	if (is_carrying)
		return is_dialled(packet) ? PACKET_DROPPED_UNKNOWN_REPLY : PACKET_PASSED;
	if ((packet->tcp_flags & TCP_RST) || !bpf_map_lookup_elem(&frontends, &key) ||
	    bpf_map_lookup_elem(&node_port_addresses, &local))
		return PACKET_PASSED;
	return PACKET_REFUSED_UNKNOWN_FLOW;
}

/* Chooses what the frontend leads the client to. Returns PACKET_FLOW_CREATED, or why it does not.
 */
__noinline int admit_client(const struct packet *packet, int is_inside,
			    const struct frontend_value *frontend, struct ip_port *backend)
{
	struct affinity_key client = {};
	struct route route;
	__u32 number;

	if (!packet || !frontend || !backend)
		return PACKET_PASSED;
	route = is_inside ? route_inside(frontend) : route_outside(frontend);
	client.source = packet->tuple.source.address;
	client.service_port_id = frontend->service_port_id;
	if ((frontend->flags & FRONTEND_RESTRICTED) &&
	    !source_allowed(frontend->service_port_id, &client.source))
		return PACKET_DROPPED_SOURCE_NOT_ALLOWED;
	if (frontend->kind == FRONTEND_OTHER_PORTS)
		return PACKET_REFUSED_CLOSED_PORT;
	if (!route.run.count)
		return route.drops ? PACKET_DROPPED_NO_LOCAL_ENDPOINTS
				   : PACKET_REFUSED_NO_ENDPOINTS;
	number = frontend->flags & FRONTEND_MAGLEV
			 ? connection_hash(packet, frontend->affinity_timeout_seconds != 0)
			 : bpf_get_prandom_u32();
	/* Without slots there is nothing that could be said of it. */
	if (backend_for_client(frontend, &route, &client, number, backend))
		return PACKET_PASSED;
	return PACKET_FLOW_CREATED;
}

/*
 * What becomes of a packet to nothing of ours; PACKET_FLOW_CREATED when `flow` is to be published.
 * When it looks to its destination like those of a flow to a backend of this node, the answers
 * would look alike, too, and be translated. A flow that has ended makes room; beside one that goes
 * on the packet gets a flow of its own, from another port to where it goes anyway.
 */
__noinline int admit_direct(const struct packet *packet, struct flow_value *flow)
{
	const struct flow_value *other;
	struct flow_value found;
	struct flow_key key = {};

	if (!packet || !flow)
		return PACKET_PASSED;
	key.source = packet->tuple.destination;
	key.destination = packet->tuple.source;
	key.protocol = packet->tuple.protocol;
	other = bpf_map_lookup_elem(&flows, &key);
	if (!other)
		return PACKET_PASSED;
	found = *other;
	if (!(found.flags & FLOW_AT_EGRESS) || (found.flags & FLOW_FORWARDED))
		return PACKET_PASSED;
	if (flow_has_ended(&found) || flow_is_over(&found, key.protocol, flow->last_used_ns)) {
		flow_forget(&key, &found);
		return PACKET_PASSED;
	}
	flow->destination = packet->tuple.destination;
	return PACKET_FLOW_CREATED;
}

/*
 * Decides about a packet of no flow. Returns PACKET_FLOW_CREATED when it is to have one, whose
 * request's entry `flow` then is but for the source's port; else what is to become of the packet,
 * and `flow` names the service port that it was for, if any.
 */
__noinline int admit(struct __sk_buff *skb, const struct packet *packet, struct flow_value *flow)
{
	int is_of_pod, is_masqueraded;
	const struct member_value *member;
	struct frontend_value frontend = {};
	enum packet_outcome outcome;

	if (!packet || !flow)
		return PACKET_PASSED;
	/* No packet comes from such a place, nor is any sent there. */
	if (!ip_is_unicast(&packet->tuple.source.address))
		return PACKET_PASSED;
	/* It may be what is left of a flow that is over. */
	flow->service_port_id = NO_SERVICE_PORT;
	if (packet->tuple.protocol == IPPROTO_TCP && !is_opening(packet))
		return admit_stray(skb, packet);
	*flow = (struct flow_value){
		.last_used_ns = coarse_now(),
		.source = packet->tuple.source,
		.service_port_id = NO_SERVICE_PORT,
		.flags = FLOW_REQUEST,
	};
	flow->checked_ns = flow->last_used_ns;
	switch (dialled_find(&packet->tuple.destination, packet->tuple.protocol, &frontend)) {
	case FOUND_FRONTEND:
		break;
	case FOUND_UNALLOCATED:
		return PACKET_DROPPED_UNALLOCATED;
	default:
		return admit_direct(packet, flow);
	}
	flow->service_port_id = frontend.service_port_id;
	if (frontend.flags & FRONTEND_FORGETS)
		flow->flags |= FLOW_FORGOTTEN;
	is_of_pod = is_pod_device(skb);
	outcome =
		admit_client(packet, is_of_pod || is_cluster_address(&packet->tuple.source.address),
			     &frontend, &flow->destination);
	if (outcome != PACKET_FLOW_CREATED)
		return outcome;
	if (packet->tuple.protocol == IPPROTO_SCTP &&
	    flow->destination.port != packet->tuple.destination.port)
		return PACKET_DROPPED_SCTP_PORT;
	/* Its reply comes back by this node only when it, or the client, is here. */
	member = member_of(frontend.service_port_id, &flow->destination);
	is_masqueraded = ip_equal(&flow->destination.address, &flow->source.address) ||
			 (!is_of_pod && !(member && (member->flags & MEMBER_ON_NODE)));
	if (!is_masqueraded)
		return PACKET_FLOW_CREATED;
	outcome = masquerade_address(skb, packet, &flow->destination, &flow->source.address);
	if (outcome == PACKET_REQUEST_DELIVERED)
		return PACKET_FLOW_CREATED;
	flow->flags |= FLOW_MASQUERADED;
	/* Any port will do, but for SCTP, whose ports cannot be changed. */
	if (packet->tuple.protocol != IPPROTO_SCTP)
		flow->source.port = 0;
	return outcome;
}

#endif
