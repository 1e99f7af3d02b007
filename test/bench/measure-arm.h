// SPDX-License-Identifier: Apache-2.0
// A way to servers: where the client is, whom it dials, what it has measured.
#ifndef MEASURE_ARM_H
#define MEASURE_ARM_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "measuring.h"

#define ANSWER_WITHIN_SECONDS 5
#define HERE "-"

union address {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
};

struct sample {
	long ns;
	/* Of all CPUs; of bulk alone. */
	long cpu_ns;
};

struct arm {
	const char *name;
	/* File of a network namespace, and directory of a cgroup; or HERE, each. */
	const char *namespace;
	const char *cgroup;
	union address *targets;
	size_t target_count;
	struct sample *samples;
	long sample_count;
	/* Of any kind, those too that are not counted among the samples. */
	long exchanges;
};

static inline socklen_t address_size(const union address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->ipv4) : sizeof(address->ipv6);
}

static inline const char *show_address(const union address *address)
{
	static char shown[2][INET6_ADDRSTRLEN + sizeof("[]:65535")];
	static int turn;
	char host[INET6_ADDRSTRLEN];
	bool is_ipv4 = address->any.sa_family == AF_INET;
	int error = errno;

	turn ^= 1;
	if (is_ipv4)
		inet_ntop(AF_INET, &address->ipv4.sin_addr, host, sizeof(host));
	else
		inet_ntop(AF_INET6, &address->ipv6.sin6_addr, host, sizeof(host));
	snprintf(shown[turn], sizeof(shown[turn]), is_ipv4 ? "%s:%d" : "[%s]:%d", host,
		 ntohs(is_ipv4 ? address->ipv4.sin_port : address->ipv6.sin6_port));
	errno = error;
	return shown[turn];
}

/* Ends, with what errno says. */
__attribute__((noreturn)) static inline void fail_arm(const struct arm *arm, const char *what,
						      const union address *target)
{
	fail("%s: %s %s", arm->name, what, show_address(target));
}

static inline void parse_address(union address *address, const char *host, unsigned int port)
{
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, host, &address->ipv4.sin_addr) == 1) {
		address->ipv4.sin_family = AF_INET;
		address->ipv4.sin_port = htons(port);
	} else if (inet_pton(AF_INET6, host, &address->ipv6.sin6_addr) == 1) {
		address->ipv6.sin6_family = AF_INET6;
		address->ipv6.sin6_port = htons(port);
	} else {
		errno = EINVAL;
		fail("address %s", host);
	}
}

/* A line of the file: an address of either family, and a port. */
static inline void read_targets(struct arm *arm, const char *path)
{
	FILE *file = fopen(path, "r");
	char host[INET6_ADDRSTRLEN];
	size_t room = 0;
	unsigned int port;

	if (!file)
		fail("open %s", path);
	while (fscanf(file, "%45s %u", host, &port) == 2) {
		if (arm->target_count == room) {
			room = room ? room * 2 : 1024;
			arm->targets = realloc(arm->targets, room * sizeof(*arm->targets));
			if (!arm->targets)
				fail("memory for targets of %s", path);
		}
		parse_address(&arm->targets[arm->target_count++], host, port);
	}
	errno = EINVAL;
	if (!feof(file) || arm->target_count == 0)
		fail("%s: not lines of an address and a port", path);
	fclose(file);
}

/* NAME,TARGETS,NAMESPACE,CGROUP. */
static inline void parse_arm(struct arm *arm, char *text, long samples)
{
	const char *targets;

	arm->name = strsep(&text, ",");
	targets = strsep(&text, ",");
	arm->namespace = strsep(&text, ",");
	arm->cgroup = text;
	errno = EINVAL;
	if (!targets || !arm->namespace || !text)
		fail("not NAME,TARGETS,NAMESPACE,CGROUP: %s", arm->name);
	read_targets(arm, targets);
	arm->samples = calloc(samples, sizeof(*arm->samples));
	if (!arm->samples)
		fail("memory for %ld samples", samples);
}

/* A socket is for ever of the namespace and of the cgroup that its process was in when it was made.
 */
static inline void enter(const struct arm *arm)
{
	char path[4096];
	int file;

	if (strcmp(arm->namespace, HERE)) {
		file = open(arm->namespace, O_RDONLY | O_CLOEXEC);
		if (file < 0 || setns(file, CLONE_NEWNET))
			fail("%s: enter namespace %s", arm->name, arm->namespace);
		close(file);
	}
	if (strcmp(arm->cgroup, HERE)) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", arm->cgroup);
		file = open(path, O_WRONLY | O_CLOEXEC);
		if (file < 0 || write(file, "0", 1) != 1)
			fail("%s: enter cgroup %s", arm->name, arm->cgroup);
		close(file);
	}
}

/* A copy: which of them it is, and how many there are, is not to be felt while it is dialled. */
static inline union address random_target(const struct arm *arm)
{
	return arm->targets[random() % arm->target_count];
}

/* That whoever is connected to, or has answered, looks like whom was dialled. */
static inline void expect_peer(const struct arm *arm, const union address *peer,
			       const union address *target)
{
	bool is_ipv4 = target->any.sa_family == AF_INET;

	if (peer->any.sa_family == target->any.sa_family &&
	    (is_ipv4 ? peer->ipv4.sin_addr.s_addr == target->ipv4.sin_addr.s_addr &&
			       peer->ipv4.sin_port == target->ipv4.sin_port
		     : !memcmp(&peer->ipv6.sin6_addr, &target->ipv6.sin6_addr,
			       sizeof(target->ipv6.sin6_addr)) &&
			       peer->ipv6.sin6_port == target->ipv6.sin6_port))
		return;
	errno = EPROTO;
	fail("%s: %s is shown for %s", arm->name, show_address(peer), show_address(target));
}

static inline int open_socket(const union address *target, int type)
{
	/* Ends with a reset: nothing stays in TIME_WAIT. */
	const struct linger abort_on_close = {.l_onoff = 1};
	const struct timeval patience = {.tv_sec = ANSWER_WITHIN_SECONDS};
	int file = socket(target->any.sa_family, type | SOCK_CLOEXEC, 0), yes = 1;

	if (file < 0)
		fail("socket");
	setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (type == SOCK_STREAM) {
		setsockopt(file, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
		setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	}
	return file;
}

static inline void dial(const struct arm *arm, int file, const union address *target)
{
	if (connect(file, &target->any, address_size(target)))
		fail_arm(arm, "connect to", target);
}

static inline void expect_connected_to(const struct arm *arm, int file, const union address *target)
{
	union address peer = {};
	socklen_t size = sizeof(peer);

	if (getpeername(file, &peer.any, &size))
		fail_arm(arm, "getpeername of", target);
	expect_peer(arm, &peer, target);
}

#endif
