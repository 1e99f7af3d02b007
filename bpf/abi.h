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

/* What clients dial. Example: ::ffff:10.96.0.10, 53, IPPROTO_UDP. */
struct frontend_key {
	struct ip_address address;
	__be16 port;
	__u8 protocol; /* IPPROTO_* */
	__u8 pad;
};

/* A run of consecutive slots: slots[first] ... slots[first + count - 1]. */
struct slot_run {
	__u32 first;
	__u32 count;
};

/*
 * What a frontend leads to. Replaced as a whole, which is the one write that publishes a change.
 * The slots of a run are never written while a frontend names the run, nor until every program that
 * may have seen it has ended. A run of no slots refuses the client.
 */
struct frontend_value {
	__u32 service_port_id;
	struct slot_run backends;
};

/* The longest names that Kubernetes allows (RFC 1123 labels), NUL-terminated. */
#define NAME_SIZE 64

/* The name behind a service_port_id; only user space reads it. Example: default, quote, http, TCP.
 */
struct service_port_name {
	char namespace_name[NAME_SIZE];
	char service_name[NAME_SIZE];
	char port_name[NAME_SIZE];
	__u32 protocol; /* IPPROTO_* */
};

/* A backend that may be used for new traffic of a service port, asked for by whatever remembers
 * one. */
struct member_key {
	__u32 service_port_id;
	struct ip_port backend;
};

enum member_state {
	MEMBER_ELIGIBLE = 1,
};

struct member_value {
	enum member_state state;
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
 * What a socket has to do with services: both ends of its last connect() to one, zero before that
 * and after a connect() elsewhere. A socket that never dialled a service has none of it.
 */
struct socket_service {
	struct ip_port service;
	struct ip_port backend;
};

#endif
