// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Goes over all sockets of every network namespace that ever dialled a service, which is those that
 * socket_services holds, and writes a struct stale_socket for each that is stale. User space reads
 * them. Kernel 5.12 (bpf_get_socket_cookie in iterators).
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/inet_diag.h>

#include "abi.h"
#include "ip.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "stale-socket.h"
#include "stale.bpf.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Makes the struct known to the generator of codecs; libbpf loads no section of this name. */
struct stale_socket stale_socket SEC("records");

/* Fills in what names the socket to SOCK_DIAG. */
static __always_inline void name_socket(const struct sock *sk, __u64 cookie,
					struct inet_diag_req_v2 *request)
{
	struct ip_port local, peer;

	sock_ends_load(sk, &local, &peer);
	/* SOCK_DIAG finds IPv4 sockets by mapped addresses too. */
	request->sdiag_family = ADDRESS_FAMILY;
	request->sdiag_protocol = IPPROTO_UDP;
	request->idiag_states = 1 << SOCK_CONNECTED;
	__builtin_memcpy(request->id.idiag_src, &local.address, sizeof(local.address));
	request->id.idiag_sport = local.port;
	__builtin_memcpy(request->id.idiag_dst, &peer.address, sizeof(peer.address));
	request->id.idiag_dport = peer.port;
	request->id.idiag_if = sk->__sk_common.skc_bound_dev_if;
	request->id.idiag_cookie[0] = cookie;
	request->id.idiag_cookie[1] = cookie >> 32;
}

SEC("iter/bpf_sk_storage_map")
int find_stale(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct socket_service *value = ctx->value;
	struct stale_socket found = {};
	struct sock *sk = ctx->sk;
	struct socket_service kept;

	if (!sk || !value)
		return 0;
	kept = *value;
	if (!socket_stale(sk, &kept))
		return 0;
	found.cookie = bpf_get_socket_cookie(sk);
	found.netns_inode = sk->__sk_common.skc_net.net->ns.inum;
	name_socket(sk, found.cookie, (struct inet_diag_req_v2 *)found.request);
	/* What does not fit is written by the next read(): the kernel comes back to the socket. */
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}
