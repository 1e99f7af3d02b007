/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unconnected UDP: one socket, a destination with each datagram. A socket keeps its backend while
 * that backend is eligible and the pair is not idle (QUIC, DTLS and TFTP break otherwise), and
 * hears its answers from the service address. Family-free.
 */
#ifndef UDP_BPF_H
#define UDP_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include "count.bpf.h"
#include "ip.bpf.h"
#include "maps.bpf.h"
#include "service.bpf.h"
#include <bpf/bpf_helpers.h>

/* What conntrack grants a UDP stream that is answered (nf_conntrack_udp_timeout_stream). */
#define UDP_IDLE_NS (120ULL * 1000 * 1000 * 1000)

static __always_inline int udp_backend_usable(const struct udp_backend *kept, __u64 now_ns,
					      __u32 service_port_id, enum member_flags list)
{
	/* Another CPU may have used it since this one read the clock. */
	return kept->service_port_id == service_port_id &&
	       (__s64)(now_ns - kept->last_used_ns) < (__s64)UDP_IDLE_NS &&
	       backend_eligible(service_port_id, list, &kept->backend);
}

/*
 * Makes answers of `backend` be heard from `service`. Looked up before it is written: the look-up
 * also tells the LRU that the entry is in use. Two services with one backend, dialled from one
 * socket: the later dialled one is shown for both.
 */
static __always_inline void udp_remember_service(__u64 socket_cookie, const struct ip_port *backend,
						 const struct ip_port *service)
{
	struct udp_peer_key key = {.socket_cookie = socket_cookie, .peer = *backend};
	const struct ip_port *known = bpf_map_lookup_elem(&udp_services, &key);

	if (!known || !ip_port_equal(known, service))
		bpf_map_update_elem(&udp_services, &key, service, BPF_ANY);
}

/* After the socket itself dialled `peer`, which is no service: from then on it is shown as it is.
 */
static __always_inline void udp_forget_service(__u64 socket_cookie, const struct ip_port *peer)
{
	struct udp_peer_key key = {.socket_cookie = socket_cookie, .peer = *peer};

	/* Nearly never there, and looking takes no lock. */
	if (bpf_map_lookup_elem(&udp_services, &key))
		bpf_map_delete_elem(&udp_services, &key);
}

/*
 * The backend for a datagram that `socket_cookie` sends to `service`, copied to `backend`.
 * Returns 0, or -1 when there is none to be had.
 */
static __always_inline int udp_backend_for(__u64 socket_cookie, const struct ip_port *service,
					   const struct frontend_value *frontend,
					   const struct route *route,
					   const struct affinity_key *client,
					   struct ip_port *backend)
{
	struct udp_peer_key key = {.socket_cookie = socket_cookie, .peer = *service};
	struct udp_backend *kept = bpf_map_lookup_elem(&udp_backends, &key), known = {};
	__u64 now_ns = bpf_ktime_get_ns();

	/* Judged as copied: the entry may become another socket's meanwhile. */
	if (kept)
		known = *kept;
	if (kept && udp_backend_usable(&known, now_ns, frontend->service_port_id, route->list)) {
		kept->last_used_ns = now_ns;
		*backend = known.backend;
	} else {
		struct udp_backend chosen = {
			.last_used_ns = now_ns,
			.service_port_id = frontend->service_port_id,
		};

		if (backend_for_client(frontend, route, client, bpf_get_prandom_u32(), backend))
			return -1;
		count_socket(frontend->service_port_id, 1);
		chosen.backend = *backend;
		bpf_map_update_elem(&udp_backends, &key, &chosen, BPF_ANY);
	}
	udp_remember_service(socket_cookie, backend, service);
	return 0;
}

/*
 * What a datagram to `service` goes on with while nothing new is served: copied to `backend`.
 * Returns 0, or -1 when there is nothing.
 */
static __always_inline int udp_backend_kept(__u64 socket_cookie, const struct ip_port *service,
					    struct ip_port *backend)
{
	struct udp_peer_key key = {.socket_cookie = socket_cookie, .peer = *service};
	struct udp_backend *kept = bpf_map_lookup_elem(&udp_backends, &key), known;
	__u64 now_ns = bpf_ktime_get_ns();

	if (!kept)
		return -1;
	known = *kept;
	if ((__s64)(now_ns - known.last_used_ns) >= (__s64)UDP_IDLE_NS ||
	    !backend_serves(known.service_port_id, &known.backend))
		return -1;
	kept->last_used_ns = now_ns;
	*backend = known.backend;
	udp_remember_service(socket_cookie, backend, service);
	return 0;
}

/* The service address that a datagram from `source` must be shown as; NULL to leave it as it is. */
static __always_inline const struct ip_port *udp_service_of(__u64 socket_cookie,
							    const struct ip_port *source)
{
	struct udp_peer_key key = {.socket_cookie = socket_cookie, .peer = *source};

	return bpf_map_lookup_elem(&udp_services, &key);
}

#endif
