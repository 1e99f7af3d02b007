/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whole packets: what their headers say, and other ends for them with every checksum right.
 * Family-free.
 *
 * Functions without `static` are verified once and by themselves, however often they are called;
 * such a function must ask whether its pointers are NULL.
 */
#ifndef PACKET_BPF_H
#define PACKET_BPF_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "abi.h"
#include "count.bpf.h"
#include "ip.bpf.h"
#include "kernel.bpf.h"
#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

enum tcp_flags {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_ACK = 16,
};

/* RFC 9260 3; linux/sctp.h has nothing of it. */
#define SCTP_HEADER_SIZE 12

/* Where the flags lie in a TCP header (RFC 9293 3.1). */
#define TCP_FLAGS_OFFSET 13

/* Whether the first four bytes of what a packet carries are its ports. */
static __always_inline int has_ports(const struct packet *packet)
{
	__u32 protocol = packet->tuple.protocol;

	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static __always_inline int is_icmp(const struct packet *packet)
{
	return packet->tuple.protocol == IPPROTO_ICMP || packet->tuple.protocol == IPPROTO_ICMPV6;
}

/* Of a TCP packet: whether it opens a connection. */
static __always_inline int is_opening(const struct packet *packet)
{
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/*
 * Reads the IP header at `network`. Returns whether there is one; `packet` is then known but for
 * its ports.
 */
__noinline int packet_load(struct __sk_buff *skb, __u32 network, __u32 family,
			   struct packet *packet)
{
	return packet && ip_load(skb, network, family, packet);
}

/* Reads the ports. Returns whether they are there. */
static __always_inline int packet_load_ports(struct __sk_buff *skb, struct packet *packet)
{
	__be16 ports[2];

	if (bpf_skb_load_bytes(skb, packet->transport, ports, sizeof(ports)))
		return 0;
	packet->tuple.source.port = ports[0];
	packet->tuple.destination.port = ports[1];
	return 1;
}

/* The shortest header of a protocol that has ports. */
static __always_inline __u32 transport_size(const struct packet *packet)
{
	if (packet->tuple.protocol == IPPROTO_TCP)
		return sizeof(struct tcphdr);
	return packet->tuple.protocol == IPPROTO_UDP ? sizeof(struct udphdr) : SCTP_HEADER_SIZE;
}

/* Reads the ports, and TCP's flags. Returns whether all of the header is there. */
static __always_inline int packet_load_transport(struct __sk_buff *skb, struct packet *packet)
{
	if (packet->transport + transport_size(packet) > skb->len ||
	    !packet_load_ports(skb, packet))
		return 0;
	if (packet->tuple.protocol != IPPROTO_TCP)
		return 1;
	return !bpf_skb_load_bytes(skb, packet->transport + TCP_FLAGS_OFFSET, &packet->tcp_flags,
				   sizeof(packet->tcp_flags));
}

/*
 * Does all of packet_load() and packet_load_transport() for most packets: whole ones of TCP or UDP
 * whose headers have no options and lie together. Returns whether this is one.
 */
static __always_inline int packet_load_plain(struct __sk_buff *skb, const __u32 network,
					     enum ip_family family, struct packet *packet)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	const struct udphdr *udp = ip_load_plain(data, end, network, family, packet);
	const struct tcphdr *tcp = (void *)udp;

	if (!udp)
		return 0;
	if (packet->tuple.protocol == IPPROTO_TCP) {
		if ((void *)(tcp + 1) > end)
			return 0;
		packet->tcp_flags = ((const __u8 *)tcp)[TCP_FLAGS_OFFSET];
	} else if (packet->tuple.protocol != IPPROTO_UDP || (void *)(udp + 1) > end) {
		return 0;
	}
	packet->tuple.source.port = udp->source;
	packet->tuple.destination.port = udp->dest;
	packet->is_plain = 1;
	return 1;
}

static __always_inline struct fragment_key fragment_of(const struct packet *packet)
{
	return (struct fragment_key){
		.source = packet->tuple.source.address,
		.destination = packet->tuple.destination.address,
		.id = packet->fragment_id,
		.protocol = ip_fragment_protocol(packet),
	};
}

/* Takes protocol and ports of a later fragment from the first one. Returns whether that one has
 * been seen.
 */
static __always_inline int packet_recall_ports(struct packet *packet)
{
	struct fragment_key key = fragment_of(packet);
	const struct fragment_ports *ports = bpf_map_lookup_elem(&fragments, &key);

	if (!ports)
		return 0;
	packet->tuple.source.port = ports->source;
	packet->tuple.destination.port = ports->destination;
	packet->tuple.protocol = ports->protocol;
	return 1;
}

static __always_inline void packet_forget_ports(const struct packet *packet)
{
	struct fragment_key key = fragment_of(packet);

	bpf_map_delete_elem(&fragments, &key);
}

/* Lets later fragments of the packet find its ports, before its ends are changed. */
static __always_inline void packet_remember_ports(const struct packet *packet)
{
	struct fragment_key key = fragment_of(packet);
	struct fragment_ports ports = {
		.source = packet->tuple.source.port,
		.destination = packet->tuple.destination.port,
		.protocol = packet->tuple.protocol,
	};

	bpf_map_update_elem(&fragments, &key, &ports, BPF_ANY);
	count(PACKET_FIRST_FRAGMENT);
}

/* Offset of the transport's checksum; 0 when it has none that covers addresses and ports. */
static __always_inline __u32 checksum_offset(const struct packet *packet)
{
	if (packet->tuple.protocol == IPPROTO_TCP)
		return packet->transport + offsetof(struct tcphdr, check);
	if (packet->tuple.protocol == IPPROTO_UDP)
		return packet->transport + offsetof(struct udphdr, check);
	return 0;
}

/* Both ports as they lie in the packet, one word. */
static __always_inline __be32 port_pair(const struct ip_port *source,
					const struct ip_port *destination)
{
	const __be16 ports[2] = {source->port, destination->port};
	__be32 pair;

	__builtin_memcpy(&pair, ports, sizeof(pair));
	return pair;
}

/* ip_addresses_difference(), where the stack is short. */
__noinline __u32 packet_difference(const struct packet *packet, const struct ip_address *source,
				   const struct ip_address *destination)
{
	if (!packet || !source || !destination)
		return 0;
	return ip_addresses_difference(packet, source, destination);
}

/* Gives an IP header other addresses of the same family and so many hops; nothing of what follows.
 */
__noinline int packet_readdress(struct __sk_buff *skb, const struct packet *packet,
				const struct ip_address *source,
				const struct ip_address *destination, __u32 hops)
{
	if (!packet || !source || !destination)
		return -1;
	return ip_store(skb, packet, source, destination, hops,
			packet_difference(packet, source, destination), 0, 0);
}

/* Only a kernel that has it (6.2) lets a program read the skb itself. */
extern void *bpf_cast_to_kern_ctx(void *context) __ksym __weak;

/* What sk_buff.ip_summed says (linux/skbuff.h is not user-visible). */
enum summed {
	SUMMED_COMPLETE = 2,
	SUMMED_PARTIAL = 3,
	/* No program can tell. */
	SUMMED_UNKNOWN = 4,
};

/* What there is to a packet's checksum: an enum summed, or another one of the kernel's. */
static __always_inline __u32 packet_summed(struct __sk_buff *skb)
{
	const struct sk_buff *kernel_skb;

	if (!bpf_cast_to_kern_ctx)
		return SUMMED_UNKNOWN;
	kernel_skb = bpf_cast_to_kern_ctx(skb);
	return BPF_CORE_READ_BITFIELD(kernel_skb, ip_summed);
}

/* What becomes of a checksum when these are the differences of what it is over. */
static __always_inline __u16 checksum_after(__u16 checksum, enum summed summed, __wsum addresses,
					    __u64 ports)
{
	/* So far it is the sum of the pseudo header. */
	if (summed == SUMMED_PARTIAL)
		return checksum_fold((__u64)checksum + addresses);
	return ~checksum_fold((__u64) ~(__u32)checksum + addresses + ports);
}

/* The end of the longest IP header of a plain packet. */
#define MAX_PLAIN_HEADER (ETH_HLEN + sizeof(struct ipv6hdr))

/*
 * Does all of packet_rewrite() for a plain packet in one write. Returns 0, an error of the kernel,
 * or 1 when it is none for this: its checksum is the device's, or not to be known.
 */
__noinline int packet_rewrite_plain(struct __sk_buff *skb, const struct packet *packet,
				    const struct ip_port *source, const struct ip_port *destination,
				    __u32 hops)
{
	__u32 summed = packet_summed(skb), size;
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct transport_head head = {};
	__wsum difference;
	__be32 before;
	__u64 ports;

	if (summed == SUMMED_COMPLETE || summed == SUMMED_UNKNOWN)
		return 1;
	if (!packet || !source || !destination || packet->transport > MAX_PLAIN_HEADER)
		return -1;
	difference = ip_addresses_difference(packet, &source->address, &destination->address);
	before = port_pair(&packet->tuple.source, &packet->tuple.destination);
	head.ports = port_pair(source, destination);
	ports = (__u64)(__u32)~before + head.ports;
	if (packet->tuple.protocol == IPPROTO_TCP) {
		const struct tcphdr *tcp = data + packet->transport;

		if ((void *)(tcp + 1) > end)
			return 1;
		__builtin_memcpy(head.halves, &tcp->seq, 12);
		size = offsetof(struct tcphdr, urg_ptr);
		head.halves[6] = checksum_after(tcp->check, summed, difference, ports);
	} else {
		const struct udphdr *udp = data + packet->transport;

		if ((void *)(udp + 1) > end)
			return 1;
		size = sizeof(*udp);
		head.halves[0] = udp->len;
		/* 0 stands for none. */
		if (udp->check)
			head.halves[1] =
				checksum_after(udp->check, summed, difference, ports) ?: 0xffff;
	}
	return ip_store_plain(skb, packet, &source->address, &destination->address, hops,
			      difference, &head, size);
}

/*
 * Gives the packet other ends of the same family, and so many hops. A later fragment has no ports
 * to change. A UDP checksum of 0 stays 0, and whatever is left to the device stays with it (partial
 * checksums, GSO). Returns 0 or an error of the kernel.
 */
__noinline int packet_rewrite(struct __sk_buff *skb, const struct packet *packet,
			      const struct ip_port *source, const struct ip_port *destination,
			      __u32 hops)
{
	__u32 checksum;
	__be32 before, after;
	__u64 mangled_0;
	__wsum difference;
	int follow = 0;
	int error = 0;

	if (!packet || !source || !destination)
		return -1;
	difference = ip_addresses_difference(packet, &source->address, &destination->address);
	before = port_pair(&packet->tuple.source, &packet->tuple.destination);
	after = port_pair(source, destination);
	if (packet->fragment != LATER_FRAGMENT) {
		checksum = checksum_offset(packet);
		if (checksum) {
			mangled_0 =
				packet->tuple.protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
			error = bpf_l4_csum_replace(skb, checksum, 0, difference,
						    BPF_F_PSEUDO_HDR | mangled_0);
			if (error)
				return error;
			ip_mend_complete_checksum(skb, packet, difference);
			if (before != after)
				error = bpf_l4_csum_replace(skb, checksum, before, after,
							    mangled_0 | sizeof(before));
			if (error)
				return error;
		}
		follow = packet->transport - packet->network == ip_header_size(packet);
		if (!follow && before != after)
			error = bpf_skb_store_bytes(skb, packet->transport, &after, sizeof(after),
						    0);
		if (error)
			return error;
	}
	return ip_store(skb, packet, &source->address, &destination->address, hops, difference,
			follow, after);
}

/* packet_rewrite() or what does the same for less. */
static __always_inline int packet_translate(struct __sk_buff *skb, const struct packet *packet,
					    const struct ip_port *source,
					    const struct ip_port *destination, __u32 hops)
{
	int error =
		packet->is_plain ? packet_rewrite_plain(skb, packet, source, destination, hops) : 1;

	return error > 0 ? packet_rewrite(skb, packet, source, destination, hops) : error;
}

#endif
