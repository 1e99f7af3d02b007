// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The packet path: programs on TC ingress and egress of the node's devices, for what comes from
 * outside or bypasses the sockets of this kernel. One body per direction; the entry points at the
 * end only say where the IP header is. What is not for a service is left as it is, to the bit.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "abi.h"
#include "admit.bpf.h"
#include "answer.bpf.h"
#include "count.bpf.h"
#include "flow-queue.bpf.h"
#include "flow.bpf.h"
#include "forward.bpf.h"
#include "icmp.bpf.h"
#include "ip.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "way.bpf.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Types that user space reads, besides those in tables. */
const enum packet_outcome outcomes SEC("records") = PACKET_PASSED;
const enum flow_timeout_seconds timeouts SEC("records") = FLOW_TIMEOUT_TCP_OPENING;

/* Of a VLAN tag (IEEE 802.1Q 9.6): 0 is no VLAN, only a priority, and the stack takes it off, too.
 */
#define VLAN_ID_MASK 0x0fff

/*
 * Whether the packet may be for us. With a VLAN tag it is for the device of that VLAN, which sees
 * it next. On the way in, frames for other hosts are none of our business, although a device may
 * show them; but a bridge takes what a pod sends to the bridge's own address, not to that of the
 * pod's device.
 */
static __always_inline int is_ours(struct __sk_buff *skb, int is_egress)
{
	if (skb->vlan_present &&
	    (is_egress || (skb->vlan_tci & VLAN_ID_MASK) || bpf_skb_vlan_pop(skb)))
		return 0;
	return is_egress || skb->pkt_type == PACKET_HOST ||
	       (skb->pkt_type == PACKET_OTHERHOST && is_pod_device(skb));
}

/* Reads the packet. Returns whether it has ports, or is ICMP. */
static __always_inline int load(struct __sk_buff *skb, __u32 network, struct packet *packet)
{
	enum ip_family family;

	if (!ip_family_of(skb, &family))
		return 0;
	if (packet_load_plain(skb, network, family, packet))
		return 1;
	if (!packet_load(skb, network, family, packet))
		return 0;
	if (packet->fragment == LATER_FRAGMENT)
		return packet_recall_ports(packet);
	/* What had the same id before has nothing to do with it, whatever becomes of this one. */
	if (packet->fragment == FIRST_FRAGMENT)
		packet_forget_ports(packet);
	return is_icmp(packet) || (has_ports(packet) && packet_load_transport(skb, packet));
}

/* The flow of the packet when it is to be translated here, copied to `flow`. */
static __always_inline struct flow_value *flow_find(const struct packet *packet, int is_egress,
						    struct flow_value *flow)
{
	struct flow_value *entry = bpf_map_lookup_elem(&flows, &packet->tuple);

	if (!entry)
		return NULL;
	/* Judged as copied: the entry may become another flow's meanwhile. */
	*flow = *entry;
	return !(flow->flags & FLOW_AT_EGRESS) == !is_egress ? entry : NULL;
}

static __always_inline void note_fragment(const struct packet *packet)
{
	if (packet->fragment == FIRST_FRAGMENT)
		packet_remember_ports(packet);
	else if (packet->fragment == LATER_FRAGMENT)
		count(PACKET_LATER_FRAGMENT);
}

static __always_inline int on_ingress(struct __sk_buff *skb, __u32 network)
{
	struct flow_value flow = {}, *entry;
	enum packet_outcome outcome;
	struct packet packet = {};
	__be16 last_port = 0;
	int is_replaced = 0;
	__u64 now_ns;
	__u32 place;

	if (seen_on_hook(skb, 0))
		return TC_ACT_UNSPEC;
	/* Of another network namespace, whose packets may come here by a virtual device. */
	if (skb->tc_index == TC_INDEX_DONE)
		skb->tc_index = 0;
	if (!is_ours(skb, 0) || !load(skb, network, &packet))
		return pass(PACKET_PASSED);
	if (is_icmp(&packet))
		return on_icmp(skb, &packet, 0, &flow);
	entry = flow_find(&packet, 0, &flow);
	now_ns = entry ? coarse_now() : 0;
	if (entry &&
	    (flow.flags & FLOW_REQUEST ? !flow_goes_on(&packet, &flow, now_ns)
				       : flow_is_over(&flow, packet.tuple.protocol, now_ns))) {
		flow_forget(&packet.tuple, &flow);
		entry = NULL;
		is_replaced = 1;
		last_port = flow.flags & FLOW_MASQUERADED ? flow.source.port : 0;
	}
	if (entry) {
		if (flow_use(&packet, entry, &flow, now_ns))
			flow_queue_up(&packet, &flow);
	} else {
		if (packet.fragment == LATER_FRAGMENT)
			return pass(PACKET_PASSED);
		outcome = admit(skb, &packet, &flow);
		if (outcome == PACKET_FLOW_CREATED) {
			if ((flow.flags & FLOW_MASQUERADED) && !flow.source.port)
				flow.source.port = last_port;
			place = flow_next_place();
			flow_make_room(place);
			flow.flags |= place;
			outcome = flow_publish(&packet, &flow);
			if (outcome == PACKET_DROPPED_FLOW_TABLE)
				flow_clear_full();
		}
		if (outcome != PACKET_PASSED && flow.service_port_id != NO_SERVICE_PORT)
			count_flow(flow.service_port_id, outcome == PACKET_FLOW_CREATED);
		switch (outcome) {
		case PACKET_FLOW_CREATED:
			count(is_replaced ? PACKET_FLOW_REPLACED : PACKET_FLOW_CREATED);
			flow_take_place(&packet, &flow);
			break;
		case PACKET_PASSED:
			return pass(PACKET_PASSED);
		case PACKET_REFUSED_NO_ENDPOINTS:
		case PACKET_REFUSED_CLOSED_PORT:
		case PACKET_REFUSED_UNKNOWN_FLOW:
			return refuse_packet(skb, &packet, outcome);
		default:
			return drop(outcome);
		}
	}
	note_fragment(&packet);
	return flow.flags & FLOW_MASQUERADED ? forward(skb, &packet, &flow)
					     : deliver(skb, &packet, &flow);
}

static __always_inline int on_egress(struct __sk_buff *skb, __u32 network)
{
	struct flow_value flow = {}, *entry;
	struct packet packet = {};
	__u64 now_ns;
	int verdict;

	if (seen_on_hook(skb, 1))
		return TC_ACT_UNSPEC;
	if (skb->tc_index == TC_INDEX_DONE) {
		skb->tc_index = 0;
		return TC_ACT_UNSPEC;
	}
	if (!is_ours(skb, 1) || !load(skb, network, &packet))
		return pass(PACKET_PASSED);
	if (is_icmp(&packet))
		return on_icmp(skb, &packet, 1, &flow);
	entry = flow_find(&packet, 1, &flow);
	if (!entry)
		return pass(PACKET_PASSED);
	now_ns = coarse_now();
	if (flow_is_over(&flow, packet.tuple.protocol, now_ns))
		return pass(PACKET_PASSED);
	if (flow_use(&packet, entry, &flow, now_ns))
		flow_queue_up(&packet, &flow);
	note_fragment(&packet);
	if (!(flow.flags & (FLOW_REQUEST | FLOW_FORWARDED))) {
		verdict = reply_elsewhere(skb, &packet, &flow);
		if (verdict != TC_ACT_UNSPEC)
			return verdict;
	}
	return deliver(skb, &packet, &flow);
}

/* On devices whose packets begin with an Ethernet header. */

SEC("tc")
int ingress_ethernet(struct __sk_buff *skb)
{
	return on_ingress(skb, ETH_HLEN);
}

SEC("tc")
int egress_ethernet(struct __sk_buff *skb)
{
	return on_egress(skb, ETH_HLEN);
}

/* On devices whose packets begin with the IP header: tunnels. */

SEC("tc")
int ingress_ip(struct __sk_buff *skb)
{
	return on_ingress(skb, 0);
}

SEC("tc")
int egress_ip(struct __sk_buff *skb)
{
	return on_egress(skb, 0);
}
