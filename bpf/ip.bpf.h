/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only BPF file that knows IPv4 from IPv6. `family` is a constant in every caller, so each
 * entry point is compiled for its own family.
 */
#ifndef IP_BPF_H
#define IP_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum ip_family {
	FAMILY_IPV4,
	FAMILY_IPV6,
};

#define IPV4_MAPPED_WORD bpf_htonl(0xffff)

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

#endif
