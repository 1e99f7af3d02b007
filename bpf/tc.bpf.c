// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The packet path: programs on TC ingress and egress of the node's devices, for what comes from
 * outside or bypasses the sockets of this kernel.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "abi.h"
#include "maps.bpf.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Types that user space reads, besides those in tables. */
const enum packet_outcome outcomes SEC("records") = PACKET_PASSED;
const enum flow_timeout_seconds timeouts SEC("records") = FLOW_TIMEOUT_TCP_OPENING;

/* On devices whose packets begin with an Ethernet header. */

SEC("tc")
int ingress_ethernet(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int egress_ethernet(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}

/* On devices whose packets begin with the IP header: tunnels. */

SEC("tc")
int ingress_ip(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int egress_ip(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}
