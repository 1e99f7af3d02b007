// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Goes over the UDP sockets of one network namespace and destroys those that are stale. Its own
 * object, because where the kernel lacks bpf_sock_destroy (before 6.5) it refuses all of it.
 */
#include <linux/bpf.h>

#include "abi.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "stale.bpf.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Wakes whoever waits on the socket, with ECONNABORTED, and disconnects it. */
extern int bpf_sock_destroy(struct sock_common *sock) __ksym;

/* The kernel holds the socket's lock meanwhile: no connect() comes between judging and acting. */
SEC("iter/udp")
int destroy_stale(struct bpf_iter__udp *ctx)
{
	struct sock *sk = (struct sock *)ctx->udp_sk;
	const struct socket_service *kept;

	if (!sk)
		return 0;
	kept = bpf_sk_storage_get(&socket_services, sk, NULL, 0);
	if (kept && socket_stale(sk, kept))
		bpf_sock_destroy((struct sock_common *)sk);
	return 0;
}
