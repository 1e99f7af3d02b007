/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which sockets are stale: connected UDP sockets whose backend is gone. No hook runs when such a
 * socket sends, so that it would go on talking to nobody, or to whoever has the address by now.
 * Family-free.
 */
#ifndef STALE_BPF_H
#define STALE_BPF_H

#include <linux/bpf.h>
#include <linux/in.h>

#include "abi.h"
#include "ip.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "service.bpf.h"
#include <bpf/bpf_helpers.h>

/*
 * A single look-up may miss an entry that is being replaced (see frontend_read()), and here a miss
 * destroys.
 */
#define MEMBER_READINGS 3

static __always_inline int backend_gone(const struct socket_service *kept)
{
	struct member_key key = {
		.service_port_id = kept->service_port_id,
		.backend = kept->backend,
	};

	for (int reading = 1; reading <= MEMBER_READINGS; reading++)
		if (bpf_map_lookup_elem(&members, &key))
			return 0;
	return 1;
}

/*
 * Whether a socket of which `kept` is kept is to be destroyed. Only one that is still connected to
 * that backend: a socket keeps what it had of a service after it has connected elsewhere, and while
 * a connect() to the next service is under way.
 */
static __always_inline int socket_stale(const struct sock *sk, const struct socket_service *kept)
{
	struct ip_port local, peer;

	if (sk->sk_protocol != IPPROTO_UDP || sk->__sk_common.skc_state != SOCK_CONNECTED ||
	    kept->service_port_id == NO_SERVICE_PORT)
		return 0;
	sock_ends_load(sk, &local, &peer);
	return ip_port_equal(&kept->backend, &peer) && backend_gone(kept);
}

#endif
