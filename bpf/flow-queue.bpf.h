/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which flows make room for others, so that no flood fills the table. Family-free.
 *
 * `flow_queue` is a ring. A flow takes the next place in it when it begins, and again when it has
 * ended; whose place that was makes room, or finds another place. Not so what is assured: it stays
 * in the table, and out of the queue, until it ends. So what anybody can make who sends packets is
 * never more than there are places, and pushes out nothing but its like, agent or not.
 */
#ifndef FLOW_QUEUE_BPF_H
#define FLOW_QUEUE_BPF_H

#include <linux/bpf.h>
#include <linux/in.h>

#include "abi.h"
#include "count.bpf.h"
#include "flow.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include <bpf/bpf_helpers.h>

/* In how many other places what has lost its own may look for one that is free. */
#define QUEUE_STEPS 7

/* How many newcomers must find a free place before that is tried again, once it was in vain. */
#define QUEUE_CROWD 16

/*
 * How long what has just begun is spared by others that look for a place. Longer than a round trip,
 * and than most clients take to go on.
 */
#define QUEUE_SPARED_NS (3ull * NS_PER_SECOND)

/* The place that is longest taken, as it stands among the flags of its flow. */
static __always_inline __u32 flow_next_place(void)
{
	__u32 zero = 0;
	struct flow_queue_end *end = bpf_map_lookup_elem(&flow_queue_ends, &zero);

	if (!end)
		return 0;
	return (1 + __sync_fetch_and_add(&end->taken, 1) % FLOW_PLACES) << FLOW_PLACE_SHIFT;
}

/* Not the next one: those that begin together end together, and stand side by side. */
static __always_inline __u32 flow_any_place(void)
{
	return (1 + bpf_get_prandom_u32() % FLOW_PLACES) << FLOW_PLACE_SHIFT;
}

static __always_inline struct flow_place *flow_slot(__u32 place)
{
	__u32 index = (place >> FLOW_PLACE_SHIFT) - 1;

	return bpf_map_lookup_elem(&flow_queue, &index);
}

static __always_inline void flow_note_place(struct flow_value *entry, __u32 place)
{
	__sync_fetch_and_and(&entry->flags, ~FLOW_PLACE);
	if (place)
		__sync_fetch_and_or(&entry->flags, place);
}

/*
 * Whether what has lost its place looks for another one: what the client has confirmed, as long as
 * it is not over. Of TCP it has ended, and what is known of it keeps its ports from other clients
 * while the backend may; of other protocols it may go on. In a crowd only the latter look, when
 * they were used since they had the place.
 */
static __always_inline int flow_has_chance(const struct flow_place *place,
					   const struct flow_value *flow, int is_crowded,
					   __u64 now_ns)
{
	int is_used = place->key.protocol != IPPROTO_TCP &&
		      (__s64)(flow->last_used_ns - place->taken_ns) > 0;

	return (flow->flags & FLOW_CONFIRMED) && (is_used || !is_crowded) &&
	       !flow_is_over(flow, place->key.protocol, now_ns);
}

/*
 * Whether what is in the way of another flow that looks for a place has just begun: it looks on in
 * that one's stead. Pushed out, a connection that the backend has answered would be reset. When its
 * own place comes round it makes room nevertheless, for it may be one of a flood.
 */
static __always_inline int flow_is_spared(const struct flow_place *place,
					  const struct flow_value *flow, __u64 now_ns)
{
	return !(flow->flags & FLOW_CONFIRMED) &&
	       (__s64)(now_ns - place->taken_ns) < (__s64)QUEUE_SPARED_NS;
}

/* Notes `place` in both entries of the packet's flow, and in `flow`, a copy of one of them. */
__noinline int flow_change_place(const struct packet *packet, struct flow_value *flow, __u32 place)
{
	struct flow_value *entry;
	struct flow_key key;

	if (!packet || !flow)
		return 0;
	flow->flags = (flow->flags & ~FLOW_PLACE) | place;
	key = packet->tuple;
	entry = bpf_map_lookup_elem(&flows, &key);
	if (entry)
		flow_note_place(entry, place);
	key = flow_other_key(&packet->tuple, flow);
	entry = bpf_map_lookup_elem(&flows, &key);
	if (entry && flow_is_other(entry, &packet->tuple))
		flow_note_place(entry, place);
	return 0;
}

/*
 * Empties a place for who comes; whose it was makes room in the table. Comes before new entries
 * are made, so that there is room for them.
 */
__noinline int flow_make_room(__u32 place)
{
	__u32 zero = 0;
	struct flow_queue_end *end = bpf_map_lookup_elem(&flow_queue_ends, &zero);
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	struct flow_place moving = {}, oldest;
	struct flow_value *entry, *other;
	struct flow_place *slot;
	struct flow_key other_key;
	int steps, is_spared;

	if (!end)
		return 0;
	for (steps = 0;; steps++) {
		slot = flow_slot(place);
		if (!slot)
			return 0;
		oldest = *slot;
		*slot = moving;
		entry = bpf_map_lookup_elem(&flows, &oldest.key);
		/* It is gone, has another place by now, or is another flow's. */
		if (!entry || (entry->flags & FLOW_PLACE) != place)
			break;
		other_key = flow_other_key(&oldest.key, entry);
		other = bpf_map_lookup_elem(&flows, &other_key);
		if (other && !flow_is_other(other, &oldest.key))
			other = NULL;
		if (flow_is_assured(entry, oldest.key.protocol)) {
			flow_note_place(entry, 0);
			if (other)
				flow_note_place(other, 0);
			break;
		}
		is_spared = steps && flow_is_spared(&oldest, entry, now_ns);
		if (steps == QUEUE_STEPS ||
		    !(is_spared || flow_has_chance(&oldest, entry, end->crowd != 0, now_ns))) {
			if (!flow_is_over(entry, oldest.key.protocol, now_ns))
				count(PACKET_FLOW_PUSHED_OUT);
			if (entry->flags & FLOW_IN_HALVES)
				flow_forget_halves(&oldest.key, entry);
			if (other)
				bpf_map_delete_elem(&flows, &other_key);
			bpf_map_delete_elem(&flows, &oldest.key);
			if (steps == QUEUE_STEPS && !is_spared)
				end->crowd = QUEUE_CROWD;
			return 0;
		}
		place = flow_any_place();
		flow_note_place(entry, place);
		if (other)
			flow_note_place(other, place);
		moving.key = oldest.key;
		moving.taken_ns = is_spared ? oldest.taken_ns : now_ns;
	}
	if (!steps && end->crowd)
		end->crowd--;
	return 0;
}

/*
 * Puts the packet's flow in its place. It goes by the reply's key: that entry is left when the
 * backend has the connection in TIME_WAIT and the client a new one.
 */
__noinline int flow_take_place(const struct packet *packet, const struct flow_value *flow)
{
	struct flow_place *slot;

	if (!packet || !flow)
		return 0;
	slot = flow_slot(flow->flags);
	if (!slot)
		return 0;
	slot->key =
		flow->flags & FLOW_REQUEST ? flow_other_key(&packet->tuple, flow) : packet->tuple;
	slot->taken_ns = bpf_ktime_get_coarse_ns();
	return 0;
}

/* Seconds from a look that was in vain to the next. */
#define CLEARING_PAUSE 16

/* How long entries are deleted at a time: some thousands. */
#define CLEARING_NS (2 * 1000 * 1000)

struct clearing {
	__u64 begun_ns;
	__u64 now_ns; /* by the clock of flows */
	__u32 has_found;
};

/* One entry, as bpf_for_each_map_elem() calls it. Returns 1 to end. */
static long flow_clear(void *map, const struct flow_key *key, const struct flow_value *flow,
		       struct clearing *clearing)
{
	struct flow_key copy;

	if (!flow_is_over(flow, key->protocol, clearing->now_ns))
		return 0;
	copy = *key;
	bpf_map_delete_elem(map, &copy);
	clearing->has_found = 1;
	return bpf_ktime_get_ns() - clearing->begun_ns > CLEARING_NS;
}

/*
 * Deletes what is over in a table that is full: what was assured when it fell silent is in no
 * queue, and without an agent nobody sweeps. Where nothing is over that takes 0.1 us for each
 * entry.
 */
__noinline int flow_clear_full(void)
{
	struct clearing clearing = {.begun_ns = bpf_ktime_get_ns(),
				    .now_ns = bpf_ktime_get_coarse_ns()};
	__u32 zero = 0, now_seconds = clearing.now_ns / NS_PER_SECOND;
	struct flow_queue_end *end = bpf_map_lookup_elem(&flow_queue_ends, &zero);

	if (!end || (__s32)(now_seconds - end->next_clearing) < 0)
		return 0;
	end->next_clearing = now_seconds + CLEARING_PAUSE;
	bpf_for_each_map_elem(&flows, flow_clear, &clearing, 0);
	if (clearing.has_found)
		end->next_clearing = now_seconds + 1;
	return 0;
}

/* Has the packet's flow, which has ended, queue up again. */
static __always_inline void flow_queue_up(const struct packet *packet, struct flow_value *flow)
{
	__u32 place = flow_next_place();

	flow_change_place(packet, flow, place);
	flow_make_room(place);
	flow_take_place(packet, flow);
}

#endif
