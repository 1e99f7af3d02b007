/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets that are turned into their own answer and sent back by the way they came: a TCP reset
 * (RFC 9293 3.10.7.1), ICMP port unreachable (RFC 792, RFC 4443 3.1), an echo reply. Each comes
 * from the service address. Family-free.
 */
#ifndef ANSWER_BPF_H
#define ANSWER_BPF_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/tcp.h>

#include "abi.h"
#include "count.bpf.h"
#include "forward.bpf.h"
#include "ip.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "way.bpf.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* On one CPU. Linux gives as many ICMP messages in all, by default (icmp_msgs_per_sec). */
#define REFUSALS_PER_SECOND 1000

/* Whether one more packet may be refused. */
static __always_inline int refusal_allowed(void)
{
	__u64 now_ns = coarse_now(), since_ns;
	__u32 zero = 0;
	struct refusal_budget *budget = bpf_map_lookup_elem(&refusal_budgets, &zero);

	if (!budget)
		return 0;
	since_ns = now_ns - budget->filled_ns;
	if (since_ns >= NS_PER_SECOND / REFUSALS_PER_SECOND) {
		__u64 more = since_ns / (NS_PER_SECOND / REFUSALS_PER_SECOND);

		budget->left = more >= REFUSALS_PER_SECOND - budget->left ? REFUSALS_PER_SECOND
									  : budget->left + more;
		budget->filled_ns = now_ns;
	}
	if (!budget->left)
		return 0;
	budget->left--;
	return 1;
}

/*
 * Swaps the link-layer addresses, on devices that have them, and sends the packet back. One that is
 * on its way out comes in by the same device.
 */
static __always_inline int send_back(struct __sk_buff *skb, __u32 network, int is_egress)
{
	__u8 before[2 * ETH_ALEN], after[2 * ETH_ALEN];

	if (network == ETH_HLEN) {
		if (bpf_skb_load_bytes(skb, 0, before, sizeof(before)))
			return TC_ACT_SHOT;
		__builtin_memcpy(after, before + ETH_ALEN, ETH_ALEN);
		__builtin_memcpy(after + ETH_ALEN, before, ETH_ALEN);
		if (bpf_skb_store_bytes(skb, 0, after, sizeof(after), 0))
			return TC_ACT_SHOT;
	}
	skb->tc_index = is_egress ? 0 : TC_INDEX_DONE;
	skb->cb[0] = 0;
	return bpf_redirect(skb->ifindex, is_egress ? BPF_F_INGRESS : 0);
}

/*
 * Whether the packet's checksum is left to the device (CHECKSUM_PARTIAL), as it is on its way
 * between virtual devices. No program can read that; but then the checksum in the packet stays as
 * it is when something besides the pseudo header changes.
 */
static __always_inline int is_checksum_partial(struct __sk_buff *skb, __u32 offset)
{
	__be16 before = 0, after = 0;

	if (bpf_skb_load_bytes(skb, offset, &before, sizeof(before)) ||
	    bpf_l4_csum_replace(skb, offset, 0, bpf_htons(1), sizeof(__be16)) ||
	    bpf_skb_load_bytes(skb, offset, &after, sizeof(after)))
		return 0;
	return before == after;
}

/* The answer to a TCP packet that may not go on. */
__noinline int answer_reset(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 payload, sum, pseudo, network, transport;
	struct tcphdr tcp, reset = {};
	int is_partial;

	if (!packet)
		return TC_ACT_SHOT;
	network = packet->network;
	transport = packet->transport;
	if (bpf_skb_load_bytes(skb, transport, &tcp, sizeof(tcp)))
		return TC_ACT_SHOT;
	/* A fragment header would make the answer a fragment. */
	if (packet->fragment != WHOLE_PACKET && transport - network != ip_header_size(packet))
		return TC_ACT_SHOT;
	is_partial = is_checksum_partial(skb, transport + offsetof(struct tcphdr, check));
	reset.source = tcp.dest;
	reset.dest = tcp.source;
	reset.doff = sizeof(reset) / 4;
	reset.rst = 1;
	if (tcp.ack) {
		reset.seq = tcp.ack_seq;
	} else {
		payload = ip_payload_length(skb, packet);
		payload = payload > tcp.doff * 4 ? payload - tcp.doff * 4 : 0;
		reset.ack = 1;
		reset.ack_seq = bpf_htonl(bpf_ntohl(tcp.seq) + payload + tcp.syn + tcp.fin);
	}
	pseudo = ip_pseudo_sum(packet, IPPROTO_TCP, sizeof(reset));
	sum = bpf_csum_diff(0, 0, (__be32 *)&reset, sizeof(reset), pseudo);
	reset.check = is_partial ? checksum_fold(pseudo) : ~checksum_fold(sum);
	if (bpf_skb_change_tail(skb, transport + sizeof(reset), 0) ||
	    bpf_skb_store_bytes(skb, transport, &reset, sizeof(reset), 0) ||
	    ip_turn_round(skb, packet, 0, sizeof(reset)))
		return TC_ACT_SHOT;
	return send_back(skb, network, 0);
}

/* How much of the transport header an ICMP error quotes: the ports, and what RFC 792 asks for. */
#define QUOTED_BYTES 8

/*
 * The answer to a packet of another protocol. One with IPv4 options or IPv6 extension headers is
 * only dropped: what is quoted has a length that is known here.
 *
 * Where the packet's checksum is left to the device, the answer's is right all the same: of a
 * message whose sum is right already the device finds 0, and puts it where UDP has its checksum,
 * which in an ICMP error is unused.
 */
__noinline int answer_unreachable(struct __sk_buff *skb, const struct packet *packet)
{
	struct {
		__u8 type;
		__u8 code;
		__be16 checksum;
		__u32 unused;
		__u8 quoted[MAX_IP_HEADER + QUOTED_BYTES];
	} message = {};
	struct icmp_words icmp;
	__u32 network, size;
	__wsum sum = 0;

	if (!packet)
		return TC_ACT_SHOT;
	network = packet->network;
	icmp = icmp_words_of(packet);
	if (packet->transport - network != ip_header_size(packet))
		return TC_ACT_SHOT;
	message.type = icmp.unreachable;
	message.code = icmp.port_unreachable;
	if (packet->family == FAMILY_IPV4) {
		size = sizeof(message) - MAX_IP_HEADER + sizeof(struct iphdr);
		if (bpf_skb_load_bytes(skb, network, message.quoted,
				       sizeof(struct iphdr) + QUOTED_BYTES))
			return TC_ACT_SHOT;
	} else {
		size = sizeof(message);
		if (bpf_skb_load_bytes(skb, network, message.quoted, sizeof(message.quoted)))
			return TC_ACT_SHOT;
		sum = ip_pseudo_sum(packet, icmp.protocol, size);
	}
	/* What IPv4 does not quote is zero and adds nothing. */
	message.checksum = ~checksum_fold(
		(__u32)bpf_csum_diff(0, 0, (__be32 *)&message, sizeof(message), sum));
	if (bpf_skb_change_tail(skb, packet->transport + size, 0) ||
	    bpf_skb_store_bytes(skb, packet->transport, &message,
				sizeof(message) - MAX_IP_HEADER + sizeof(struct iphdr), 0))
		return TC_ACT_SHOT;
	if (packet->family == FAMILY_IPV6 &&
	    bpf_skb_store_bytes(skb, packet->transport, &message, sizeof(message), 0))
		return TC_ACT_SHOT;
	if (ip_turn_round(skb, packet, icmp.protocol, size))
		return TC_ACT_SHOT;
	return send_back(skb, network, 0);
}

/* Refuses the packet for the reason `why`. */
static __always_inline int refuse_packet(struct __sk_buff *skb, const struct packet *packet,
					 enum packet_outcome why)
{
	int verdict;

	if (!refusal_allowed())
		return drop(PACKET_DROPPED_REFUSAL_LIMIT);
	verdict = packet->tuple.protocol == IPPROTO_TCP ? answer_reset(skb, packet)
							: answer_unreachable(skb, packet);
	count(verdict == TC_ACT_SHOT ? PACKET_DROPPED_CANNOT_REWRITE : why);
	return verdict;
}

/* Answers an echo request, whose ICMP header has `type` and begins at the packet's transport. */
__noinline int answer_echo(struct __sk_buff *skb, const struct packet *packet, int is_egress)
{
	struct icmp_words icmp;
	__u8 type;

	if (!packet)
		return TC_ACT_SHOT;
	icmp = icmp_words_of(packet);
	type = icmp.echo_reply;
	/* The pseudo header's sum is the same both ways. */
	if (bpf_l4_csum_replace(skb, packet->transport + ICMP_CHECKSUM_OFFSET,
				bpf_htons(icmp.echo_request << 8), bpf_htons(type << 8),
				sizeof(__be16)) ||
	    bpf_skb_store_bytes(skb, packet->transport, &type, sizeof(type), 0) ||
	    ip_turn_round(skb, packet, 0, ip_payload_length(skb, packet)))
		return drop(PACKET_DROPPED_CANNOT_REWRITE);
	count(PACKET_ECHO_ANSWERED);
	return send_back(skb, packet->network, is_egress);
}

#endif
