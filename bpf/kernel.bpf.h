/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is read of the kernel's own structures: the members in use and no other. Where a member lies
 * is found out when a program is loaded, from the BTF of the running kernel (CO-RE).
 */
#ifndef KERNEL_BPF_H
#define KERNEL_BPF_H

#include <linux/bpf.h>
#include <linux/in6.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

struct in_ifaddr {
	struct in_ifaddr *ifa_next;
	__be32 ifa_local;
	unsigned char ifa_scope;
};

struct in_device {
	struct in_ifaddr *ifa_list;
};

struct inet6_ifaddr {
	struct in6_addr addr;
	__u16 scope;
	struct list_head if_list;
};

struct inet6_dev {
	struct list_head addr_list;
};

struct net_device {
	struct list_head dev_list;
	unsigned int flags;
	struct in_device *ip_ptr;
	struct inet6_dev *ip6_ptr;
};

struct ns_common {
	/* The number that /proc/PID/ns/net shows. */
	unsigned int inum;
};

struct net {
	struct list_head dev_base_head;
	struct ns_common ns;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num; /* the local port, in the host's byte order */
	unsigned short skc_family;
	unsigned char skc_state;
	int skc_bound_dev_if;
	struct {
		struct net *net;
	} skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	struct {
		long long counter;
	} skc_cookie;
	struct {
		struct {
			int counter;
		} refs;
	} skc_refcnt;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
};

/* As what two numbers of 64 bits are read, whatever they are. */
struct timespec64 {
	long long tv_sec;
	long long tv_nsec;
};

/* Of a map of BPF, as which a program may read its own. */
struct bpf_map {
	__u32 max_entries;
};

struct sk_buff {
	/* CHECKSUM_NONE, CHECKSUM_UNNECESSARY, CHECKSUM_COMPLETE, CHECKSUM_PARTIAL
	 * (linux/skbuff.h) */
	__u8 ip_summed : 2;
};

struct udp_sock;
struct seq_file;

/* The contexts of iterators. */
struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
};

struct bpf_iter__udp {
	struct udp_sock *udp_sk;
};

#pragma clang attribute pop

/*
 * Says that a structure of the kernel lies at an address: its members are then read by plain loads,
 * which read 0 where there is nothing. Since 6.2; NULL before.
 */
extern void *bpf_rdonly_cast(const void *address, __u32 type) __ksym __weak;

#define kernel_view(address, type)                                                                 \
	((const type *)bpf_rdonly_cast(address, bpf_core_type_id_kernel(type)))

#endif
