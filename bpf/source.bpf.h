/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a connection will come from, asked before the kernel has chosen that: connect() and
 * sendto() run before routing. A bound socket says it; the node's own namespace has the node's
 * address; a pod has one address, which is read from its network namespace.
 */
#ifndef SOURCE_BPF_H
#define SOURCE_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include "ip.bpf.h"
#include "kernel.bpf.h"
#include "service.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* Devices and addresses that are looked at: a pod has two of the first and one or two of the other.
 */
#define MAX_DEVICES 8
#define MAX_ADDRESSES 8

/* linux/if.h */
#define IFF_UP 0x1
#define IFF_LOOPBACK 0x8

/* RT_SCOPE_UNIVERSE (linux/rtnetlink.h), and what inet6_ifaddr.scope says of a global address. */
#define SCOPE_GLOBAL 0

/* The address of `member` of the structure at `base`, without touching it. */
#define member_address(base, type, member) ((void *)(base) + bpf_core_field_offset(type, member))

static __always_inline int device_ipv4(const struct net_device *device, struct ip_address *address)
{
	const struct in_ifaddr *entry = BPF_CORE_READ(device, ip_ptr, ifa_list);

	for (int i = 0; i < MAX_ADDRESSES && entry; i++) {
		if (BPF_CORE_READ(entry, ifa_scope) == SCOPE_GLOBAL) {
			address->words[2] = IPV4_MAPPED_WORD;
			address->words[3] = BPF_CORE_READ(entry, ifa_local);
			return 1;
		}
		entry = BPF_CORE_READ(entry, ifa_next);
	}
	return 0;
}

static __always_inline int device_ipv6(const struct net_device *device, struct ip_address *address)
{
	const struct inet6_dev *ip6 = BPF_CORE_READ(device, ip6_ptr);
	const struct list_head *head, *node;

	if (!ip6)
		return 0;
	head = member_address(ip6, struct inet6_dev, addr_list);
	node = BPF_CORE_READ(head, next);
	for (int i = 0; i < MAX_ADDRESSES && node && node != head; i++) {
		const struct inet6_ifaddr *entry =
			(void *)node - bpf_core_field_offset(struct inet6_ifaddr, if_list);

		if (BPF_CORE_READ(entry, scope) == SCOPE_GLOBAL) {
			bpf_probe_read_kernel(address, sizeof(*address),
					      member_address(entry, struct inet6_ifaddr, addr));
			return 1;
		}
		node = BPF_CORE_READ(node, next);
	}
	return 0;
}

/* The first global address of the first device that is up: returns whether there is one. */
static __always_inline int namespace_address(struct bpf_sock_addr *ctx, int is_ipv4,
					     struct ip_address *address)
{
	const struct bpf_sock *opaque = ctx->sk;
	const struct list_head *head, *node;
	const struct sock *sk = NULL;
	const struct net *net;

	/* The verifier lets nobody calculate with a socket's pointer; read back it is a number. */
	bpf_probe_read_kernel(&sk, sizeof(sk), &opaque);
	net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	head = member_address(net, struct net, dev_base_head);
	node = BPF_CORE_READ(head, next);
	*address = (struct ip_address){};
	for (int i = 0; i < MAX_DEVICES && node && node != head; i++) {
		const struct net_device *device =
			(void *)node - bpf_core_field_offset(struct net_device, dev_list);
		unsigned int flags = BPF_CORE_READ(device, flags);

		if ((flags & IFF_UP) && !(flags & IFF_LOOPBACK) &&
		    (is_ipv4 ? device_ipv4(device, address) : device_ipv6(device, address)))
			return 1;
		node = BPF_CORE_READ(node, next);
	}
	return 0;
}

/*
 * Whether a client that dials `dialled` may use the restricted frontends of a service port. An
 * address that cannot be found is none that is let in.
 */
static __always_inline int client_allowed(struct bpf_sock_addr *ctx, const enum ip_family family,
					  const int is_datagram, const struct ip_address *dialled,
					  __u32 service_port_id)
{
	const struct node *node = node_get();
	struct ip_address source;

	sock_addr_source(ctx, family, is_datagram, &source);
	if (ip_is_unspecified(&source)) {
		if (node && node->netns_cookie == bpf_get_netns_cookie(ctx))
			source = node_address_for(node, dialled);
		else if (!namespace_address(ctx, ip_is_mapped(dialled), &source))
			return 0;
	}
	return source_allowed(service_port_id, &source);
}

#endif
