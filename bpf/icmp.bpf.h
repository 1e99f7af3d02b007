/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors about translated packets, and echo requests to service addresses. An error quotes the
 * packet that it is about as it was on the way, so that path MTU discovery (RFC 1191, RFC 8201)
 * needs the quotation translated back for whoever sent it. Family-free.
 */
#ifndef ICMP_BPF_H
#define ICMP_BPF_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>

#include "abi.h"
#include "answer.bpf.h"
#include "count.bpf.h"
#include "dialled.bpf.h"
#include "flow.bpf.h"
#include "forward.bpf.h"
#include "ip.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "service.bpf.h"
#include "way.bpf.h"
#include <bpf/bpf_helpers.h>

/*
 * Gives the quoted packet other ports, and every checksum its due that covers the ends `source` and
 * `destination`, whose addresses have been written. The quoted transport header may end after its
 * ports.
 */
__noinline int icmp_rewrite_quoted(struct __sk_buff *skb, const struct packet *packet,
				   const struct packet *quoted, const struct ip_port *source,
				   const struct ip_port *destination)
{
	/* In one word each, for bpf_csum_diff(). */
	__be32 old_check = 0, new_check = 0, before, after;
	__wsum addresses, change;
	__u32 offset;

	if (!packet || !quoted || !source || !destination)
		return -1;
	before = port_pair(&quoted->tuple.source, &quoted->tuple.destination);
	after = port_pair(source, destination);
	addresses = packet_difference(quoted, &source->address, &destination->address);
	/* By how much the sum of all that is quoted changes. */
	change = bpf_csum_diff(&before, sizeof(before), &after, sizeof(after),
			       ip_header_change(quoted, addresses));
	offset = checksum_offset(quoted);
	/* What a frame is padded with is nothing that is quoted. */
	if (offset + sizeof(__be16) > packet->transport + ip_payload_length(skb, packet))
		offset = 0;
	if (bpf_skb_store_bytes(skb, quoted->transport, &after, sizeof(after), 0))
		return -1;
	if (offset && !bpf_skb_load_bytes(skb, offset, &old_check, sizeof(__be16)) &&
	    (old_check || quoted->tuple.protocol != IPPROTO_UDP)) {
		__wsum sum =
			bpf_csum_diff(&before, sizeof(before), &after, sizeof(after), addresses);

		if (bpf_l4_csum_replace(skb, offset, 0, sum, 0) ||
		    bpf_skb_load_bytes(skb, offset, &new_check, sizeof(__be16)))
			return -1;
		change = bpf_csum_diff(&old_check, sizeof(old_check), &new_check, sizeof(new_check),
				       change);
	}
	return bpf_l4_csum_replace(skb, packet->transport + ICMP_CHECKSUM_OFFSET, 0, change, 0);
}

/* Gives the checksum of the ICMP packet itself its due for other ends: ICMPv6's covers addresses.
 */
__noinline int icmp_mend_checksum(struct __sk_buff *skb, const struct packet *packet,
				  const struct ip_address *source,
				  const struct ip_address *destination)
{
	__wsum difference;

	if (!packet || !source || !destination)
		return -1;
	if (packet->family == FAMILY_IPV6) {
		difference = packet_difference(packet, source, destination);
		if (bpf_l4_csum_replace(skb, packet->transport + ICMP_CHECKSUM_OFFSET, 0,
					difference, BPF_F_PSEUDO_HDR))
			return -1;
		ip_mend_complete_checksum(skb, packet, difference);
	}
	return 0;
}

/* Sends a translated error on to `destination`. Returns what the program is to return. */
__noinline int icmp_send_on(struct __sk_buff *skb, const struct packet *packet,
			    const struct ip_address *destination)
{
	struct bpf_fib_lookup fib;
	struct next_hop next_hop;
	long way;

	if (!packet || !destination)
		return drop(PACKET_DROPPED_NO_ROUTE);
	way = ip_route(skb, packet, destination, 0, 0, &fib);
	if (way != BPF_FIB_LKUP_RET_SUCCESS && way != BPF_FIB_LKUP_RET_NO_NEIGH)
		return drop(PACKET_DROPPED_NO_ROUTE);
	ip_next_hop(&fib, &next_hop);
	return send_on(skb, packet, fib.ifindex, &next_hop, PACKET_ICMP_ERROR_TRANSLATED);
}

/* An ICMP error. `is_egress`: on its way out. `flow` is room for what it belongs to: the stack is
 * short. */
__noinline int translate_icmp_error(struct __sk_buff *skb, const struct packet *packet,
				    int is_egress, struct flow_value *flow)
{
	const struct flow_value *entry;
	struct packet quoted = {};
	struct flow_key key;
	const struct ip_address *source;
	int is_hidden, leaves;

	if (!packet || !flow)
		return TC_ACT_UNSPEC;
	if (!packet_load(skb, packet->transport + ICMP_HEADER_SIZE, packet->family, &quoted) ||
	    !has_ports(&quoted) || quoted.fragment == LATER_FRAGMENT ||
	    !packet_load_ports(skb, &quoted))
		return pass(PACKET_PASSED);
	/* Under this key are packets of the other direction; the quoted one was their counterpart.
	 */
	key = (struct flow_key){
		.source = quoted.tuple.destination,
		.destination = quoted.tuple.source,
		.protocol = quoted.tuple.protocol,
	};
	entry = bpf_map_lookup_elem(&flows, &key);
	if (!entry)
		return pass(PACKET_PASSED);
	*flow = *entry;
	if (!(flow->flags & FLOW_AT_EGRESS) != !is_egress ||
	    flow_is_over(flow, key.protocol, coarse_now()))
		return pass(PACKET_PASSED);
	/*
	 * Of a masqueraded flow nobody on the way is known beyond this node; of others the backend
	 * is not.
	 */
	is_hidden = (flow->flags & FLOW_MASQUERADED) ||
		    ip_equal(&packet->tuple.source.address, &quoted.tuple.destination.address);
	leaves = !is_egress && (flow->flags & FLOW_MASQUERADED);
	if (leaves && packet->hops <= 1)
		return drop(PACKET_DROPPED_NO_ROUTE);
	source = is_hidden ? &flow->source.address : &packet->tuple.source.address;
	if (packet_readdress(skb, &quoted, &flow->destination.address, &flow->source.address,
			     quoted.hops) ||
	    icmp_rewrite_quoted(skb, packet, &quoted, &flow->destination, &flow->source) ||
	    icmp_mend_checksum(skb, packet, source, &flow->destination.address) ||
	    packet_readdress(skb, packet, source, &flow->destination.address,
			     packet->hops - (leaves ? 1 : 0)))
		return drop(PACKET_DROPPED_CANNOT_REWRITE);
	if (!leaves)
		return pass(PACKET_ICMP_ERROR_TRANSLATED);
	return icmp_send_on(skb, packet, &flow->destination.address);
}

/*
 * Whether an echo request to `address` is answered. On the way out, where the node and its pods
 * ask, only clusterIPs answer: other addresses may be real ones of somebody beyond.
 */
__noinline int echo_outcome(const struct ip_address *client, const struct ip_address *address,
			    int is_egress)
{
	struct frontend_key key = {.scope = FRONTEND_AT_OTHER_PORTS};
	struct node_port_address local;
	struct frontend_value frontend = {};

	if (!client || !address)
		return PACKET_PASSED;
	local.address = *address;
	key.address = *address;
	/* The node's own addresses answer by themselves. */
	if (bpf_map_lookup_elem(&node_port_addresses, &local))
		return PACKET_PASSED;
	if (dialled_read(&key, &frontend))
		return PACKET_ECHO_ANSWERED;
	if (is_egress)
		return PACKET_PASSED;
	key.scope = FRONTEND_AT_ECHO;
	if (dialled_read(&key, &frontend))
		return (frontend.flags & FRONTEND_RESTRICTED) &&
				       !source_allowed(frontend.service_port_id, client)
			       ? PACKET_DROPPED_SOURCE_NOT_ALLOWED
			       : PACKET_ECHO_ANSWERED;
	return is_service_address(address) ? PACKET_DROPPED_UNALLOCATED : PACKET_PASSED;
}

static __always_inline int on_icmp(struct __sk_buff *skb, const struct packet *packet,
				   int is_egress, struct flow_value *flow)
{
	enum packet_outcome outcome;
	__u8 type;

	if (packet->fragment != WHOLE_PACKET || packet->transport + ICMP_HEADER_SIZE > skb->len ||
	    bpf_skb_load_bytes(skb, packet->transport, &type, sizeof(type)))
		return pass(PACKET_PASSED);
	if (icmp_is_error(packet, type))
		return translate_icmp_error(skb, packet, is_egress, flow);
	if (type != icmp_words_of(packet).echo_request ||
	    !ip_is_unicast(&packet->tuple.source.address))
		return pass(PACKET_PASSED);
	outcome = echo_outcome(&packet->tuple.source.address, &packet->tuple.destination.address,
			       is_egress);
	if (outcome == PACKET_ECHO_ANSWERED)
		return answer_echo(skb, packet, is_egress);
	return outcome == PACKET_PASSED ? pass(outcome) : drop(outcome);
}

#endif
