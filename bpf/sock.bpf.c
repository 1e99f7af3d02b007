// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The socket path: programs on the cgroup hooks of connect, sendmsg, recvmsg and getpeername. One
 * body per hook; the entry points at the end only say which family. Everything that is not a
 * frontend is left as it is, and so is everything when a table cannot be read: the datapath fails
 * open.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>

#include "abi.h"
#include "count.bpf.h"
#include "dial.bpf.h"
#include "ip.bpf.h"
#include "maps.bpf.h"
#include "service.bpf.h"
#include "source.bpf.h"
#include "udp.bpf.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Return values of a sock_addr program. */
#define REFUSE 0
#define PROCEED 1

/* Without a return value of its own a refused connect() says EPERM, which even in-kernel users
 * mistake. */
static __always_inline int refuse(void)
{
	bpf_set_retval(-ECONNREFUSED);
	return REFUSE;
}

/* What packets would meet as silence, a socket is told at once. */
static __always_inline int unreachable(void)
{
	bpf_set_retval(-EHOSTUNREACH);
	return REFUSE;
}

/* Turns a client away whom the frontend has nothing for. */
static __always_inline int turn_away(const struct frontend_value *frontend, int in_silence)
{
	count_socket(frontend->service_port_id, 0);
	return in_silence ? unreachable() : refuse();
}

/* NULL for a socket that never dialled a service, which is as cheap to find out as a look-up can
 * be. */
static __always_inline struct socket_service *socket_service_of(struct bpf_sock_addr *ctx)
{
	return bpf_sk_storage_get(&socket_services, ctx->sk, NULL, 0);
}

/* What a connected UDP socket has dialled. */
static __always_inline const struct socket_service *connected_service_of(struct bpf_sock_addr *ctx)
{
	return ctx->sk->state == SOCK_CONNECTED ? socket_service_of(ctx) : NULL;
}

/* What frontend_find() asks of the client. */
static __always_inline __u64 netns_for(struct bpf_sock_addr *ctx, const struct ip_address *dialled)
{
	return dials_loopback(dialled) ? bpf_get_netns_cookie(ctx) : 0;
}

/*
 * Who has affinity, if the frontend has. Clients on sockets are pods of this node, or the node
 * itself. One for each family: what IPv4 remembers is no backend for IPv6.
 */
static __always_inline struct affinity_key client_of(struct bpf_sock_addr *ctx,
						     const struct ip_address *dialled,
						     const struct frontend_value *frontend)
{
	struct affinity_key client = {};

	if (!frontend->affinity_timeout_seconds)
		return client;
	client.netns_cookie = bpf_get_netns_cookie(ctx);
	client.service_port_id = frontend->service_port_id;
	ip_unspecified_like(dialled, &client.source);
	return client;
}

/*
 * Before it sends echo requests, ping of iputils connects a UDP socket to this port, to hear from
 * the kernel where it will send from. A refusal would end it, and the packet path answers the
 * requests.
 */
#define PING_PROBE_PORT 1025

static __always_inline int is_route_probe(const struct bpf_sock_addr *ctx,
					  const struct frontend_value *frontend,
					  const struct ip_port *service)
{
	return frontend->kind == FRONTEND_OTHER_PORTS && ctx->protocol == IPPROTO_UDP &&
	       service->port == bpf_htons(PING_PROBE_PORT);
}

/*
 * connect() to `peer`, which is no service: from then on it is shown as it is. What is kept of
 * another peer does no harm, and is still true when this connect() fails.
 */
static __always_inline int connect_past(struct bpf_sock_addr *ctx, const struct ip_port *peer)
{
	struct socket_service *kept = socket_service_of(ctx);

	if (ctx->protocol == IPPROTO_TCP) {
		struct dial *dial = dial_of(ctx, cookie_known(ctx));

		if (dial && ip_port_equal(&dial->backend, peer))
			dial->backend.port = 0;
	} else if (ctx->protocol == IPPROTO_UDP) {
		udp_forget_service(ctx, peer);
	}
	if (kept && ip_port_equal(&kept->backend, peer))
		*kept = (struct socket_service){};
	return PROCEED;
}

static __always_inline int on_connect(struct bpf_sock_addr *ctx, const enum ip_family family)
{
	struct socket_service connection = {}, *kept;
	struct frontend_value frontend;
	struct affinity_key client;
	struct route route;

	sock_addr_load(ctx, family, &connection.service);
	switch (frontend_find(&connection.service, ctx->protocol,
			      netns_for(ctx, &connection.service.address), &frontend)) {
	case FOUND_FRONTEND:
		break;
	case FOUND_UNALLOCATED:
		return unreachable();
	default:
		return connect_past(ctx, &connection.service);
	}
	if ((frontend.flags & FRONTEND_RESTRICTED) &&
	    !client_allowed(ctx, family, 0, &connection.service.address, frontend.service_port_id))
		return turn_away(&frontend, 1);
	route = route_inside(&frontend);
	if (!route.run.count) {
		if (is_route_probe(ctx, &frontend, &connection.service))
			return PROCEED;
		return turn_away(&frontend, route.drops);
	}
	client = client_of(ctx, &connection.service.address, &frontend);
	if (backend_for_client(&frontend, &route, &client, bpf_get_prandom_u32(),
			       &connection.backend))
		return PROCEED;
	count_socket(frontend.service_port_id, 1);
	sock_addr_store(ctx, family, &connection.backend);
	if (ctx->protocol == IPPROTO_TCP) {
		__u64 cookie = bpf_get_socket_cookie(ctx);
		struct dial *dial =
			dial_note(ctx, cookie, 1, &connection.service, &connection.backend);

		if (dial) {
			dial_noted(dial, cookie);
			return PROCEED;
		}
	}
	connection.service_port_id = frontend.service_port_id;
	kept = bpf_sk_storage_get(&socket_services, ctx->sk, &connection,
				  BPF_SK_STORAGE_GET_F_CREATE);
	/* The call above does not overwrite what the socket had already. */
	if (kept)
		*kept = connection;
	return PROCEED;
}

/* Runs for UDP datagrams that name their destination, on connected sockets too. */
static __always_inline int on_sendmsg(struct bpf_sock_addr *ctx, const enum ip_family family)
{
	const struct socket_service *kept = connected_service_of(ctx);
	struct ip_port service, backend;
	struct frontend_value frontend;
	struct affinity_key client;
	struct route route;

	sock_addr_load(ctx, family, &service);
	if (node_has(NODE_DRAINING)) {
		if (kept && ip_port_equal(&kept->service, &service))
			sock_addr_store(ctx, family, &kept->backend);
		else if (!node_has(NODE_HANDED_OVER) && !udp_backend_kept(ctx, &service, &backend))
			sock_addr_store(ctx, family, &backend);
		return PROCEED;
	}
	switch (frontend_find(&service, IPPROTO_UDP, netns_for(ctx, &service.address), &frontend)) {
	case FOUND_FRONTEND:
		break;
	case FOUND_UNALLOCATED:
		return unreachable();
	default:
		udp_forget_service(ctx, &service);
		return PROCEED;
	}
	if ((frontend.flags & FRONTEND_RESTRICTED) &&
	    !client_allowed(ctx, family, 1, &service.address, frontend.service_port_id))
		return turn_away(&frontend, 1);
	route = route_inside(&frontend);
	if (!route.run.count)
		return turn_away(&frontend, route.drops);
	if (kept && ip_port_equal(&kept->service, &service) &&
	    backend_serves(frontend.service_port_id, &kept->backend)) {
		/* The kernel lets a connected socket hear no other, also while this one drains. */
		backend = kept->backend;
	} else {
		client = client_of(ctx, &service.address, &frontend);
		if (udp_backend_for(ctx, &service, &frontend, &route, &client, &backend))
			return PROCEED;
	}
	sock_addr_store(ctx, family, &backend);
	return PROCEED;
}

/* Runs for received UDP datagrams whose source is asked for, on connected sockets too. */
static __always_inline int on_recvmsg(struct bpf_sock_addr *ctx, const enum ip_family family)
{
	const struct socket_service *kept = connected_service_of(ctx);
	const struct ip_port *service;
	struct ip_port source;

	sock_addr_load(ctx, family, &source);
	if (kept && ip_port_equal(&kept->backend, &source))
		service = &kept->service;
	else
		service = udp_service_of(ctx, &source);
	if (service)
		sock_addr_store(ctx, family, service);
	return PROCEED;
}

static __always_inline int on_getpeername(struct bpf_sock_addr *ctx, const enum ip_family family)
{
	const struct socket_service *kept = socket_service_of(ctx);
	struct ip_port peer;

	sock_addr_load(ctx, family, &peer);
	if (ctx->protocol == IPPROTO_TCP) {
		const struct dial *dial = dial_of(ctx, cookie_known(ctx));

		if (dial && ip_port_equal(&dial->backend, &peer)) {
			sock_addr_store(ctx, family, &dial->service);
			return PROCEED;
		}
	}
	if (kept && ip_port_equal(&kept->backend, &peer))
		sock_addr_store(ctx, family, &kept->service);
	return PROCEED;
}

/*
 * An IPv4-mapped destination on an IPv6 socket runs connect6 for connect(), but sendmsg4 and then
 * recvmsg6 for sendto() and its answer (observed 6.1 ... 6.18): tables that hold one form of an
 * address for both families make that no case of its own.
 */

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return on_connect(ctx, FAMILY_IPV4);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	return on_connect(ctx, FAMILY_IPV6);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return on_sendmsg(ctx, FAMILY_IPV4);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	return on_sendmsg(ctx, FAMILY_IPV6);
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx)
{
	return on_recvmsg(ctx, FAMILY_IPV4);
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx)
{
	return on_recvmsg(ctx, FAMILY_IPV6);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	return on_getpeername(ctx, FAMILY_IPV4);
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	return on_getpeername(ctx, FAMILY_IPV6);
}
