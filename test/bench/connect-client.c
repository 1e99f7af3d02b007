// SPDX-License-Identifier: Apache-2.0
/*
 * Measures how long connect() takes, or the first datagram of a socket and its answer, to the same
 * servers by several ways ("arms"). The arms take turns in small blocks inside this one process, so
 * that whatever else the machine does meets all of them alike. Started by connects.ts in a pod.
 *
 *   connect-client [--stats] CPU tcp|udp EXCHANGES BLOCK NAME,TARGETS,CGROUP...
 *
 * TARGETS is a file of "address port" lines, one of them is taken at random each time; CGROUP is
 * the directory of the cgroup to be in meanwhile. Prints a line for each arm: its name, then
 * nanoseconds. Whoever answers must look like the target: otherwise this ends with 1 and says so.
 * --stats has the kernel count the runs of all BPF programs for as long as this runs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "measuring.h"

/* Exchanges at the start of a block that are not counted: a move between cgroups cools the caches.
 */
#define WARM_UP 20
#define MAX_ARMS 8
#define ANSWER_WITHIN_SECONDS 2

struct arm {
	const char *name;
	const char *cgroup;
	struct sockaddr_in *targets;
	size_t target_count;
	long *nanoseconds;
	long measured;
};

static int protocol = IPPROTO_TCP;

static void read_targets(struct arm *arm, const char *path)
{
	FILE *file = fopen(path, "r");
	char address[INET_ADDRSTRLEN];
	size_t room = 0;
	unsigned int port;

	if (!file)
		fail("open %s", path);
	while (fscanf(file, "%15s %u", address, &port) == 2) {
		struct sockaddr_in *target;

		if (arm->target_count == room) {
			room = room ? room * 2 : 1024;
			arm->targets = realloc(arm->targets, room * sizeof(*arm->targets));
			if (!arm->targets)
				fail("targets of %s", path);
		}
		target = &arm->targets[arm->target_count++];
		memset(target, 0, sizeof(*target));
		target->sin_family = AF_INET;
		target->sin_port = htons(port);
		errno = EINVAL;
		if (inet_pton(AF_INET, address, &target->sin_addr) != 1)
			fail("address %s in %s", address, path);
	}
	fclose(file);
	errno = EINVAL;
	if (arm->target_count == 0)
		fail("no targets in %s", path);
}

static void enter_cgroup(const char *cgroup)
{
	char path[4096];
	int file;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	file = open(path, O_WRONLY);
	if (file < 0 || write(file, "0", 1) != 1)
		fail("enter cgroup %s", cgroup);
	close(file);
}

static void expect_peer(const struct sockaddr_in *peer, const struct sockaddr_in *target)
{
	char shown[INET_ADDRSTRLEN], wanted[INET_ADDRSTRLEN];

	if (peer->sin_addr.s_addr == target->sin_addr.s_addr && peer->sin_port == target->sin_port)
		return;
	inet_ntop(AF_INET, &peer->sin_addr, shown, sizeof(shown));
	inet_ntop(AF_INET, &target->sin_addr, wanted, sizeof(wanted));
	errno = EPROTO;
	fail("%s:%d answers for %s:%d", shown, ntohs(peer->sin_port), wanted,
	     ntohs(target->sin_port));
}

/* Returns the nanoseconds of connect(). */
static long exchange_tcp(int socket, const struct sockaddr_in *target)
{
	/* Ends with a reset: nothing stays in TIME_WAIT. */
	const struct linger abort_on_close = {.l_onoff = 1};
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);
	long begun, ended;
	int result;

	setsockopt(socket, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
	begun = now_ns();
	result = connect(socket, (const struct sockaddr *)target, sizeof(*target));
	ended = now_ns();
	if (result)
		fail("connect to %s:%d", inet_ntoa(target->sin_addr), ntohs(target->sin_port));
	if (getpeername(socket, (struct sockaddr *)&peer, &size))
		fail("getpeername");
	expect_peer(&peer, target);
	return ended - begun;
}

/* Returns the nanoseconds from sending a datagram to its answer. */
static long exchange_udp(int socket, const struct sockaddr_in *target)
{
	const struct timeval patience = {.tv_sec = ANSWER_WITHIN_SECONDS};
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);
	char datagram[64] = "signalbox";
	long begun, ended;
	ssize_t sent, received = -1;

	setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	begun = now_ns();
	sent = sendto(socket, datagram, sizeof(datagram), 0, (const struct sockaddr *)target,
		      sizeof(*target));
	if (sent >= 0)
		received = recvfrom(socket, datagram, sizeof(datagram), 0, (struct sockaddr *)&peer,
				    &size);
	ended = now_ns();
	if (received < 0)
		fail("exchange with %s:%d", inet_ntoa(target->sin_addr), ntohs(target->sin_port));
	expect_peer(&peer, target);
	return ended - begun;
}

static void run_block(struct arm *arm, long count)
{
	enter_cgroup(arm->cgroup);
	for (long i = -WARM_UP; i < count; i++) {
		const struct sockaddr_in *target = &arm->targets[random() % arm->target_count];
		int type = protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
		int file = socket(AF_INET, type, 0);
		long ns;

		if (file < 0)
			fail("socket");
		ns = protocol == IPPROTO_TCP ? exchange_tcp(file, target)
					     : exchange_udp(file, target);
		close(file);
		if (i >= 0)
			arm->nanoseconds[arm->measured++] = ns;
	}
}

static void parse_arm(struct arm *arm, char *text, long exchanges)
{
	char *targets;

	arm->name = strsep(&text, ",");
	targets = strsep(&text, ",");
	arm->cgroup = text;
	errno = EINVAL;
	if (!targets || !text)
		fail("not NAME,TARGETS,CGROUP: %s", arm->name);
	read_targets(arm, targets);
	arm->nanoseconds = calloc(exchanges, sizeof(*arm->nanoseconds));
	if (!arm->nanoseconds)
		fail("memory for %ld exchanges", exchanges);
}

int main(int argc, char **argv)
{
	struct arm arms[MAX_ARMS] = {};
	long exchanges, block, done = 0;
	int arm_count;

	if (argc > 1 && strcmp(argv[1], "--stats") == 0) {
		enable_program_statistics();
		argv++;
		argc--;
	}
	arm_count = argc - 5;
	if (arm_count < 1 || arm_count > MAX_ARMS) {
		fprintf(stderr, "usage: connect-client [--stats] CPU tcp|udp EXCHANGES BLOCK "
				"NAME,TARGETS,CGROUP...\n");
		return 2;
	}
	pin_to_cpu(atoi(argv[1]));
	if (strcmp(argv[2], "udp") == 0)
		protocol = IPPROTO_UDP;
	exchanges = atol(argv[3]);
	block = atol(argv[4]);
	for (int i = 0; i < arm_count; i++)
		parse_arm(&arms[i], argv[5 + i], exchanges);
	srandom(getpid());
	for (int turn = 0; done < exchanges; turn++) {
		long count = exchanges - done < block ? exchanges - done : block;

		/* Each turn begins with another arm, so that none always follows the same one's
		 * heat. */
		for (int i = 0; i < arm_count; i++) {
			int forth = (turn + i) % arm_count;

			run_block(&arms[turn & 1 ? arm_count - 1 - forth : forth], count);
		}
		done += count;
	}
	for (int i = 0; i < arm_count; i++) {
		printf("%s", arms[i].name);
		for (long j = 0; j < arms[i].measured; j++)
			printf(" %ld", arms[i].nanoseconds[j]);
		printf("\n");
	}
	return 0;
}
