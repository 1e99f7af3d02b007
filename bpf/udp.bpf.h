/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unconnected UDP: one socket, a destination with each datagram. A socket keeps its backend while
 * that backend is eligible and the pair is not idle (QUIC, DTLS and TFTP break otherwise), and
 * hears its answers from the service address. Most sockets use one service: it is among `dials`.
 * What others they use is in LRUs. Family-free.
 */
#ifndef UDP_BPF_H
#define UDP_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include "count.bpf.h"
#include "dial.bpf.h"
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

/* What udp_backends holds, unless it is not to be had: then the next datagram may choose anew. */
static __always_inline void udp_remember_backend(const struct udp_peer_key *key,
						 __u32 service_port_id,
						 const struct ip_port *backend)
{
	struct udp_backend kept = {
		.last_used_ns = bpf_ktime_get_ns(),
		.backend = *backend,
		.service_port_id = service_port_id,
	};

	bpf_map_update_elem(&udp_backends, key, &kept, BPF_ANY);
}

/* After the socket itself dialled `peer`, which is no service: from then on it is shown as it is.
 */
static __always_inline void udp_forget_service(const struct bpf_sock_addr *ctx,
					       const struct ip_port *peer)
{
	struct udp_peer_key key = {.socket_cookie = cookie_known(ctx)};
	struct dial *dial = dial_of(ctx, key.socket_cookie);

	if (!key.socket_cookie)
		return;
	if (dial && ip_port_equal(&dial->backend, peer)) {
		__u32 service_port_id = dial->service_port_id;

		/* What is sent to the service goes there none the less. */
		if (service_port_id) {
			key.peer = dial->service;
			udp_remember_backend(&key, service_port_id, peer);
			dial->has_others = 1;
			dial->service_port_id = NO_SERVICE_PORT;
		}
		dial->backend.port = 0;
	}
	key.peer = *peer;
	/* Nearly never there, and looking takes no lock. */
	if (bpf_map_lookup_elem(&udp_services, &key))
		bpf_map_delete_elem(&udp_services, &key);
}

/* Of CLOCK_MONOTONIC_COARSE, as in struct dial. */
static __always_inline __u16 dial_time(void)
{
	return bpf_ktime_get_coarse_ns() >> DIAL_TIME_SHIFT;
}

/*
 * Whether `dial`, which may be NULL, says where datagrams to `service` go: copied to `backend`.
 * Returns the id of the service port, or NO_SERVICE_PORT.
 */
static __always_inline __u32 udp_dialled(const struct dial *dial, const struct ip_port *service,
					 __u16 now, struct ip_port *backend)
{
	__u32 service_port_id;

	if (!dial || !ip_port_equal(&dial->service, service))
		return NO_SERVICE_PORT;
	service_port_id = dial->service_port_id;
	*backend = dial->backend;
	/* Another CPU may have used it since this one read the clock. */
	if (!backend->port ||
	    (__u16)(now - dial->last_used + 1) > (UDP_IDLE_NS >> DIAL_TIME_SHIFT) + 1)
		return NO_SERVICE_PORT;
	return service_port_id;
}

/*
 * The backend for a datagram that the socket sends to `service`, copied to `backend`. Returns 0, or
 * -1 when there is none to be had.
 */
static __always_inline int udp_backend_for(struct bpf_sock_addr *ctx, const struct ip_port *service,
					   const struct frontend_value *frontend,
					   const struct route *route,
					   const struct affinity_key *client,
					   struct ip_port *backend)
{
	__u64 known_cookie = cookie_known(ctx), now_ns = 0;
	struct udp_peer_key key = {.socket_cookie = known_cookie, .peer = *service};
	struct dial *dial = dial_of(ctx, known_cookie), *noted;
	struct udp_backend *kept = NULL, known = {};
	__u16 now = dial_time();

	if (dial && ip_port_equal(&dial->service, service)) {
		if (udp_dialled(dial, service, now, backend) == frontend->service_port_id &&
		    backend_eligible(frontend->service_port_id, route->list, backend)) {
			dial->last_used = now;
			if (dial->has_others)
				udp_remember_service(known_cookie, backend, service);
			return 0;
		}
		dial->service_port_id = NO_SERVICE_PORT;
	}
	if (known_cookie)
		kept = bpf_map_lookup_elem(&udp_backends, &key);
	else
		key.socket_cookie = bpf_get_socket_cookie(ctx);
	/* Judged as copied: the entry may become another socket's meanwhile. */
	if (kept) {
		known = *kept;
		now_ns = bpf_ktime_get_ns();
	}
	if (kept && udp_backend_usable(&known, now_ns, frontend->service_port_id, route->list)) {
		kept->last_used_ns = now_ns;
		*backend = known.backend;
	} else {
		if (backend_for_client(frontend, route, client, bpf_get_prandom_u32(), backend))
			return -1;
		count_socket(frontend->service_port_id, 1);
		if (!dial && (noted = dial_note(ctx, key.socket_cookie, 0, service, backend))) {
			noted->service_port_id = frontend->service_port_id;
			noted->last_used = now;
			noted->has_others = known_cookie != 0;
			dial_noted(noted, key.socket_cookie);
			if (!known_cookie)
				return 0;
			/* What it has used before may have been the same backend. */
		} else {
			/* Another thread may have been faster. */
			dial = dial ?: dial_of(ctx, key.socket_cookie);
			if (dial)
				dial->has_others = 1;
			udp_remember_backend(&key, frontend->service_port_id, backend);
		}
	}
	udp_remember_service(key.socket_cookie, backend, service);
	return 0;
}

/*
 * What a datagram to `service` goes on with while nothing new is served: copied to `backend`.
 * Returns 0, or -1 when there is nothing.
 */
static __always_inline int udp_backend_kept(const struct bpf_sock_addr *ctx,
					    const struct ip_port *service, struct ip_port *backend)
{
	struct udp_peer_key key = {.socket_cookie = cookie_known(ctx), .peer = *service};
	struct dial *dial = dial_of(ctx, key.socket_cookie);
	struct udp_backend *kept, known;
	__u16 now = dial_time();
	__u32 service_port_id = udp_dialled(dial, service, now, backend);
	__u64 now_ns;

	if (service_port_id) {
		if (!backend_serves(service_port_id, backend))
			return -1;
		dial->last_used = now;
		if (dial->has_others)
			udp_remember_service(key.socket_cookie, backend, service);
		return 0;
	}
	kept = bpf_map_lookup_elem(&udp_backends, &key);
	if (!kept)
		return -1;
	known = *kept;
	now_ns = bpf_ktime_get_ns();
	if ((__s64)(now_ns - known.last_used_ns) >= (__s64)UDP_IDLE_NS ||
	    !backend_serves(known.service_port_id, &known.backend))
		return -1;
	kept->last_used_ns = now_ns;
	*backend = known.backend;
	udp_remember_service(key.socket_cookie, backend, service);
	return 0;
}

/* The service address that a datagram from `source` must be shown as; NULL to leave it as it is. */
static __always_inline const struct ip_port *udp_service_of(const struct bpf_sock_addr *ctx,
							    const struct ip_port *source)
{
	struct udp_peer_key key = {.socket_cookie = cookie_known(ctx), .peer = *source};
	const struct ip_port *service;
	const struct dial *dial;

	if (!key.socket_cookie)
		return NULL;
	dial = dial_of(ctx, key.socket_cookie);
	if (!dial || dial->has_others) {
		service = bpf_map_lookup_elem(&udp_services, &key);
		if (service)
			return service;
	}
	return dial && ip_port_equal(&dial->backend, source) ? &dial->service : NULL;
}

#endif
