/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every table, once. User space creates them from here, pins them and shares them between programs.
 */
#ifndef MAPS_BPF_H
#define MAPS_BPF_H

#include <linux/bpf.h>

#include "abi.h"
#include <bpf/bpf_helpers.h>

/*
 * Hashes are made without preallocation: the bound costs its bucket array (16 bytes each, of a
 * power of two) and nothing more, so it can be far above need. LRUs have all their entries from the
 * start, so they are made for what a machine of two CPUs can do; datapath.ts makes them, and flows,
 * larger where there are more.
 */

/* What clients dial -> everything needed to serve them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct frontend_key);
	__type(value, struct frontend_value);
} frontends SEC(".maps");

/* Backends, in immutable runs. User space replaces it by a larger copy of itself when it fills. */
struct slot_array {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ip_port);
};

/* The one slot array in force, at index 0. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct slot_array);
} slots SEC(".maps");

/* Backends that a remembered choice may go on using: of every service port, those that serve. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct member_key);
	__type(value, struct member_value);
} members SEC(".maps");

/* Who may use restricted frontends. No trie entry is allocated before it is written. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct source_range_key);
	__type(value, struct presence);
} source_ranges SEC(".maps");

/* Addresses on which this node serves nodePorts. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct node_port_address);
	__type(value, struct presence);
} node_port_addresses SEC(".maps");

/*
 * What clusterIPs are taken from: an address in one of them that no Service has leads nowhere. And
 * single addresses in them that another proxy serves.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct ip_prefix);
	__type(value, struct presence);
} service_cidrs SEC(".maps");

/* What is worth a look in the tables of addresses above. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERVED_NETWORKS_WORDS);
	__type(key, __u32);
	__type(value, struct served_networks);
} served_networks SEC(".maps");

/* At index 0. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct node);
} nodes SEC(".maps");

/*
 * Where each client's next connection goes. LRU because clients come and go without a word.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct affinity_key);
	__type(value, struct affinity_value);
} affinities SEC(".maps");

/* service_port_id -> its name. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct service_port_name);
} service_ports SEC(".maps");

/* Socket -> the service that it is connected to. The kernel frees an entry with its socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_service);
} socket_services SEC(".maps");

/*
 * By a hash of the socket's address: see dial.bpf.h. A power of two; more where there are more
 * CPUs.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct dial);
} dials SEC(".maps");

/*
 * Unconnected UDP: (socket, service address) -> backend, and (socket, backend) -> service address.
 * LRU because nothing says when such a pair ends. Either entry is made again by the next datagram
 * sent. With a thousand new sockets a second, as resolvers make them, a pair that is not used stays
 * for four seconds: an answer takes less.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct udp_peer_key);
	__type(value, struct udp_backend);
} udp_backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct udp_peer_key);
	__type(value, struct ip_port);
} udp_services SEC(".maps");

/* Where pods have their addresses: their connections are those of clients inside. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct ip_prefix);
	__type(value, struct presence);
} cluster_cidrs SEC(".maps");

/* ifindex -> what the packet path must know of a device. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct device);
} devices SEC(".maps");

/* Connections on the packet path, two entries each. What is not assured is in flow_queue, too. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct flow_key);
	__type(value, struct flow_value);
} flows SEC(".maps");

/* The flows that make room when others come, in a ring: see flow-queue.bpf.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOW_PLACES);
	__type(key, __u32);
	__type(value, struct flow_place);
} flow_queue SEC(".maps");

/* At index 0. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_queue_end);
} flow_queue_ends SEC(".maps");

/* By a hash of the backend. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct masquerade_turns);
} masquerade_turns SEC(".maps");

/* Fragments on the packet path whose first one has been seen: the others follow at once. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct fragment_key);
	__type(value, struct fragment_ports);
} fragments SEC(".maps");

/* enum packet_outcome -> how often. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PACKET_OUTCOMES);
	__type(key, __u32);
	__type(value, struct packet_count);
} packet_counts SEC(".maps");

/* service_port_id modulo SERVICE_COUNTERS -> how often. May have fewer entries: see datapath.ts. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERVICE_COUNTERS);
	__type(key, __u32);
	__type(value, struct service_count);
} service_counts SEC(".maps");

/* At index 0. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct refusal_budget);
} refusal_budgets SEC(".maps");

/* By a hash of both addresses; a power of two. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct way);
} ways SEC(".maps");

/* At index 0. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tick);
} ticks SEC(".maps");

#endif
