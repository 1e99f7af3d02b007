/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a socket has dialled, at its place among `dials`. Socket storage takes two allocations and
 * an LRU's entry a lock, which cost more than the rest of the programs. Invariants: a place is
 * taken only from a socket that is gone; while it is a UDP socket's, of which several threads may
 * send at once, its addresses stay as they are, but for the backend's port. Family-free.
 */
#ifndef DIAL_BPF_H
#define DIAL_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* Where the program's own socket lies in the kernel's memory. */
static __always_inline __u64 socket_address(const struct bpf_sock_addr *ctx)
{
	const struct bpf_sock *opaque = ctx->sk;
	__u64 address = 0;

	/* The verifier lets nobody calculate with a socket's pointer: it is read as a number from
	 * where the context begins, or from here. */
	if (bpf_rdonly_cast)
		return kernel_view(ctx, struct timespec64)->tv_sec;
	bpf_probe_read_kernel(&address, sizeof(address), &opaque);
	return address;
}

/*
 * The cookie of the program's own socket; 0 when nobody has asked for it yet, as no program did of
 * one that is not among `dials`.
 */
static __always_inline __u64 cookie_known(const struct bpf_sock_addr *ctx)
{
	if (bpf_rdonly_cast)
		return kernel_view(ctx->sk, struct sock)->__sk_common.skc_cookie.counter;
	return BPF_CORE_READ((const struct sock *)socket_address(ctx),
			     __sk_common.skc_cookie.counter);
}

/* A socket that has been freed keeps its cookie, and no references, until its memory is used
 * again. */
static __always_inline int socket_is_gone(__u64 address, __u64 cookie)
{
	const struct sock *sk = (const struct sock *)address;

	if (bpf_rdonly_cast) {
		sk = kernel_view(sk, struct sock);
		return sk->__sk_common.skc_cookie.counter != (long long)cookie ||
		       !sk->__sk_common.skc_refcnt.refs.counter;
	}
	return BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) != (long long)cookie ||
	       !BPF_CORE_READ(sk, __sk_common.skc_refcnt.refs.counter);
}

/* Addresses of sockets differ somewhere in the middle, by which all upper bits of the product do.
 */
static __always_inline struct dial *dial_at(__u64 address)
{
	const struct bpf_map *map = (const struct bpf_map *)&dials;
	__u32 place = (address * 0x9e3779b97f4a7c15 >> 32) * map->max_entries >> 32;

	return bpf_map_lookup_elem(&dials, &place);
}

/* What the program's own socket has there, NULL when nothing. `cookie` as it is known. */
static __always_inline struct dial *dial_of(const struct bpf_sock_addr *ctx, __u64 cookie)
{
	struct dial *dial;

	if (!cookie)
		return NULL;
	dial = dial_at(socket_address(ctx));
	return dial && dial->cookie == cookie ? dial : NULL;
}

/*
 * Notes what the program's own socket dials, in place of what it has there already when `again`: of
 * TCP, whose lock the kernel holds meanwhile. Returns the place, for what is of UDP alone and what
 * dial_noted() then makes known, or NULL when it is in use.
 */
static __always_inline struct dial *dial_note(const struct bpf_sock_addr *ctx, __u64 cookie,
					      int again, const struct ip_port *service,
					      const struct ip_port *backend)
{
	__u64 address = socket_address(ctx), owner, other;
	struct dial *dial = dial_at(address);

	if (!dial)
		return NULL;
	owner = dial->cookie;
	other = dial->socket;
	if (owner == DIAL_BEING_TAKEN || (owner == cookie && !again))
		return NULL;
	/* Where this socket lies, no other is. */
	if (owner && other != address && !socket_is_gone(other, owner))
		return NULL;
	/* Cookies are never given twice: had it changed hands meanwhile, this would fail. */
	if (__sync_val_compare_and_swap(&dial->cookie, owner, DIAL_BEING_TAKEN) != owner)
		return NULL;
	/* It was judged by what another CPU had not yet overwritten. */
	if (dial->socket != other) {
		__sync_lock_test_and_set(&dial->cookie, owner);
		return NULL;
	}
	dial->socket = address;
	dial->service = *service;
	dial->backend = *backend;
	return dial;
}

static __always_inline void dial_noted(struct dial *dial, __u64 cookie)
{
	__sync_lock_test_and_set(&dial->cookie, cookie);
}

#endif
