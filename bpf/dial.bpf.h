/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a TCP socket has dialled. Socket storage takes two allocations, which cost more than the
 * rest of the program; a TCP socket does without while its place in `tcp_dials` is to be had.
 * Invariant: a place is taken only from a socket that is gone. Family-free.
 */
#ifndef DIAL_BPF_H
#define DIAL_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* Where the socket lies in the kernel's memory. */
static __always_inline __u64 socket_address(const struct bpf_sock_addr *ctx)
{
	const struct bpf_sock *opaque = ctx->sk;
	__u64 address = 0;

	/* The verifier lets nobody calculate with a socket's pointer; read back it is a number. */
	bpf_probe_read_kernel(&address, sizeof(address), &opaque);
	return address;
}

/* The cookie of the socket at `address`; 0 when nobody has asked for one yet. */
static __always_inline __u64 cookie_at(__u64 address)
{
	const struct sock *sk = (const struct sock *)address;

	return BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

/* A socket that has been freed keeps its cookie, and no references, until its memory is used
 * again. */
static __always_inline int socket_is_gone(__u64 address, __u64 cookie)
{
	const struct sock *sk = (const struct sock *)address;

	return cookie_at(address) != cookie ||
	       !BPF_CORE_READ(sk, __sk_common.skc_refcnt.refs.counter);
}

/* Addresses of sockets differ somewhere in the middle, by which all upper bits of the product do.
 */
static __always_inline struct tcp_dial *dial_at(__u64 address)
{
	__u32 place = address * 0x9e3779b97f4a7c15 >> (64 - TCP_DIALS_BITS);

	return bpf_map_lookup_elem(&tcp_dials, &place);
}

/* NULL when the TCP socket has none. */
static __always_inline struct tcp_dial *dial_of(const struct bpf_sock_addr *ctx)
{
	__u64 address = socket_address(ctx), cookie = cookie_at(address);
	struct tcp_dial *dial;

	if (!cookie)
		return NULL;
	dial = dial_at(address);
	return dial && dial->cookie == cookie ? dial : NULL;
}

/*
 * Notes what the TCP socket dials, while the kernel holds its lock. Returns 0, or -1 when its place
 * is another's.
 */
static __always_inline int dial_note(struct bpf_sock_addr *ctx, const struct ip_port *service,
				     const struct ip_port *backend)
{
	__u64 address = socket_address(ctx), cookie = bpf_get_socket_cookie(ctx), owner;
	struct tcp_dial *dial = dial_at(address);

	if (!dial)
		return -1;
	owner = dial->cookie;
	if (owner != cookie) {
		__u64 other = dial->socket;

		/* Where this socket lies, no other is. */
		if (owner == DIAL_BEING_TAKEN ||
		    (owner && other != address && !socket_is_gone(other, owner)))
			return -1;
		/* Cookies are never given twice: had it changed hands meanwhile, this would fail.
		 */
		if (__sync_val_compare_and_swap(&dial->cookie, owner, DIAL_BEING_TAKEN) != owner)
			return -1;
		/* It was judged by what another CPU had not yet overwritten. */
		if (dial->socket != other) {
			__sync_lock_test_and_set(&dial->cookie, owner);
			return -1;
		}
		dial->socket = address;
	}
	dial->service = *service;
	dial->backend = *backend;
	if (owner != cookie)
		__sync_lock_test_and_set(&dial->cookie, cookie);
	return 0;
}

#endif
