// SPDX-License-Identifier: Apache-2.0
// How long one exchange takes: what measure-client.c does in a block of each kind of latency. Only
// what a kind is called is timed: not making the socket, not looking whether the answer is right.
#ifndef MEASURE_LATENCY_H
#define MEASURE_LATENCY_H

#include <time.h>

#include "measure-arm.h"

/* At the start of a block, not counted: another namespace, cgroup and server cool the caches. */
#define WARM_UP 40
/* Exchanges on a connection that stands, or with a socket that has sent before; and the first ones,
 * not counted. */
#define SOCKET_EXCHANGES 25
#define SOCKET_WARM_UP 2
/* A query of DNS is about as long. */
#define DATAGRAM_SIZE 64

/* Not 0 and not '?': measure-server.c does something else for those. */
static inline char random_byte(void)
{
	return 'a' + random() % 26;
}

/* Returns nanoseconds. */
static inline long byte_there_and_back(const struct arm *arm, int file, const union address *target)
{
	const char byte = random_byte();
	char answer = 0;
	long begun = now_ns(), ns;

	if (send(file, &byte, 1, MSG_NOSIGNAL) != 1 || recv(file, &answer, 1, 0) != 1)
		fail_arm(arm, "one byte there and back:", target);
	ns = now_ns() - begun;
	errno = EPROTO;
	if (answer != byte)
		fail_arm(arm, "another byte than was sent:", target);
	return ns;
}

static inline long time_connect(const struct arm *arm, const union address *target)
{
	int file = open_socket(target, SOCK_STREAM);
	long begun = now_ns(), ns;

	dial(arm, file, target);
	ns = now_ns() - begun;
	expect_connected_to(arm, file, target);
	close(file);
	return ns;
}

static inline long time_connection(const struct arm *arm, const union address *target)
{
	int file = open_socket(target, SOCK_STREAM);
	long begun = now_ns(), ns;

	dial(arm, file, target);
	byte_there_and_back(arm, file, target);
	ns = now_ns() - begun;
	expect_connected_to(arm, file, target);
	close(file);
	/* The server, on the same CPU, learns of the end now, and not during the next one. */
	sched_yield();
	return ns;
}

/* Returns nanoseconds, from sending until the answer is there. A socket that is not connected is
 * told the target. */
static inline long time_datagram(const struct arm *arm, int file, const union address *target,
				 bool is_connected)
{
	char datagram[DATAGRAM_SIZE], answer[DATAGRAM_SIZE + 1];
	union address peer = {};
	socklen_t peer_size = sizeof(peer);
	ssize_t sent, received = -1;
	long begun, ns;

	memset(datagram, random_byte(), sizeof(datagram));
	snprintf(datagram + 1, sizeof(datagram) - 1, "%ld", random());
	begun = now_ns();
	if (is_connected) {
		sent = send(file, datagram, sizeof(datagram), 0);
		if (sent >= 0)
			received = recv(file, answer, sizeof(answer), 0);
	} else {
		sent = sendto(file, datagram, sizeof(datagram), 0, &target->any,
			      address_size(target));
		if (sent >= 0)
			received = recvfrom(file, answer, sizeof(answer), 0, &peer.any, &peer_size);
	}
	ns = now_ns() - begun;
	if (received < 0)
		fail_arm(arm, "a datagram and its answer:", target);
	if (!is_connected)
		expect_peer(arm, &peer, target);
	errno = EPROTO;
	if (received != sizeof(datagram) || memcmp(answer, datagram, sizeof(datagram)))
		fail_arm(arm, "another datagram than was sent:", target);
	return ns;
}

static inline long time_first_datagram(const struct arm *arm, const union address *target)
{
	int file = open_socket(target, SOCK_DGRAM);
	long ns = time_datagram(arm, file, target, false);

	close(file);
	return ns;
}

static inline long time_first_connected(const struct arm *arm, const union address *target)
{
	int file = open_socket(target, SOCK_DGRAM);
	long begun = now_ns(), ns;

	dial(arm, file, target);
	ns = now_ns() - begun + time_datagram(arm, file, target, true);
	expect_connected_to(arm, file, target);
	close(file);
	return ns;
}

static inline void keep(struct arm *arm, long ns)
{
	arm->samples[arm->sample_count++] = (struct sample){.ns = ns};
}

/* Each exchange has a socket of its own. */
static inline void run_apart(struct arm *arm, long count,
			     long (*time_exchange)(const struct arm *, const union address *))
{
	for (long i = -WARM_UP; i < count; i++) {
		const union address target = random_target(arm);
		long ns = time_exchange(arm, &target);

		arm->exchanges++;
		if (i >= 0)
			keep(arm, ns);
	}
}

/* Many exchanges with each socket. */
static inline void run_on(struct arm *arm, long count, int type, bool is_connected)
{
	long left = WARM_UP + count;

	while (left > 0) {
		const union address any = random_target(arm), *target = &any;
		int file = open_socket(target, type);

		if (is_connected) {
			dial(arm, file, target);
			expect_connected_to(arm, file, target);
		}
		for (int i = -SOCKET_WARM_UP; i < SOCKET_EXCHANGES && left > 0; i++) {
			long ns = type == SOCK_STREAM
					  ? byte_there_and_back(arm, file, target)
					  : time_datagram(arm, file, target, is_connected);

			arm->exchanges++;
			if (i < 0)
				continue;
			if (left <= count)
				keep(arm, ns);
			left--;
		}
		close(file);
	}
}

/*
 * Who only connects does not wait for the server, which is on the same CPU: it accepts at the end
 * of the block. On another CPU, to wake it would take longer than what is measured, or not, as that
 * one happens to sleep.
 */
static inline void run_connects(struct arm *arm, long count)
{
	const struct timespec for_the_server = {.tv_nsec = 2000000};

	run_apart(arm, count, time_connect);
	nanosleep(&for_the_server, NULL);
}

static inline void run_connections(struct arm *arm, long count)
{
	run_apart(arm, count, time_connection);
}

static inline void run_round_trips(struct arm *arm, long count)
{
	run_on(arm, count, SOCK_STREAM, true);
}

static inline void run_first_datagrams(struct arm *arm, long count)
{
	run_apart(arm, count, time_first_datagram);
}

static inline void run_first_connected(struct arm *arm, long count)
{
	run_apart(arm, count, time_first_connected);
}

static inline void run_next_datagrams(struct arm *arm, long count)
{
	run_on(arm, count, SOCK_DGRAM, false);
}

static inline void run_next_connected(struct arm *arm, long count)
{
	run_on(arm, count, SOCK_DGRAM, true);
}

#endif
