/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only BPF file that knows IPv4 from IPv6. `family` is a constant in every caller, so each
 * entry point is compiled for its own family.
 */
#ifndef IP_BPF_H
#define IP_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include "kernel.bpf.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum ip_family {
	FAMILY_IPV4,
	FAMILY_IPV6,
};

#define IPV4_MAPPED_WORD bpf_htonl(0xffff)

/* TCP_ESTABLISHED, which stands for a connected UDP socket too; net/tcp_states.h is not
 * user-visible. */
#define SOCK_CONNECTED 1

/* The kernel's families of sockets; include/linux/socket.h is not user-visible. */
#define AF_INET 2
#define AF_INET6 10

/* The one whose addresses are as ours. */
#define ADDRESS_FAMILY AF_INET6

/*
 * Keeps clang from folding two reads of a context field into one wide read through a modified
 * pointer, which the verifier refuses ("dereference of modified ctx ptr").
 */
#define read_once(field)                                                                           \
	({                                                                                         \
		__u32 once = (field);                                                              \
		barrier_var(once);                                                                 \
		once;                                                                              \
	})

/* Reads the peer of a sock_addr context: the destination, or in recvmsg the source. */
static __always_inline void sock_addr_load(const struct bpf_sock_addr *ctx,
					   const enum ip_family family, struct ip_port *peer)
{
	if (family == FAMILY_IPV4) {
		peer->address.words[0] = 0;
		peer->address.words[1] = 0;
		peer->address.words[2] = IPV4_MAPPED_WORD;
		peer->address.words[3] = read_once(ctx->user_ip4);
	} else {
		peer->address.words[0] = read_once(ctx->user_ip6[0]);
		peer->address.words[1] = read_once(ctx->user_ip6[1]);
		peer->address.words[2] = read_once(ctx->user_ip6[2]);
		peer->address.words[3] = read_once(ctx->user_ip6[3]);
	}
	peer->port = read_once(ctx->user_port);
	peer->pad = 0;
}

/* Writes the peer of a sock_addr context. `peer` must be of the context's family, or mapped into
 * it. */
static __always_inline void sock_addr_store(struct bpf_sock_addr *ctx, const enum ip_family family,
					    const struct ip_port *peer)
{
	if (family == FAMILY_IPV4) {
		ctx->user_ip4 = peer->address.words[3];
	} else {
		ctx->user_ip6[0] = peer->address.words[0];
		ctx->user_ip6[1] = peer->address.words[1];
		ctx->user_ip6[2] = peer->address.words[2];
		ctx->user_ip6[3] = peer->address.words[3];
	}
	ctx->user_port = peer->port;
}

static __always_inline int ip_port_equal(const struct ip_port *a, const struct ip_port *b)
{
	return a->address.words[3] == b->address.words[3] &&
	       a->address.words[2] == b->address.words[2] &&
	       a->address.words[1] == b->address.words[1] &&
	       a->address.words[0] == b->address.words[0] && a->port == b->port;
}

static __always_inline int ip_is_mapped(const struct ip_address *address)
{
	return !address->words[0] && !address->words[1] && address->words[2] == IPV4_MAPPED_WORD;
}

/* 0.0.0.0 or :: */
static __always_inline int ip_is_unspecified(const struct ip_address *address)
{
	return !address->words[3] &&
	       (ip_is_mapped(address) ||
		(!address->words[0] && !address->words[1] && !address->words[2]));
}

/* 127.0.0.0/8 or ::1 */
static __always_inline int ip_is_loopback(const struct ip_address *address)
{
	if (ip_is_mapped(address))
		return (address->words[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return !address->words[0] && !address->words[1] && !address->words[2] &&
	       address->words[3] == bpf_htonl(1);
}

/* The address of the family of `address` that stands for any address. */
static __always_inline void ip_unspecified_like(const struct ip_address *address,
						struct ip_address *unspecified)
{
	*unspecified = (struct ip_address){};
	if (ip_is_mapped(address))
		unspecified->words[2] = IPV4_MAPPED_WORD;
}

/* Which address of the node its connections to `peer` come from. */
static __always_inline struct ip_address node_address_for(const struct node *node,
							  const struct ip_address *peer)
{
	return ip_is_mapped(peer) ? node->ipv4 : node->ipv6;
}

/*
 * The address that a socket is bound to, zero when none is. `is_datagram` in the sendmsg hooks,
 * where the datagram may name another one.
 */
static __always_inline void sock_addr_source(const struct bpf_sock_addr *ctx,
					     const enum ip_family family, const int is_datagram,
					     struct ip_address *source)
{
	*source = (struct ip_address){};
	if (family == FAMILY_IPV4) {
		source->words[3] =
			is_datagram ? read_once(ctx->msg_src_ip4) : read_once(ctx->sk->src_ip4);
		if (source->words[3])
			source->words[2] = IPV4_MAPPED_WORD;
	} else if (is_datagram) {
		source->words[0] = read_once(ctx->msg_src_ip6[0]);
		source->words[1] = read_once(ctx->msg_src_ip6[1]);
		source->words[2] = read_once(ctx->msg_src_ip6[2]);
		source->words[3] = read_once(ctx->msg_src_ip6[3]);
	} else {
		source->words[0] = read_once(ctx->sk->src_ip6[0]);
		source->words[1] = read_once(ctx->sk->src_ip6[1]);
		source->words[2] = read_once(ctx->sk->src_ip6[2]);
		source->words[3] = read_once(ctx->sk->src_ip6[3]);
	}
}

/* Reads both ends of a connected socket. IPv6 sockets hold the ends of an IPv4 connection mapped.
 */
static __always_inline void sock_ends_load(const struct sock *sk, struct ip_port *local,
					   struct ip_port *peer)
{
	const struct sock_common *common = &sk->__sk_common;

	*local = (struct ip_port){.port = bpf_htons(common->skc_num)};
	*peer = (struct ip_port){.port = common->skc_dport};
	if (common->skc_family == AF_INET) {
		local->address.words[2] = IPV4_MAPPED_WORD;
		local->address.words[3] = common->skc_rcv_saddr;
		peer->address.words[2] = IPV4_MAPPED_WORD;
		peer->address.words[3] = common->skc_daddr;
	} else {
		for (int i = 0; i < 4; i++) {
			local->address.words[i] = common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			peer->address.words[i] = common->skc_v6_daddr.in6_u.u6_addr32[i];
		}
	}
}

#endif
