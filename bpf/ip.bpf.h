/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only BPF file that knows IPv4 from IPv6. Of sockets `family` is a constant in every caller,
 * so that each entry point is compiled for its own family; a packet tells its own.
 */
#ifndef IP_BPF_H
#define IP_BPF_H

#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "abi.h"
#include "kernel.bpf.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum ip_family {
	FAMILY_IPV4,
	FAMILY_IPV6,
};

#define IPV4_MAPPED_WORD bpf_htonl(0xffff)

/* TCP_ESTABLISHED, which stands for a connected UDP socket too; net/tcp_states.h is not
 * user-visible. */
#define SOCK_CONNECTED 1

/* The kernel's families of sockets; include/linux/socket.h is not user-visible. */
#define AF_INET 2
#define AF_INET6 10

/* The one whose addresses are as ours. */
#define ADDRESS_FAMILY AF_INET6

/*
 * Keeps clang from folding two reads of a context field into one wide read through a modified
 * pointer, which the verifier refuses ("dereference of modified ctx ptr").
 */
#define read_once(field)                                                                           \
	({                                                                                         \
		__u32 once = (field);                                                              \
		barrier_var(once);                                                                 \
		once;                                                                              \
	})

/* Reads the peer of a sock_addr context: the destination, or in recvmsg the source. */
static __always_inline void sock_addr_load(const struct bpf_sock_addr *ctx,
					   const enum ip_family family, struct ip_port *peer)
{
	if (family == FAMILY_IPV4) {
		peer->address.words[0] = 0;
		peer->address.words[1] = 0;
		peer->address.words[2] = IPV4_MAPPED_WORD;
		peer->address.words[3] = read_once(ctx->user_ip4);
	} else {
		peer->address.words[0] = read_once(ctx->user_ip6[0]);
		peer->address.words[1] = read_once(ctx->user_ip6[1]);
		peer->address.words[2] = read_once(ctx->user_ip6[2]);
		peer->address.words[3] = read_once(ctx->user_ip6[3]);
	}
	peer->port = read_once(ctx->user_port);
	peer->pad = 0;
}

/* Writes the peer of a sock_addr context. `peer` must be of the context's family, or mapped into
 * it. */
static __always_inline void sock_addr_store(struct bpf_sock_addr *ctx, const enum ip_family family,
					    const struct ip_port *peer)
{
	if (family == FAMILY_IPV4) {
		ctx->user_ip4 = peer->address.words[3];
	} else {
		ctx->user_ip6[0] = peer->address.words[0];
		ctx->user_ip6[1] = peer->address.words[1];
		ctx->user_ip6[2] = peer->address.words[2];
		ctx->user_ip6[3] = peer->address.words[3];
	}
	ctx->user_port = peer->port;
}

static __always_inline int ip_port_equal(const struct ip_port *a, const struct ip_port *b)
{
	return a->address.words[3] == b->address.words[3] &&
	       a->address.words[2] == b->address.words[2] &&
	       a->address.words[1] == b->address.words[1] &&
	       a->address.words[0] == b->address.words[0] && a->port == b->port;
}

static __always_inline int ip_is_mapped(const struct ip_address *address)
{
	return !address->words[0] && !address->words[1] && address->words[2] == IPV4_MAPPED_WORD;
}

/* 0.0.0.0 or :: */
static __always_inline int ip_is_unspecified(const struct ip_address *address)
{
	return !address->words[3] &&
	       (ip_is_mapped(address) ||
		(!address->words[0] && !address->words[1] && !address->words[2]));
}

/* 127.0.0.0/8 or ::1 */
static __always_inline int ip_is_loopback(const struct ip_address *address)
{
	if (ip_is_mapped(address))
		return (address->words[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return !address->words[0] && !address->words[1] && !address->words[2] &&
	       address->words[3] == bpf_htonl(1);
}

/* Whether a packet may come from `address` and be answered there: from one host, not this one
 * itself. */
static __always_inline int ip_is_unicast(const struct ip_address *address)
{
	if (ip_is_unspecified(address) || ip_is_loopback(address))
		return 0;
	/* 224.0.0.0/4, what is reserved above it, and broadcast. */
	if (ip_is_mapped(address))
		return (address->words[3] & bpf_htonl(0xe0000000)) != bpf_htonl(0xe0000000);
	return (address->words[0] & bpf_htonl(0xff000000)) != bpf_htonl(0xff000000);
}

/* Whether packets from `address` can be answered from beyond the next link: not from fe80::/10. */
static __always_inline int ip_is_routable(const struct ip_address *address)
{
	return ip_is_unicast(address) &&
	       (address->words[0] & bpf_htonl(0xffc00000)) != bpf_htonl(0xfe800000);
}

/* A hash, of 32 bits, of the network of 24 bits of IPv4, or 64 of IPv6, that `address` is in. */
static __always_inline __u32 ip_network_hash(const struct ip_address *address)
{
	__u32 first = 0, second = bpf_ntohl(address->words[3]) >> 8;

	if (!ip_is_mapped(address)) {
		first = bpf_ntohl(address->words[0]);
		second = bpf_ntohl(address->words[1]);
	}
	return (first * 0x9e3779b1 + second) * 0x85ebca6b;
}

/* A hash, of 32 bits, of the address itself. */
static __always_inline __u32 ip_address_hash(const struct ip_address *address)
{
	__u32 hash = 0;

	for (int i = 0; i < 4; i++)
		hash = (hash + bpf_ntohl(address->words[i])) * 0x9e3779b1;
	return hash;
}

/* The address of the family of `address` that stands for any address. */
static __always_inline void ip_unspecified_like(const struct ip_address *address,
						struct ip_address *unspecified)
{
	*unspecified = (struct ip_address){};
	if (ip_is_mapped(address))
		unspecified->words[2] = IPV4_MAPPED_WORD;
}

/* Which address of the node its connections to `peer` come from. */
static __always_inline struct ip_address node_address_for(const struct node *node,
							  const struct ip_address *peer)
{
	return ip_is_mapped(peer) ? node->ipv4 : node->ipv6;
}

/*
 * The address that a socket is bound to, zero when none is. `is_datagram` in the sendmsg hooks,
 * where the datagram may name another one.
 */
static __always_inline void sock_addr_source(const struct bpf_sock_addr *ctx,
					     const enum ip_family family, const int is_datagram,
					     struct ip_address *source)
{
	*source = (struct ip_address){};
	if (family == FAMILY_IPV4) {
		source->words[3] =
			is_datagram ? read_once(ctx->msg_src_ip4) : read_once(ctx->sk->src_ip4);
		if (source->words[3])
			source->words[2] = IPV4_MAPPED_WORD;
	} else if (is_datagram) {
		source->words[0] = read_once(ctx->msg_src_ip6[0]);
		source->words[1] = read_once(ctx->msg_src_ip6[1]);
		source->words[2] = read_once(ctx->msg_src_ip6[2]);
		source->words[3] = read_once(ctx->msg_src_ip6[3]);
	} else {
		source->words[0] = read_once(ctx->sk->src_ip6[0]);
		source->words[1] = read_once(ctx->sk->src_ip6[1]);
		source->words[2] = read_once(ctx->sk->src_ip6[2]);
		source->words[3] = read_once(ctx->sk->src_ip6[3]);
	}
}

/* Reads both ends of a connected socket. IPv6 sockets hold the ends of an IPv4 connection mapped.
 */
static __always_inline void sock_ends_load(const struct sock *sk, struct ip_port *local,
					   struct ip_port *peer)
{
	const struct sock_common *common = &sk->__sk_common;

	*local = (struct ip_port){.port = bpf_htons(common->skc_num)};
	*peer = (struct ip_port){.port = common->skc_dport};
	if (common->skc_family == AF_INET) {
		local->address.words[2] = IPV4_MAPPED_WORD;
		local->address.words[3] = common->skc_rcv_saddr;
		peer->address.words[2] = IPV4_MAPPED_WORD;
		peer->address.words[3] = common->skc_daddr;
	} else {
		for (int i = 0; i < 4; i++) {
			local->address.words[i] = common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			peer->address.words[i] = common->skc_v6_daddr.in6_u.u6_addr32[i];
		}
	}
}

static __always_inline int ip_equal(const struct ip_address *a, const struct ip_address *b)
{
	return a->words[3] == b->words[3] && a->words[2] == b->words[2] &&
	       a->words[1] == b->words[1] && a->words[0] == b->words[0];
}

static __always_inline struct ip_address ip_from_v4(__be32 word)
{
	return (struct ip_address){.words = {0, 0, IPV4_MAPPED_WORD, word}};
}

static __always_inline struct ip_address ip_from_v6(const struct in6_addr *address)
{
	struct ip_address result;

	__builtin_memcpy(&result, address, sizeof(result));
	return result;
}

enum fragment_place {
	WHOLE_PACKET,
	FIRST_FRAGMENT,
	/* Without a transport header. */
	LATER_FRAGMENT,
};

/* What there is to know of an IP packet. Offsets count from the beginning of the skb's data. */
struct packet {
	/* Its ends and protocol; ports are 0 until packet.bpf.h has read them. */
	struct flow_key tuple;
	__u32 fragment_id;
	__u16 network; /* offset of the IP header */
	__u16 transport; /* offset of what comes after it and its extensions */
	__u8 family; /* enum ip_family */
	__u8 fragment; /* enum fragment_place */
	__u16 checksum; /* of an IPv4 header, as it lies there */
	__u8 hops; /* TTL or hop limit */
	__u8 tcp_flags; /* enum tcp_flags */
	/* TCP or UDP, whole, without options or extensions, its headers all within data_end. */
	__u8 is_plain;
};

/* IPv6 extension headers that are looked behind (RFC 8200 4.1 names four before what is carried).
 */
#define MAX_EXTENSIONS 6

static __always_inline int ipv4_load(struct __sk_buff *skb, __u32 network, struct packet *packet)
{
	struct iphdr ip;
	__u16 fragment;

	if (bpf_skb_load_bytes(skb, network, &ip, sizeof(ip)))
		return -1;
	if (ip.version != 4 || ip.ihl < 5)
		return -1;
	/* 0 is what stands for too much to be said, of packets that stand for many (6.3). */
	if (bpf_ntohs(ip.tot_len) < ip.ihl * 4 && (ip.tot_len || !skb->gso_size))
		return -1;
	fragment = bpf_ntohs(ip.frag_off) & 0x3fff; /* more fragments, and where this one is */
	packet->family = FAMILY_IPV4;
	packet->network = network;
	packet->transport = network + ip.ihl * 4;
	packet->hops = ip.ttl;
	packet->checksum = ip.check;
	packet->fragment = !fragment	       ? WHOLE_PACKET
			   : fragment & 0x1fff ? LATER_FRAGMENT
					       : FIRST_FRAGMENT;
	packet->fragment_id = ip.id;
	packet->tuple.source.address = ip_from_v4(ip.saddr);
	packet->tuple.destination.address = ip_from_v4(ip.daddr);
	packet->tuple.protocol = ip.protocol;
	return 0;
}

static __always_inline int ipv6_load(struct __sk_buff *skb, __u32 network, struct packet *packet)
{
	__u32 transport = network + sizeof(struct ipv6hdr);
	struct ipv6hdr ip;
	__u8 next;

	if (bpf_skb_load_bytes(skb, network, &ip, sizeof(ip)))
		return -1;
	if (ip.version != 6)
		return -1;
	packet->family = FAMILY_IPV6;
	packet->network = network;
	packet->hops = ip.hop_limit;
	packet->fragment = WHOLE_PACKET;
	packet->tuple.source.address = ip_from_v6(&ip.saddr);
	packet->tuple.destination.address = ip_from_v6(&ip.daddr);
	/* No packet has such addresses (RFC 4291 2.5.5.2), and it would be taken for IPv4. */
	if (ip_is_mapped(&packet->tuple.source.address) ||
	    ip_is_mapped(&packet->tuple.destination.address))
		return -1;
	next = ip.nexthdr;
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		/* Of a fragment header or any other extension. */
		struct {
			__u8 next;
			__u8 length;
			__be16 fragment;
			__be32 id;
		} extension;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT)
			break;
		if (bpf_skb_load_bytes(skb, transport, &extension, sizeof(extension)))
			return -1;
		if (next == IPPROTO_FRAGMENT) {
			__u16 fragment = bpf_ntohs(extension.fragment) & 0xfff9;

			/* One that is all there is has neither offset nor more to come (RFC 6946).
			 */
			if (fragment)
				packet->fragment =
					fragment & 0xfff8 ? LATER_FRAGMENT : FIRST_FRAGMENT;
			packet->fragment_id = extension.id;
			transport += 8;
		} else {
			transport += (extension.length + 1) * 8;
		}
		next = extension.next;
		/* What follows in a later fragment is no header. */
		if (packet->fragment == LATER_FRAGMENT)
			break;
	}
	packet->transport = transport;
	packet->tuple.protocol = next;
	return 0;
}

/*
 * Reads the IP header of a whole packet that has nothing between it and what it carries. Returns
 * where that begins; NULL for any other packet, or when the header is not all between `data` and
 * `end`.
 */
static __always_inline void *ip_load_plain(void *data, void *end, const __u32 network,
					   enum ip_family family, struct packet *packet)
{
	const struct iphdr *ipv4 = data + network;
	const struct ipv6hdr *ipv6 = data + network;

	packet->family = family;
	packet->network = network;
	if (family == FAMILY_IPV4) {
		if ((void *)(ipv4 + 1) > end || *(const __u8 *)ipv4 != 0x45 ||
		    (ipv4->frag_off & bpf_htons(0x3fff)) ||
		    bpf_ntohs(ipv4->tot_len) < sizeof(*ipv4))
			return NULL;
		packet->transport = network + sizeof(*ipv4);
		packet->hops = ipv4->ttl;
		packet->checksum = ipv4->check;
		packet->fragment_id = ipv4->id;
		packet->tuple.source.address = ip_from_v4(ipv4->saddr);
		packet->tuple.destination.address = ip_from_v4(ipv4->daddr);
		packet->tuple.protocol = ipv4->protocol;
		return (void *)(ipv4 + 1);
	}
	if ((void *)(ipv6 + 1) > end || ipv6->version != 6)
		return NULL;
	packet->transport = network + sizeof(*ipv6);
	packet->hops = ipv6->hop_limit;
	packet->tuple.source.address = ip_from_v6(&ipv6->saddr);
	packet->tuple.destination.address = ip_from_v6(&ipv6->daddr);
	if (ip_is_mapped(&packet->tuple.source.address) ||
	    ip_is_mapped(&packet->tuple.destination.address))
		return NULL;
	packet->tuple.protocol = ipv6->nexthdr;
	return (void *)(ipv6 + 1);
}

/* Reads the IP header at `network`. Returns whether there is one. */
static __always_inline int ip_load(struct __sk_buff *skb, __u32 network, enum ip_family family,
				   struct packet *packet)
{
	*packet = (struct packet){};
	return (family == FAMILY_IPV4 ? ipv4_load(skb, network, packet)
				      : ipv6_load(skb, network, packet)) == 0;
}

/* Of a fragment: what, besides its ends and id, tells which packet it is of. */
static __always_inline __u32 ip_fragment_protocol(const struct packet *packet)
{
	return packet->family == FAMILY_IPV4 ? packet->tuple.protocol : 0;
}

/* Which family a packet is of. Returns whether it is IP at all. */
static __always_inline int ip_family_of(const struct __sk_buff *skb, enum ip_family *family)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		*family = FAMILY_IPV4;
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		*family = FAMILY_IPV6;
	else
		return 0;
	return 1;
}

static __always_inline __u16 checksum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Adds the sum by which checksums change when `before` becomes `after`. */
static __always_inline __u64 sum_difference(__u64 sum, const struct ip_address *before,
					    const struct ip_address *after)
{
	for (int i = 0; i < 4; i++) {
		sum += (__u32)~before->words[i];
		sum += after->words[i];
	}
	return sum;
}

/* The sum by which checksums over both addresses change; IPv4's other words cancel out. */
static __always_inline __wsum ip_addresses_difference(const struct packet *packet,
						      const struct ip_address *source,
						      const struct ip_address *destination)
{
	if (packet->family == FAMILY_IPV4)
		return checksum_fold(
			(__u64)(__u32)~packet->tuple.source.address.words[3] + source->words[3] +
			(__u32)~packet->tuple.destination.address.words[3] + destination->words[3]);
	__u64 sum = sum_difference(0, &packet->tuple.source.address, source);

	return checksum_fold(sum_difference(sum, &packet->tuple.destination.address, destination));
}

/* The beginning of what an IPv4 packet carries lies behind its addresses when it has no options. */
struct ipv4_tail {
	__u8 ttl;
	__u8 protocol;
	__u16 checksum;
	__be32 source;
	__be32 destination;
	__be32 ports;
};

/* Of IPv6 what lies behind the hop limit. */
struct ipv6_tail {
	struct ip_address source;
	struct ip_address destination;
	__be32 ports;
};

/*
 * Writes both addresses and the hops of the IP header, IPv4's own checksum, and, if `has_ports`,
 * the four bytes behind a header that has no options or extensions: in one go, for each write
 * costs. `difference` is that of the addresses. Returns 0 or an error of the kernel.
 */
static __always_inline int ip_store(struct __sk_buff *skb, const struct packet *packet,
				    const struct ip_address *source,
				    const struct ip_address *destination, __u8 hops,
				    __wsum difference, int has_ports, __be32 ports)
{
	__be32 before = bpf_htonl(packet->hops), after = bpf_htonl(hops);

	if (packet->family == FAMILY_IPV4) {
		struct ipv4_tail tail = {
			.ttl = hops,
			.protocol = packet->tuple.protocol,
			.source = source->words[3],
			.destination = destination->words[3],
			.ports = ports,
		};
		/* TTL is the first byte of its pair. */
		__u64 sum = (__u64)(__u16)~packet->checksum + difference +
			    (__u16)~bpf_htons(packet->hops << 8) + bpf_htons(hops << 8);

		tail.checksum = ~checksum_fold(sum);
		return bpf_skb_store_bytes(skb, packet->network + offsetof(struct iphdr, ttl),
					   &tail, has_ports ? sizeof(tail) : sizeof(tail) - 4, 0);
	}
	struct ipv6_tail tail = {
		.source = *source,
		.destination = *destination,
		.ports = ports,
	};
	int error = 0;

	if (before != after) {
		/* The last byte of its word. No checksum makes up for it in what a device has
		 * summed up. */
		bpf_csum_update(skb,
				bpf_csum_diff(&before, sizeof(before), &after, sizeof(after), 0));
		error = bpf_skb_store_bytes(skb,
					    packet->network + offsetof(struct ipv6hdr, hop_limit),
					    &hops, sizeof(hops), 0);
	}
	return error
		       ?: bpf_skb_store_bytes(
				  skb, packet->network + offsetof(struct ipv6hdr, saddr), &tail,
				  has_ports ? sizeof(tail) : sizeof(tail) - 4, 0);
}

/* What TCP and UDP begin with, as far as TCP's checksum. */
struct transport_head {
	__be32 ports;
	__u16 halves[7];
};

/*
 * As ip_store(), with the first `size` bytes of what follows, of a plain packet; all in one go.
 * What a device has summed up is not mended.
 */
static __always_inline int ip_store_plain(struct __sk_buff *skb, const struct packet *packet,
					  const struct ip_address *source,
					  const struct ip_address *destination, __u8 hops,
					  __wsum difference, const struct transport_head *head,
					  __u32 size)
{
	if (packet->family == FAMILY_IPV4) {
		struct {
			__u8 ttl;
			__u8 protocol;
			__u16 checksum;
			__be32 source;
			__be32 destination;
			struct transport_head head;
		} tail = {
			.ttl = hops,
			.protocol = packet->tuple.protocol,
			.source = source->words[3],
			.destination = destination->words[3],
			.head = *head,
		};
		__u64 sum = (__u64)(__u16)~packet->checksum + difference +
			    (__u16)~bpf_htons(packet->hops << 8) + bpf_htons(hops << 8);

		tail.checksum = ~checksum_fold(sum);
		return bpf_skb_store_bytes(skb, packet->network + offsetof(struct iphdr, ttl),
					   &tail, offsetof(typeof(tail), head) + size, 0);
	}
	struct {
		__u8 pad[3];
		__u8 hops;
		struct ip_address source;
		struct ip_address destination;
		struct transport_head head;
	} tail = {
		.hops = hops,
		.source = *source,
		.destination = *destination,
		.head = *head,
	};

	return bpf_skb_store_bytes(
		skb, packet->network + offsetof(struct ipv6hdr, hop_limit), &tail.hops,
		offsetof(typeof(tail), head) - offsetof(typeof(tail), hops) + size, 0);
}

/*
 * Makes good what bpf_l4_csum_replace() with BPF_F_PSEUDO_HDR does to a packet whose checksum the
 * device has summed up (CHECKSUM_COMPLETE): it reckons with an IP header that has a checksum of its
 * own, as IPv6's has not. Since 6.16 a flag tells it (BPF_F_IPV6), which older kernels refuse.
 */
static __always_inline void
ip_mend_complete_checksum(struct __sk_buff *skb, const struct packet *packet, __wsum difference)
{
	if (packet->family == FAMILY_IPV6)
		bpf_csum_update(skb, difference);
}

/* linux/bpf.h since 6.7; before, bpf_fib_lookup() answers EINVAL. */
#define FIB_LOOKUP_SOURCE (1U << 4)

/*
 * Asks the routing table where a packet of `length` bytes (0: any) from `source` to `destination`
 * goes that came in as `skb` has.
 *
 * Returns what bpf_fib_lookup() does; `fib` then has the device and the next hop.
 */
static __always_inline int ip_route_from(struct __sk_buff *skb, const struct packet *packet,
					 const struct ip_address *source,
					 const struct ip_address *destination, __u32 length,
					 __u32 flags, struct bpf_fib_lookup *fib)
{
	*fib = (struct bpf_fib_lookup){
		.l4_protocol = packet->tuple.protocol,
		.tot_len = length > 0xffff ? 0xffff : length,
		.ifindex = skb->ifindex,
	};
	if (packet->family == FAMILY_IPV4) {
		fib->family = AF_INET;
		fib->ipv4_src = source->words[3];
		fib->ipv4_dst = destination->words[3];
	} else {
		fib->family = AF_INET6;
		__builtin_memcpy(fib->ipv6_src, source, 16);
		__builtin_memcpy(fib->ipv6_dst, destination, 16);
	}
	return bpf_fib_lookup(skb, fib, sizeof(*fib), flags);
}

/* The same from where the packet comes. */
static __always_inline int ip_route(struct __sk_buff *skb, const struct packet *packet,
				    const struct ip_address *destination, __u32 length, __u32 flags,
				    struct bpf_fib_lookup *fib)
{
	return ip_route_from(skb, packet, &packet->tuple.source.address, destination, length, flags,
			     fib);
}

/* What ip_route() found as the address that packets on that way come from. */
static __always_inline struct ip_address ip_route_source(const struct packet *packet,
							 const struct bpf_fib_lookup *fib)
{
	struct ip_address source;

	if (packet->family == FAMILY_IPV4)
		return ip_from_v4(fib->ipv4_src);
	__builtin_memcpy(&source, fib->ipv6_src, sizeof(source));
	return source;
}

/* The next hop of the way that ip_route() found. */
static __always_inline void ip_next_hop(const struct bpf_fib_lookup *fib, struct next_hop *next_hop)
{
	next_hop->family = fib->family;
	__builtin_memcpy(&next_hop->address, fib->ipv6_dst, sizeof(next_hop->address));
}

/* Whether a TCP socket of this node has the packet's tuple, connected or bound to its destination.
 */
static __always_inline int ip_has_tcp_socket(struct __sk_buff *skb, const struct packet *packet)
{
	const struct flow_key *key = &packet->tuple;
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;

	if (packet->family == FAMILY_IPV4) {
		tuple.ipv4.saddr = key->source.address.words[3];
		tuple.ipv4.daddr = key->destination.address.words[3];
		tuple.ipv4.sport = key->source.port;
		tuple.ipv4.dport = key->destination.port;
		sk = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, &key->source.address, 16);
		__builtin_memcpy(tuple.ipv6.daddr, &key->destination.address, 16);
		tuple.ipv6.sport = key->source.port;
		tuple.ipv6.dport = key->destination.port;
		sk = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return 0;
	bpf_sk_release(sk);
	return 1;
}

/* Without options or extension headers. */
static __always_inline __u32 ip_header_size(const struct packet *packet)
{
	return packet->family == FAMILY_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

#define MAX_IP_HEADER sizeof(struct ipv6hdr)

/*
 * The sum of the pseudo header (RFC 9293 3.1, RFC 8200 8.1) of `protocol` with `length` bytes, the
 * same in both directions. What IPv4's mapped addresses have besides adds nothing: 0xffff is 0 to
 * it.
 */
static __always_inline __wsum ip_pseudo_sum(const struct packet *packet, __u8 protocol,
					    __u16 length)
{
	__wsum sum = bpf_htons(protocol) + bpf_htons(length);

	sum = bpf_csum_diff(0, 0, (__be32 *)packet->tuple.source.address.words,
			    sizeof(struct ip_address), sum);
	return bpf_csum_diff(0, 0, (__be32 *)packet->tuple.destination.address.words,
			     sizeof(struct ip_address), sum);
}

/* How many bytes come after the IP header and its extensions, as the header says. */
static __always_inline __u32 ip_payload_length(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 headers = packet->transport - packet->network;
	__be16 length = 0;
	__u32 offset = packet->network + (packet->family == FAMILY_IPV4
						  ? offsetof(struct iphdr, tot_len)
						  : offsetof(struct ipv6hdr, payload_len));

	if (bpf_skb_load_bytes(skb, offset, &length, sizeof(length)))
		return 0;
	if (packet->family == FAMILY_IPV6)
		headers -= sizeof(struct ipv6hdr);
	return bpf_ntohs(length) > headers ? bpf_ntohs(length) - headers : 0;
}

/* Of an IPv4 header's flags. */
#define IP_DONT_FRAGMENT 0x4000

/* What answers start with (RFC 1700). */
#define ANSWER_HOPS 64

/*
 * Makes the IP header that of an answer with `length` bytes after it and its extensions. `protocol`
 * is the answer's; 0: as it is.
 */
static __always_inline int ip_turn_round(struct __sk_buff *skb, const struct packet *packet,
					 __u8 protocol, __u16 length)
{
	__u32 headers = packet->transport - packet->network;

	if (packet->family == FAMILY_IPV4) {
		struct iphdr before, after;
		__wsum sum;

		if (bpf_skb_load_bytes(skb, packet->network, &before, sizeof(before)))
			return -1;
		after = before;
		after.tot_len = bpf_htons(headers + length);
		after.ttl = ANSWER_HOPS;
		after.frag_off = before.frag_off & bpf_htons(IP_DONT_FRAGMENT);
		if (protocol)
			after.protocol = protocol;
		after.saddr = before.daddr;
		after.daddr = before.saddr;
		/* There may be options, which stay as they are. */
		sum = (__u16)~before.check;
		before.check = 0;
		after.check = 0;
		after.check = ~checksum_fold((__u32)bpf_csum_diff(
			(__be32 *)&before, sizeof(before), (__be32 *)&after, sizeof(after), sum));
		return bpf_skb_store_bytes(skb, packet->network, &after, sizeof(after), 0);
	}
	struct ipv6hdr ip;
	struct in6_addr source;

	if (bpf_skb_load_bytes(skb, packet->network, &ip, sizeof(ip)))
		return -1;
	source = ip.daddr;
	ip.daddr = ip.saddr;
	ip.saddr = source;
	ip.payload_len = bpf_htons(headers - sizeof(ip) + length);
	ip.hop_limit = ANSWER_HOPS;
	if (protocol)
		ip.nexthdr = protocol;
	return bpf_skb_store_bytes(skb, packet->network, &ip, sizeof(ip), 0);
}

/* linux/icmp.h needs headers of the C library. */
#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMP_PORT_UNREACH 3

/* Of ICMP and ICMPv6 alike (RFC 792, RFC 4443 2.1). */
#define ICMP_CHECKSUM_OFFSET 2
#define ICMP_HEADER_SIZE 8

/* ICMP and ICMPv6, as far as they mean the same. */
struct icmp_words {
	__u8 protocol;
	__u8 echo_request;
	__u8 echo_reply;
	__u8 unreachable;
	__u8 port_unreachable; /* its code */
};

static __always_inline struct icmp_words icmp_words_of(const struct packet *packet)
{
	if (packet->family == FAMILY_IPV4)
		return (struct icmp_words){IPPROTO_ICMP, ICMP_ECHO, ICMP_ECHOREPLY,
					   ICMP_DEST_UNREACH, ICMP_PORT_UNREACH};
	return (struct icmp_words){IPPROTO_ICMPV6, ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY,
				   ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH};
}

/* Whether an ICMP message of `type` is an error, which quotes the packet that it is about. */
static __always_inline int icmp_is_error(const struct packet *packet, __u8 type)
{
	if (packet->family == FAMILY_IPV6)
		return type < ICMPV6_ECHO_REQUEST;
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

/*
 * By how much the sum of a whole header changes with its addresses: not at all with IPv4, whose own
 * checksum makes up for it.
 */
static __always_inline __wsum ip_header_change(const struct packet *packet, __wsum addresses)
{
	return packet->family == FAMILY_IPV4 ? 0 : addresses;
}

#endif
