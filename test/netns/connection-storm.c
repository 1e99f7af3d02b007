// SPDX-License-Identifier: Apache-2.0
// connection-storm SOURCE FIRST_PORT PORTS ADDRESS PORT COUNT FLIGHT END: makes COUNT TCP
// connections as fast as it can, FLIGHT at a time, from PORTS source ports that are used again and
// again. Each hears who answered and ends: END is `bye`, then the backend ends first and the
// client's port is free at once, or `reset`. connection-storm.ts starts it.
//
// Says how many were greeted, what the others met, and how many segments the network namespace had
// to send again meanwhile: a connection that stalls is one whose SYN went unanswered.
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
#include <unistd.h>

#define PATIENCE_SECONDS 20
#define MAX_ERRNO 256

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct flight {
	int first_port, ports, next;
	pthread_t thread;
};

static union address source, destination;
static socklen_t length;
static const char *end;
static atomic_long left, greeted, failed[MAX_ERRNO];

static void parse_address(const char *text, int port, union address *address)
{
	if (strchr(text, ':')) {
		address->v6.sin6_family = AF_INET6;
		address->v6.sin6_port = htons(port);
		inet_pton(AF_INET6, text, &address->v6.sin6_addr);
		length = sizeof(address->v6);
		return;
	}
	address->v4.sin_family = AF_INET;
	address->v4.sin_port = htons(port);
	inet_pton(AF_INET, text, &address->v4.sin_addr);
	length = sizeof(address->v4);
}

// @return 0, or the errno of what went wrong.
static int connect_once(int port)
{
	struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
	struct linger reset = {.l_onoff = 1};
	int fd = socket(source.any.sa_family, SOCK_STREAM, 0), yes = 1, error = 0;
	union address own = source;
	char text[256];

	// At the same place in both families.
	own.v4.sin_port = htons(port);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	errno = 0;
	if (bind(fd, &own.any, length) || connect(fd, &destination.any, length) ||
	    recv(fd, text, sizeof(text), 0) <= 0)
		error = errno ? errno : ENODATA;
	else if (*end == 'r')
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	else if (send(fd, "bye", 3, MSG_NOSIGNAL) != 3 || recv(fd, text, sizeof(text), 0) != 0)
		error = errno ? errno : EPROTO;
	close(fd);
	return error;
}

static void *run(void *argument)
{
	struct flight *flight = argument;

	while (atomic_fetch_sub(&left, 1) > 0) {
		int error = connect_once(flight->first_port + flight->next++ % flight->ports);

		if (error)
			failed[error]++;
		else
			greeted++;
	}
	return NULL;
}

// SYNs sent again in this network namespace: what makes a connection stall for a second.
static long retransmitted(void)
{
	char names[8192], values[8192], *name, *value, *rest_of_names, *rest_of_values;
	FILE *file = fopen("/proc/self/net/netstat", "r");
	long found = -1;

	while (fgets(names, sizeof(names), file) && fgets(values, sizeof(values), file)) {
		if (strncmp(names, "TcpExt:", 7))
			continue;
		name = strtok_r(names, " ", &rest_of_names);
		value = strtok_r(values, " ", &rest_of_values);
		for (; name && value; name = strtok_r(NULL, " ", &rest_of_names),
				      value = strtok_r(NULL, " ", &rest_of_values))
			if (!strcmp(name, "TCPSynRetrans"))
				found = atol(value);
	}
	fclose(file);
	return found;
}

int main(int argc, char **argv)
{
	struct flight flights[64] = {0};
	const char *comma = "";

	if (argc != 9)
		return 2;
	int first_port = atoi(argv[2]), ports = atoi(argv[3]), flying = atoi(argv[7]);
	long before = retransmitted();

	parse_address(argv[1], 0, &source);
	parse_address(argv[4], atoi(argv[5]), &destination);
	left = atol(argv[6]);
	end = argv[8];
	for (int i = 0; i < flying; i++) {
		flights[i].ports = ports / flying;
		flights[i].first_port = first_port + i * flights[i].ports;
		pthread_create(&flights[i].thread, NULL, run, &flights[i]);
	}
	for (int i = 0; i < flying; i++)
		pthread_join(flights[i].thread, NULL);
	printf("{\"greeted\":%ld,\"retransmitted\":%ld,\"failed\":{", greeted,
	       retransmitted() - before);
	for (int i = 0; i < MAX_ERRNO; i++) {
		if (failed[i])
			printf("%s\"%s\":%ld", comma, strerrorname_np(i), failed[i]), comma = ",";
	}
	puts("}}");
	return 0;
}
