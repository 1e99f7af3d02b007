/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything that user space may see: the keys and values of the pinned tables. A change here is an
 * upgrade question. The TypeScript codecs are generated from this file's BTF (npm run generate),
 * and a table whose layout changes gets a new pin name by itself, through the hash of its layout.
 *
 * Byte order is in the types: __be16 and __be32 are network order, all else is the host's.
 * Members named `pad` are always zero, in keys because they are part of what is hashed.
 */
#ifndef ABI_H
#define ABI_H

#include <linux/types.h>

/* An address of either family; IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). */
struct ip_address {
	__be32 words[4];
};

/* Where a socket connects to or hears from. Example: ::ffff:10.244.1.7, 8080. */
struct ip_port {
	struct ip_address address;
	__be16 port;
	__u16 pad;
};

/* Which packets a frontend is for, besides port and protocol. */
enum frontend_scope {
	/* Those to its address. */
	FRONTEND_AT_ADDRESS = 0,
	/* Those to any address of the node; its own is 0.0.0.0 or ::, which tells the family. */
	FRONTEND_AT_NODE = 1,
	/* Those to its address for which there is no other frontend; port and protocol are 0. */
	FRONTEND_AT_OTHER_PORTS = 2,
	/* ICMP echo requests to its address; port and protocol are 0. Those to a clusterIP need
	 * none: its other ports tell of it. */
	FRONTEND_AT_ECHO = 3,
};

/* What clients dial. Example: ::ffff:10.96.0.10, 53, IPPROTO_UDP. */
struct frontend_key {
	struct ip_address address;
	__be16 port;
	__u8 protocol; /* IPPROTO_* */
	__u8 pad;
	enum frontend_scope scope;
};

/* What of a Service leads clients to a frontend. */
enum frontend_kind {
	FRONTEND_CLUSTER_IP = 1,
	FRONTEND_EXTERNAL_IP = 2,
	FRONTEND_LOAD_BALANCER = 3,
	FRONTEND_NODE_PORT = 4,
	FRONTEND_OTHER_PORTS = 5,
	FRONTEND_ECHO = 6,
};

enum frontend_flags {
	/* A client inside who finds no slots is dropped, not refused. */
	FRONTEND_DROPS_INSIDE = 1,
	FRONTEND_DROPS_OUTSIDE = 2,
	/* The slots for clients inside are the local list, not the cluster list. */
	FRONTEND_LOCAL_INSIDE = 4,
	FRONTEND_LOCAL_OUTSIDE = 8,
	/* Only clients in the service port's source ranges are let in. */
	FRONTEND_RESTRICTED = 16,
	/* The runs are Maglev tables: on the packet path the hash of a connection is its place in
	   them. */
	FRONTEND_MAGLEV = 32,
	/* Of its service port only the members on this node are kept: TCP without affinity, by
	   clusterIPs alone. */
	FRONTEND_FORGETS = 64,
};

/* A run of consecutive slots: slots[first] ... slots[first + count - 1]. */
struct slot_run {
	__u32 first;
	__u32 count;
};

/*
 * What a frontend leads to. Replaced as a whole, which is the one write that publishes a change.
 * The slots of a run are never written while a frontend names the run, nor until every program that
 * may have seen it has ended. A run of no slots refuses the client, or drops it.
 */
struct frontend_value {
	__u32 service_port_id;
	enum frontend_kind kind;
	enum frontend_flags flags;
	/* 0: none. */
	__u32 affinity_timeout_seconds;
	/* For the node itself, and for whatever has a pod's address or device. */
	struct slot_run inside;
	/* For everybody else. */
	struct slot_run outside;
};

/* The longest names that Kubernetes allows (RFC 1123 labels); shorter ones end with a NUL. */
#define NAME_SIZE 63

/*
 * The name behind a service_port_id; only user space reads it. Example: default, quote, http, TCP.
 * An entry with four bytes more would take twice the memory (kmalloc-512).
 */
struct service_port_name {
	char namespace_name[NAME_SIZE];
	char service_name[NAME_SIZE];
	char port_name[NAME_SIZE];
	__u8 protocol; /* IPPROTO_* */
};

/*
 * A backend that serves, asked for by whatever remembers one; where nothing does (FRONTEND_FORGETS)
 * only those on this node.
 */
struct member_key {
	__u32 service_port_id;
	struct ip_port backend;
};

/* What a remembered backend may be used for, besides what uses it already. */
enum member_flags {
	/* New traffic where the cluster list counts. */
	MEMBER_IN_CLUSTER = 1,
	/* New traffic where the local list counts. */
	MEMBER_IN_LOCAL = 2,
	/* It is on this node: its packets come from here, so that clients' addresses can be kept.
	 */
	MEMBER_ON_NODE = 4,
};

struct member_value {
	enum member_flags flags;
};

/* Addresses with the first `bits` of `address`. Example: ::ffff:10.96.0.0, 112. */
struct ip_prefix {
	__u32 bits;
	struct ip_address address;
};

/* Clients that may use restricted frontends of a service port. */
struct source_range_key {
	__u32 bits; /* 32 for the id, and those of the prefix */
	__u32 service_port_id;
	struct ip_address address;
};

/* An address on which this node serves nodePorts. */
struct node_port_address {
	struct ip_address address;
};

/*
 * Networks of 24 bits of IPv4, or 64 of IPv6, in which there may be an address of `frontends` or
 * `service_cidrs`, and what may be an address of `node_port_addresses`, which often has the node's
 * pods for neighbours: those whose hash has its bit here. Set before an address is written there,
 * and never taken away: nobody needs to look for any other address.
 */
struct served_networks {
	__u64 bits;
};

#define SERVED_NETWORKS_BITS 16
#define SERVED_NETWORKS_WORDS ((1 << SERVED_NETWORKS_BITS) / 64)

/* The value of tables in which it only counts whether a key is there. */
struct presence {
	__u32 present; /* 1; in service_cidrs 0 for what is left alone */
};

enum node_flags {
	/* nodePorts are served on loopback addresses, to the node's own network namespace. */
	NODE_LOOPBACK_NODE_PORTS = 1,
	/*
	 * Somebody else, as kube-proxy, translates connections to the same addresses that were
	 * there before: what belongs to no flow may be theirs, and goes on to the stack.
	 */
	NODE_BESIDE = 2,
	/*
	 * Another proxy takes over: nothing new is served. What goes on keeps its backend: flows,
	 * sockets, and pairs of unconnected UDP.
	 */
	NODE_DRAINING = 4,
	/* That is over: unconnected UDP is the other proxy's, too. */
	NODE_HANDED_OVER = 8,
	/*
	 * Flows are being brought over from another build's table: TCP that belongs to none may
	 * belong to one that is still to come, and is dropped. Its sender sends it again.
	 */
	NODE_CARRYING = 16,
};

/* What the programs must know of the node. */
struct node {
	/* Of the network namespace that the node's addresses are in; 0 until it is known. */
	__u64 netns_cookie;
	enum node_flags flags;
	/* Where connections of the node itself come from; 0.0.0.0 and :: when it is not known. */
	struct ip_address ipv4;
	struct ip_address ipv6;
	/* Source ports of masqueraded flows, a range that nothing else on the node uses. */
	__u16 masquerade_first_port;
	__u16 masquerade_port_count;
};

enum device_flags {
	/* The node's end of a pod's device: what comes in are packets of a client inside. */
	DEVICE_OF_POD = 1,
	/* The programs are there: answers that come in by it are met. */
	DEVICE_SERVED = 2,
};

/* What the programs must know of a network device; by ifindex. */
struct device {
	enum device_flags flags;
	/* What packets that leave by it are masqueraded with; 0.0.0.0 and :: when it has none. */
	struct ip_address ipv4;
	struct ip_address ipv6;
};

/*
 * Packets of one connection in one direction, as they meet a program. Two entries make a flow, of
 * the request and of the reply; either has all that is needed to make the other again:
 *
 *	client -> service	becomes		source -> backend	(request)
 *	backend -> source	becomes		service -> client	(reply)
 *
 * where `source` is the client, the client with another port, or an address of this node.
 */
struct flow_key {
	struct ip_port source;
	struct ip_port destination;
	__u32 protocol; /* IPPROTO_* */
};

enum flow_flags {
	/* Packets of the client; else those of the backend. */
	FLOW_REQUEST = 1,
	/* Translated on the way out, else on the way in. */
	FLOW_AT_EGRESS = 2,
	/* The backend sees an address of this node in place of the client's. */
	FLOW_MASQUERADED = 4,
	/* One half of a masqueraded flow's translation, of packets that the stack forwards in
	   between. */
	FLOW_FORWARDED = 8,
	/* The backend has answered. */
	FLOW_ANSWERED = 16,
	/*
	 * The client has gone on after that. Who only pretends to have the client's address does
	 * not know when, and of TCP it takes an acknowledgement: it is what makes the connection
	 * established.
	 */
	FLOW_CONFIRMED = 32,
	/* TCP: the client, the backend has ended its direction. */
	FLOW_REQUEST_FIN = 64,
	FLOW_REPLY_FIN = 128,
	/* TCP: either end has reset the connection. */
	FLOW_RESET = 256,
	/* TCP: the backend ended its direction first, and so keeps the connection in TIME_WAIT. */
	FLOW_REPLY_FIN_FIRST = 512,
	/* There are, or were, entries of FLOW_FORWARDED for it. */
	FLOW_IN_HALVES = 1024,
	/*
	 * Begun by a frontend of FRONTEND_FORGETS: no member tells whether the backend serves, but
	 * its answers. A SYN of the client takes FLOW_ANSWERED away until the next one.
	 */
	FLOW_FORGOTTEN = 2048,
};

/*
 * How far up in `flags` the flow's place in `flow_queue` stands, counted from 1; 0 of one that has
 * none.
 */
#define FLOW_PLACE_SHIFT 16

/* What its packets become. */
struct flow_value {
	__u64 last_used_ns; /* CLOCK_MONOTONIC_COARSE; by either half, at most FLOW_CHECK_NS late */
	/* When the other half was last seen to be there. */
	__u64 checked_ns;
	struct ip_port source;
	struct ip_port destination;
	__u32 service_port_id;
	enum flow_flags flags;
};

/* Places in the queue of flows that make room for others. */
#define FLOW_PLACES 16384

/* Whose place it is: by the key of the reply's entry, which in turn names the place. */
struct flow_place {
	struct flow_key key;
	__u32 pad;
	__u64 taken_ns; /* CLOCK_MONOTONIC_COARSE */
};

struct flow_queue_end {
	__u64 taken; /* places, since the tables were made */
	/* Not 0 while most places are of flows that would rather stay: so many free ones end it. */
	__u32 crowd;
	/* In seconds of CLOCK_MONOTONIC_COARSE: when a full table may be looked through for what is
	   over. */
	__u32 next_clearing;
};

/* A fragmented packet: what later fragments have in common with the first, which has the ports. */
struct fragment_key {
	struct ip_address source;
	struct ip_address destination;
	__u32 id; /* as in the header */
	__u32 protocol; /* 0 in IPv6, whose later fragments may tell another one (RFC 8200 4.5) */
};

struct fragment_ports {
	__be16 source;
	__be16 destination;
	__u32 protocol;
};

/*
 * What happens to packets on the packet path, as counted for each CPU in `packet_counts`. Names of
 * refusals and drops are those of what `explain` says.
 */
enum packet_outcome {
	/* Not for a service: left as it is. */
	PACKET_PASSED = 0,
	/* Translated, on the way to a backend of this node, through the stack. */
	PACKET_REQUEST_DELIVERED = 1,
	/* Translated and masqueraded, and sent on without the stack. */
	PACKET_REQUEST_REDIRECTED = 2,
	/* Translated, masqueraded on the way out, with the stack in between. */
	PACKET_REQUEST_FORWARDED = 3,
	PACKET_REPLY_DELIVERED = 4,
	PACKET_REPLY_REDIRECTED = 5,
	PACKET_REPLY_FORWARDED = 6,
	/* The second half of PACKET_REQUEST_FORWARDED and PACKET_REPLY_FORWARDED. */
	PACKET_FORWARDED_OUT = 7,
	/* An ICMP error about a translated packet, translated too. */
	PACKET_ICMP_ERROR_TRANSLATED = 8,
	PACKET_ECHO_ANSWERED = 9,

	/* TCP: answered with a reset; else with ICMP port unreachable. */
	PACKET_REFUSED_NO_ENDPOINTS = 10,
	PACKET_REFUSED_CLOSED_PORT = 11,
	/* TCP: in the middle of a connection that is not known. */
	PACKET_REFUSED_UNKNOWN_FLOW = 12,

	/* To be refused, but too many were lately. */
	PACKET_DROPPED_REFUSAL_LIMIT = 13,
	PACKET_DROPPED_NO_LOCAL_ENDPOINTS = 14,
	PACKET_DROPPED_SOURCE_NOT_ALLOWED = 15,
	PACKET_DROPPED_UNALLOCATED = 16,
	/* Every port tried for a masqueraded flow was in use. */
	PACKET_DROPPED_MASQUERADE_PORTS_EXHAUSTED = 17,
	/* Neither the device towards the backend nor the node has an address of the family. */
	PACKET_DROPPED_NO_MASQUERADE_ADDRESS = 18,
	/* Towards whom it is for; also of an ICMP error that has no hop left. */
	PACKET_DROPPED_NO_ROUTE = 19,
	/* To a port of masqueraded flows, of none that is known: the client's next packet mends it.
	 * With NODE_CARRYING also TCP to a frontend.
	 */
	PACKET_DROPPED_UNKNOWN_REPLY = 20,
	/* SCTP: the port would have to change, and with it a checksum over the whole packet. */
	PACKET_DROPPED_SCTP_PORT = 21,
	/* The flow table took no entry. */
	PACKET_DROPPED_FLOW_TABLE = 22,
	/* The kernel refused to change it; or it was to be refused, and no answer can be made of
	 * it.
	 */
	PACKET_DROPPED_CANNOT_REWRITE = 23,

	/* Besides what becomes of a packet. */
	PACKET_FLOW_CREATED = 24,
	/* A new connection on the addresses and ports of one that had ended or lost its backend. */
	PACKET_FLOW_REPLACED = 25,
	/* One half was gone and has been made again. */
	PACKET_FLOW_RESTORED = 26,
	/* UDP: given up with its backend. */
	PACKET_FLOW_BACKEND_GONE = 27,
	/* Another flow has the client's port at the backend already. */
	PACKET_SOURCE_PORT_CHANGED = 28,
	PACKET_FIRST_FRAGMENT = 29,
	PACKET_LATER_FRAGMENT = 30,
	/* It made room for a newer one, before its time was over. */
	PACKET_FLOW_PUSHED_OUT = 31,

	PACKET_OUTCOMES,
};

/* How often, on one CPU. */
struct packet_count {
	__u64 packets;
};

/*
 * Service port ids that agree in their last bits have one counter: as many as there are. Multiples
 * of it have counter 0, which user space gives to those for whom there is no counter of their own.
 */
#define SERVICE_COUNTERS 16384

/*
 * Of a service port, on one CPU: how many connections were led to a backend, and how many were not,
 * whatever the reason. In `service_counts`, by service_port_id modulo SERVICE_COUNTERS. They wrap
 * around: user space reads them often enough.
 */
struct service_count {
	/* connect(), and the first datagram of an unconnected socket to a service address. */
	__u32 socket_connections;
	__u32 socket_refusals;
	/* Flows. */
	__u32 packet_connections;
	__u32 packet_refusals;
};

/* How many source ports of masqueraded flows were taken by turns, of backends whose hash is the
 * same. */
struct masquerade_turns {
	__u32 taken;
};

/* Refusals that one CPU may still make. */
struct refusal_budget {
	__u64 filled_ns; /* CLOCK_MONOTONIC_COARSE */
	__u32 left;
	__u32 pad;
};

/* What bpf_redirect_neigh() is told, in its own words: struct bpf_redir_neigh. */
struct next_hop {
	__u32 family; /* AF_INET, AF_INET6: need not be the packet's */
	struct ip_address address; /* of IPv4 in the first word */
};

/*
 * What the routing table said, on this CPU, of packets from one address to another that came in by
 * one device: good for one tick of the clock, in which a busy flow has hundreds of packets.
 */
struct way {
	__u64 asked_jiffies;
	struct ip_address source;
	struct ip_address destination;
	__u32 hook; /* where the packets are: ifindex << 1, and 1 for egress */
	__u32 protocol; /* IPPROTO_* */
	/* The longest packet that may go, from its IP header on. */
	__u32 longest;
	__u32 ifindex;
	struct next_hop next_hop;
	__u32 pad;
};

/* The clock that flows go by, as this CPU has last read it. */
struct tick {
	__u64 jiffies;
	__u64 coarse_ns; /* CLOCK_MONOTONIC_COARSE */
};

/*
 * A client whose connections stay with one backend: on the socket path a network namespace, which
 * has one address of each family (its `source` is 0.0.0.0 or ::, which tells the family), on the
 * packet path an address.
 */
struct affinity_key {
	__u64 netns_cookie;
	struct ip_address source;
	__u32 service_port_id;
	__u32 pad;
};

struct affinity_value {
	__u64 last_used_ns; /* CLOCK_MONOTONIC */
	struct ip_port backend;
	__u32 pad;
};

/* A peer of an unconnected UDP socket. */
struct udp_peer_key {
	__u64 socket_cookie;
	struct ip_port peer;
	__u32 pad;
};

/* The backend that stands behind a service address, for one socket. */
struct udp_backend {
	__u64 last_used_ns; /* CLOCK_MONOTONIC */
	struct ip_port backend;
	__u32 service_port_id;
};

/*
 * What a socket has to do with services: both ends of its last connect() to one, zero after a
 * connect() elsewhere. Of all connected UDP, and of TCP sockets that found their place among
 * `dials` in use.
 */
struct socket_service {
	struct ip_port service;
	struct ip_port backend;
	__u32 service_port_id;
};

/*
 * What most sockets have of it, without an allocation: at a place that the socket's address in the
 * kernel's memory says. Of TCP the last connect(), of UDP the first service that the socket sent to
 * without being connected. Whoever wants the place of a socket that is gone takes it; who finds it
 * in use has entries in other tables.
 */
struct dial {
	/* Of the socket; 0 while nobody's, DIAL_BEING_TAKEN while its other members are written. */
	__u64 cookie;
	/* Where that socket lies, or lay. */
	__u64 socket;
	struct ip_port service;
	/* Port 0 once the socket has dialled it itself: it is shown as it is. */
	struct ip_port backend;
	/* UDP, and 0 once no more is to be sent there. */
	__u32 service_port_id;
	/* UDP: the last bits of CLOCK_MONOTONIC_COARSE, in units of 2^DIAL_TIME_SHIFT ns. */
	__u16 last_used;
	/* UDP: the socket may have others, in `udp_backends` and `udp_services`. */
	__u16 has_others;
};

#define DIAL_TIME_SHIFT 30

/* No socket has such a cookie. */
#define DIAL_BEING_TAKEN (~0ULL)

/*
 * How long a flow stays that nothing uses; the only place with these numbers. The programs heed
 * them at each packet, user space when it sweeps.
 */
enum flow_timeout_seconds {
	/* Not confirmed. */
	FLOW_TIMEOUT_TCP_OPENING = 60,
	/* Confirmed, and neither end has closed. */
	FLOW_TIMEOUT_TCP_ESTABLISHED = 24 * 3600,
	/* One end has closed its direction. */
	FLOW_TIMEOUT_TCP_CLOSING = 3600,
	/* Both have. */
	FLOW_TIMEOUT_TCP_CLOSED = 10,
	/* Either has reset the connection, or somebody has who is neither (RFC 7857 2.2). */
	FLOW_TIMEOUT_TCP_RESET = 120,
	/* Both have, and the backend's TIME_WAIT lasts so long (TCP_TIMEWAIT_LEN of Linux). */
	FLOW_TIMEOUT_TCP_TIME_WAIT = 60,
	/* One exchange at most, as most of DNS. */
	FLOW_TIMEOUT_UDP_SINGLE = 30,
	/* The client has gone on after the first answer. */
	FLOW_TIMEOUT_UDP_STREAM = 120,
	FLOW_TIMEOUT_SCTP_OPENING = 60,
	FLOW_TIMEOUT_SCTP_ESTABLISHED = 300,
};

/* How often, at most, either half of a flow looks after the other. */
enum flow_check {
	FLOW_CHECK_NS = 100 * 1000 * 1000,
};

#endif
