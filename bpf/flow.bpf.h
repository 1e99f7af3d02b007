/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow table: how long entries live, and how each of the two keeps the other. Family-free. */
#ifndef FLOW_BPF_H
#define FLOW_BPF_H

#include <linux/bpf.h>
#include <linux/in.h>

#include "abi.h"
#include "count.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "service.bpf.h"
#include <bpf/bpf_helpers.h>

/* The bits of the place among the flags. */
#define FLOW_PLACE (~0u << FLOW_PLACE_SHIFT)

/* What both entries of a flow have in common. */
#define FLOW_SHARED                                                                                \
	(FLOW_MASQUERADED | FLOW_CONFIRMED | FLOW_REQUEST_FIN | FLOW_REPLY_FIN | FLOW_RESET |      \
	 FLOW_REPLY_FIN_FIRST | FLOW_ANSWERED | FLOW_IN_HALVES | FLOW_FORGOTTEN | FLOW_PLACE)

/* Of TCP: the connection has ended, or is about to. */
#define FLOW_ENDING (FLOW_REQUEST_FIN | FLOW_REPLY_FIN | FLOW_RESET)

static __always_inline __u32 flow_timeout(__u32 protocol, __u32 flags)
{
	__u32 both = FLOW_REQUEST_FIN | FLOW_REPLY_FIN;

	switch (protocol) {
	case IPPROTO_TCP:
		if (flags & FLOW_RESET)
			return FLOW_TIMEOUT_TCP_RESET;
		if ((flags & both) == both)
			return flags & FLOW_REPLY_FIN_FIRST ? FLOW_TIMEOUT_TCP_TIME_WAIT
							    : FLOW_TIMEOUT_TCP_CLOSED;
		if (flags & both)
			return FLOW_TIMEOUT_TCP_CLOSING;
		return flags & FLOW_CONFIRMED ? FLOW_TIMEOUT_TCP_ESTABLISHED
					      : FLOW_TIMEOUT_TCP_OPENING;
	case IPPROTO_UDP:
		return flags & FLOW_CONFIRMED ? FLOW_TIMEOUT_UDP_STREAM : FLOW_TIMEOUT_UDP_SINGLE;
	default:
		return flags & FLOW_CONFIRMED ? FLOW_TIMEOUT_SCTP_ESTABLISHED
					      : FLOW_TIMEOUT_SCTP_OPENING;
	}
}

/*
 * How long ago it was `then_ns`. Less than 0 of what another CPU has noted since this one read the
 * clock, which is up to a tick ago.
 */
static __always_inline __s64 flow_since(__u64 now_ns, __u64 then_ns)
{
	return (__s64)(now_ns - then_ns);
}

static __always_inline int flow_is_over(const struct flow_value *flow, __u32 protocol, __u64 now_ns)
{
	__s64 timeout_ns = (__s64)flow_timeout(protocol, flow->flags) * NS_PER_SECOND;

	return flow_since(now_ns, flow->last_used_ns) > timeout_ns;
}

/* The key of the other entry. */
static __always_inline struct flow_key flow_other_key(const struct flow_key *key,
						      const struct flow_value *flow)
{
	return (struct flow_key){
		.source = flow->destination,
		.destination = flow->source,
		.protocol = key->protocol,
	};
}

/* The other entry, all of it. */
static __always_inline struct flow_value
flow_other_value(const struct flow_key *key, const struct flow_value *flow, __u64 now_ns)
{
	__u32 flags = flow->flags & FLOW_SHARED;

	if (!(flow->flags & FLOW_REQUEST))
		flags |= FLOW_REQUEST;
	else if (!(flags & FLOW_MASQUERADED))
		flags |= FLOW_AT_EGRESS;
	return (struct flow_value){
		.last_used_ns = now_ns,
		.checked_ns = now_ns,
		.source = key->destination,
		.destination = key->source,
		.service_port_id = flow->service_port_id,
		.flags = flags,
	};
}

/* Whether `other` is what `key` and `flow` have as the other entry. */
static __always_inline int flow_is_other(const struct flow_value *other, const struct flow_key *key)
{
	return ip_port_equal(&other->source, &key->destination) &&
	       ip_port_equal(&other->destination, &key->source);
}

/* Of TCP: whether both ends have closed it, or one has reset it. */
static __always_inline int flow_has_ended(const struct flow_value *flow)
{
	__u32 both = FLOW_REQUEST_FIN | FLOW_REPLY_FIN;

	return (flow->flags & FLOW_RESET) || (flow->flags & both) == both;
}

/*
 * Whether the flow stays for as long as it lasts, however many begin: of TCP what the client has
 * confirmed, which an end that is none undoes by a reset. Of other protocols whoever sends packets
 * can make believe that a client goes on.
 */
static __always_inline int flow_is_assured(const struct flow_value *flow, __u32 protocol)
{
	return protocol == IPPROTO_TCP && (flow->flags & FLOW_CONFIRMED) && !flow_has_ended(flow);
}

/* Whether the flow has ended, and the backend keeps its ends from being used again. */
static __always_inline int flow_is_in_time_wait(const struct flow_value *flow)
{
	return (flow->flags & (FLOW_ENDING | FLOW_REPLY_FIN_FIRST)) ==
	       (FLOW_REQUEST_FIN | FLOW_REPLY_FIN | FLOW_REPLY_FIN_FIRST);
}

/*
 * Takes the other entry away when it is of this flow. That of replies stays while the backend has
 * the connection in TIME_WAIT, so that no other flow gets its port.
 */
static __always_inline void flow_forget_other(const struct flow_key *key,
					      const struct flow_value *flow)
{
	struct flow_key other_key = flow_other_key(key, flow);
	const struct flow_value *other = bpf_map_lookup_elem(&flows, &other_key);

	if (other && flow_is_other(other, key) &&
	    !((flow->flags & FLOW_REQUEST) && flow_is_in_time_wait(flow)))
		bpf_map_delete_elem(&flows, &other_key);
}

/*
 * Takes the entry away. Before 6.2 a key must not lie behind an argument of a function that is
 * verified by itself.
 */
static __always_inline void flow_delete(const struct flow_key *key)
{
	struct flow_key copy = *key;

	bpf_map_delete_elem(&flows, &copy);
}

/* The client, with the port that the backend sees: what packets of a masqueraded flow come from
 * between the halves of its translation. */
static __always_inline struct ip_port flow_middle(const struct flow_key *key,
						  const struct flow_value *flow)
{
	struct ip_port middle = flow->flags & FLOW_REQUEST ? key->source : flow->destination;

	middle.port = flow->flags & FLOW_REQUEST ? flow->source.port : key->destination.port;
	return middle;
}

/* Takes the entries away that translate the second half. */
static __always_inline void flow_forget_halves(const struct flow_key *key,
					       const struct flow_value *flow)
{
	struct flow_key half = {
		.source = flow_middle(key, flow),
		.destination = flow->flags & FLOW_REQUEST ? flow->destination : key->source,
		.protocol = key->protocol,
	};
	struct ip_port backend = half.destination;

	bpf_map_delete_elem(&flows, &half);
	half.destination = half.source;
	half.source = backend;
	bpf_map_delete_elem(&flows, &half);
}

/* Takes all entries of the flow away. */
__noinline int flow_forget(const struct flow_key *key, const struct flow_value *flow)
{
	if (!key || !flow)
		return 0;
	flow_forget_other(key, flow);
	if (flow->flags & FLOW_IN_HALVES)
		flow_forget_halves(key, flow);
	flow_delete(key);
	return 0;
}

/* What a packet tells of its flow. */
static __always_inline __u32 flow_news(const struct packet *packet, const struct flow_value *flow)
{
	int is_request = flow->flags & FLOW_REQUEST;
	__u32 news = 0;

	if (!is_request)
		news = FLOW_ANSWERED;
	else if ((flow->flags & FLOW_ANSWERED) &&
		 (packet->tuple.protocol != IPPROTO_TCP ||
		  (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK))
		news = FLOW_CONFIRMED;
	if (packet->tcp_flags & TCP_RST)
		news |= FLOW_RESET;
	if ((packet->tcp_flags & TCP_FIN) && is_request)
		news |= FLOW_REQUEST_FIN;
	else if (packet->tcp_flags & TCP_FIN)
		news |= FLOW_REPLY_FIN |
			(flow->flags & (FLOW_REQUEST_FIN | FLOW_REPLY_FIN) ? 0
									   : FLOW_REPLY_FIN_FIRST);
	return news & ~flow->flags;
}

/*
 * Whether a reset of the flow was none: the backend goes on talking, so it has not believed what
 * anybody may send with the client's address (RFC 7857 2.2). The client, if it is gone, answers
 * with another one.
 */
static __always_inline int flow_is_revived(const struct packet *packet,
					   const struct flow_value *flow)
{
	return (flow->flags & FLOW_RESET) && !(flow->flags & FLOW_REQUEST) &&
	       !(packet->tcp_flags & (TCP_RST | TCP_SYN | TCP_FIN));
}

/*
 * Where members are forgotten only its answers say that a backend still serves: how long a SYN of
 * the client leaves it for one. Longer than a connection that goes on is silent on a SYN (Linux:
 * tcp_invalid_ratelimit, 500 ms) and FLOW_CHECK_NS; shorter than until the client asks again.
 */
#define ANSWER_NS (700ll * 1000 * 1000)

/* Whether the packet asks a backend whether it still is there: its last answer is none any more. */
static __always_inline int flow_is_asked_anew(const struct packet *packet,
					      const struct flow_value *flow, __u64 now_ns)
{
	return (flow->flags & FLOW_FORGOTTEN) && (flow->flags & FLOW_REQUEST) &&
	       is_opening(packet) && flow_since(now_ns, flow->checked_ns) >= ANSWER_NS;
}

/*
 * Notes that the packet uses `entry`, of which `flow` is a copy. The other entry hears of it when
 * there is something to tell, else every FLOW_CHECK_NS; when it is gone it is made again. Returns
 * whether the flow has to queue up, as one that was assured and has ended.
 */
__noinline int flow_use(const struct packet *packet, struct flow_value *entry,
			struct flow_value *flow, __u64 now_ns)
{
	__u32 news, gone = 0;

	if (!packet || !entry || !flow)
		return 0;
	news = flow_news(packet, flow);
	if (flow_is_revived(packet, flow))
		gone = FLOW_RESET;
	if (flow_is_asked_anew(packet, flow, now_ns))
		gone |= flow->flags & FLOW_ANSWERED;
	/* The clock has steps: most packets find it as the last one did, and write nothing. */
	if (flow->last_used_ns != now_ns)
		entry->last_used_ns = now_ns;
	if (!news && !gone && flow_since(now_ns, flow->checked_ns) < FLOW_CHECK_NS)
		return 0;
	flow->flags = (flow->flags | news) & ~gone;
	if (news)
		__sync_fetch_and_or(&entry->flags, news);
	if (gone)
		__sync_fetch_and_and(&entry->flags, ~gone);
	entry->checked_ns = now_ns;
	if (flow->flags & FLOW_FORWARDED) {
		return 0;
	} else {
		struct flow_key key = flow_other_key(&packet->tuple, flow);
		struct flow_value *other = bpf_map_lookup_elem(&flows, &key);

		if (other && !flow_is_other(other, &packet->tuple)) {
			/*
			 * The flow was over, and another one has its place at the backend. At the
			 * client it may: what a backend keeps in TIME_WAIT stays noted.
			 */
			if (flow->flags & FLOW_REQUEST) {
				flow_delete(&packet->tuple);
				return 0;
			}
		} else if (!other && !(flow->flags & FLOW_REQUEST) && flow_has_ended(flow)) {
			/* Perhaps the client has another one since. */
		} else if (other) {
			other->last_used_ns = now_ns;
			if (news)
				__sync_fetch_and_or(&other->flags, news);
			if (gone)
				__sync_fetch_and_and(&other->flags, ~gone);
		} else {
			struct flow_value value = flow_other_value(&packet->tuple, flow, now_ns);

			if (!bpf_map_update_elem(&flows, &key, &value, BPF_NOEXIST))
				count(PACKET_FLOW_RESTORED);
		}
	}
	return !(flow->flags & FLOW_PLACE) && !flow_is_assured(flow, packet->tuple.protocol);
}

/*
 * Whether there still is what the flow leads to. One that leads to no service has nobody to ask;
 * where members are forgotten, a backend that answers is taken for one that serves.
 */
static __always_inline int flow_backend_serves(const struct flow_value *flow, __u64 now_ns)
{
	if ((flow->flags & FLOW_FORGOTTEN) &&
	    ((flow->flags & FLOW_ANSWERED) ||
	     ((flow->flags & FLOW_CONFIRMED) && flow_since(now_ns, flow->checked_ns) < ANSWER_NS)))
		return 1;
	return flow->service_port_id == NO_SERVICE_PORT ||
	       backend_serves(flow->service_port_id, &flow->destination);
}

/*
 * Whether a packet of the client goes on with `flow`. Not when its time is over; nor a new
 * connection, when the old one is ending or its backend is gone; nor, for UDP, once its backend is
 * gone (semantics 1.15), which is looked up with the other entry.
 */
static __always_inline int flow_goes_on(const struct packet *packet, const struct flow_value *flow,
					__u64 now_ns)
{
	__u32 protocol = packet->tuple.protocol;

	if (flow_is_over(flow, protocol, now_ns))
		return 0;
	if (protocol == IPPROTO_TCP) {
		if (!is_opening(packet))
			return 1;
		return !(flow->flags & FLOW_ENDING) && flow_backend_serves(flow, now_ns);
	}
	if (protocol != IPPROTO_UDP || flow_since(now_ns, flow->checked_ns) < FLOW_CHECK_NS ||
	    flow_backend_serves(flow, now_ns))
		return 1;
	count(PACKET_FLOW_BACKEND_GONE);
	return 0;
}

#endif
