// SPDX-License-Identifier: Apache-2.0
// socket-storm MILLISECONDS SOCKETS ADDRESS:PORT...: threads open, use and close up to SOCKETS IPv4
// sockets each, in any order: TCP connects, again after a disconnect, and looks at its peer; UDP
// asks without being connected. Whoever was dialled must be who is shown, whatever happens to the
// sockets of others meanwhile. Some targets have the same backend; one may be the backend itself.
// Started by socket-dials.test.ts.
//
// Says how many looks there were, how many saw another address, and the first of these.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define MAX_SOCKETS 1024

struct slot {
	int fd; // 0: none
	int is_tcp;
	int target; // of TCP
};

static struct sockaddr_in targets[16];
static int target_count, slot_count;
static atomic_int is_over;
static atomic_long looks[2], wrong, lost;
static char first_wrong[128];

static void see(int is_tcp, int target, const struct sockaddr_in *shown)
{
	const struct sockaddr_in *meant = &targets[target];
	char text[2][INET_ADDRSTRLEN];

	atomic_fetch_add(&looks[is_tcp], 1);
	if (shown->sin_addr.s_addr == meant->sin_addr.s_addr && shown->sin_port == meant->sin_port)
		return;
	if (atomic_fetch_add(&wrong, 1) == 0)
		sprintf(first_wrong, "%s: %s:%d for %s:%d", is_tcp ? "TCP" : "UDP",
			inet_ntop(AF_INET, &shown->sin_addr, text[0], sizeof(text[0])),
			ntohs(shown->sin_port),
			inet_ntop(AF_INET, &meant->sin_addr, text[1], sizeof(text[1])),
			ntohs(meant->sin_port));
}

static void look(const struct slot *slot)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);

	if (getpeername(slot->fd, (struct sockaddr *)&peer, &length))
		atomic_fetch_add(&lost, 1);
	else
		see(1, slot->target, &peer);
}

// Returns whether the socket can be used.
static int dial(struct slot *slot, unsigned *chance)
{
	slot->target = rand_r(chance) % target_count;
	if (connect(slot->fd, (struct sockaddr *)&targets[slot->target], sizeof(targets[0])))
		return 0;
	look(slot);
	return 1;
}

static int disconnect(int fd)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	return connect(fd, &none, sizeof(none));
}

static int ask(const struct slot *slot, unsigned *chance)
{
	int target = rand_r(chance) % target_count;
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	char answer[64];

	if (sendto(slot->fd, "?", 1, 0, (struct sockaddr *)&targets[target], sizeof(targets[0])) <
		    0 ||
	    recvfrom(slot->fd, answer, sizeof(answer), 0, (struct sockaddr *)&from, &length) < 0)
		return 0;
	see(0, target, &from);
	return 1;
}

static void close_slot(struct slot *slot)
{
	close(slot->fd);
	slot->fd = 0;
}

static void open_slot(struct slot *slot, unsigned *chance)
{
	// By a reset: no port stays behind.
	struct linger reset = {.l_onoff = 1};
	struct timeval patience = {.tv_sec = 5};

	slot->is_tcp = rand_r(chance) % 2;
	slot->fd = socket(AF_INET, slot->is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(slot->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (slot->is_tcp && !dial(slot, chance)) {
		atomic_fetch_add(&lost, 1);
		close_slot(slot);
	}
}

static void use_slot(struct slot *slot, unsigned *chance)
{
	int is_good = 1;

	if (rand_r(chance) % 4 == 0) {
		close_slot(slot);
		return;
	}
	if (!slot->is_tcp)
		is_good = ask(slot, chance);
	else if (rand_r(chance) % 2)
		look(slot);
	else
		is_good = !disconnect(slot->fd) && dial(slot, chance);
	if (!is_good) {
		atomic_fetch_add(&lost, 1);
		close_slot(slot);
	}
}

static void *storm(void *number)
{
	unsigned chance = (unsigned)(long)number;
	struct slot slots[MAX_SOCKETS] = {0};

	while (!is_over) {
		struct slot *slot = &slots[rand_r(&chance) % slot_count];

		if (slot->fd)
			use_slot(slot, &chance);
		else
			open_slot(slot, &chance);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc < 4)
		return 2;
	slot_count = atoi(argv[2]);
	for (int i = 3; i < argc; i++) {
		struct sockaddr_in *target = &targets[target_count++];
		char *colon = strchr(argv[i], ':');

		*colon = '\0';
		target->sin_family = AF_INET;
		target->sin_port = htons(atoi(colon + 1));
		inet_pton(AF_INET, argv[i], &target->sin_addr);
	}
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, storm, (void *)(i + getpid()));
	usleep(atoi(argv[1]) * 1000);
	is_over = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("{\"tcp\":%ld,\"udp\":%ld,\"lost\":%ld,\"wrong\":%ld,\"first\":\"%s\"}\n", looks[1],
	       looks[0], lost, wrong, first_wrong);
	return 0;
}
