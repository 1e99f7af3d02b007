// SPDX-License-Identifier: Apache-2.0
/*
 * Traffic through Services that is to go on whatever becomes of a proxy, and counts what does not:
 * life-load.ts starts it in a client pod, against measure-server.c, which sends back what it gets.
 *
 *   steady-load NEW_PER_SECOND OPEN PATIENCE_S
 *
 * Standard input: `tcp ADDRESS PORT` and `udp ADDRESS PORT` lines, then `go`. From then on it makes
 * so many connections a second, each to one of the targets at random and with one byte there and
 * back; and as many exchanges a second on connections that stay open, by connected UDP sockets and
 * by unconnected ones, OPEN of each. `report` has it say what came of all so far; at the end of the
 * input it waits for what is under way, says the same, and ends:
 *
 *   report NAME EXCHANGES FAILED NAME EXCHANGES FAILED ... longest NS
 *
 * PATIENCE_S is how long an answer may take, in seconds: longer than an application would wait
 * where what comes late because others held the CPU is to be told apart from what is lost.
 *
 * What failed is counted once and begun anew, to another target. What failed last is told on
 * standard error at the end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measuring.h"

/* With more under way than that no connection is begun. */
#define MAX_FLOWS 512
/* So late, what should have begun meanwhile is not made up for. */
#define LATE_NS 1000000000L

enum kind { NEW, OPEN, CONNECTED, UNCONNECTED, KINDS };
static const char *const NAMES[KINDS] = {"new", "open", "connected", "unconnected"};

struct targets {
	struct sockaddr_in *addresses;
	size_t count;
};

struct flow {
	enum kind kind;
	int file; /* -1: the place is free, or the flow has to be opened */
	int is_used;
	struct sockaddr_in target;
	/* Of its exchange; none is under way when 0. */
	long begun_ns;
	long due_ns;
	int has_sent;
	unsigned char byte;
};

static struct targets tcp, udp;
static struct flow flows[MAX_FLOWS];
static long exchanges[KINDS], failed[KINDS], longest_ns, patience_ns;
static char last_failure[128];
static int is_over;

static int is_datagram(const struct flow *flow)
{
	return flow->kind == CONNECTED || flow->kind == UNCONNECTED;
}

static void add_target(struct targets *targets, const char *address, int port)
{
	struct sockaddr_in *target;

	targets->addresses =
		realloc(targets->addresses, (targets->count + 1) * sizeof(*targets->addresses));
	if (!targets->addresses)
		fail("remember a target");
	target = &targets->addresses[targets->count++];
	*target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	errno = EINVAL;
	if (inet_pton(AF_INET, address, &target->sin_addr) != 1)
		fail("target %s", address);
}

static void close_flow(struct flow *flow)
{
	struct linger reset = {.l_onoff = 1};

	if (flow->file < 0)
		return;
	/* Ports in TIME_WAIT would run out. */
	if (!is_datagram(flow))
		setsockopt(flow->file, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(flow->file);
	flow->file = -1;
}

static void end_exchange(struct flow *flow, const char *failure)
{
	char address[INET_ADDRSTRLEN];
	long took_ns = now_ns() - flow->begun_ns;

	longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
	flow->begun_ns = 0;
	if (failure) {
		failed[flow->kind]++;
		inet_ntop(AF_INET, &flow->target.sin_addr, address, sizeof(address));
		snprintf(last_failure, sizeof(last_failure), "%s to %s: %s", NAMES[flow->kind],
			 address, failure);
	} else {
		exchanges[flow->kind]++;
	}
	if (failure || flow->kind == NEW)
		close_flow(flow);
	if (flow->kind == NEW)
		flow->is_used = 0;
}

static void end_failed(struct flow *flow, int error)
{
	end_exchange(flow, strerrorname_np(error) ?: "an error");
}

static void send_byte(struct flow *flow)
{
	const struct sockaddr *to =
		flow->kind == UNCONNECTED ? (const struct sockaddr *)&flow->target : NULL;

	/* The server makes something else of 0 and of '?'. */
	flow->byte = 'a' + random() % 26;
	flow->has_sent = 1;
	if (sendto(flow->file, &flow->byte, 1, MSG_NOSIGNAL, to, to ? sizeof(flow->target) : 0) !=
	    1)
		end_failed(flow, errno);
}

static void begin_exchange(struct flow *flow, long now)
{
	struct targets *targets = is_datagram(flow) ? &udp : &tcp;

	flow->begun_ns = now;
	flow->has_sent = 0;
	if (flow->file >= 0) {
		send_byte(flow);
		return;
	}
	flow->target = targets->addresses[random() % targets->count];
	flow->file =
		socket(AF_INET, (is_datagram(flow) ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);
	if (flow->file < 0)
		fail("make a socket");
	if (flow->kind == UNCONNECTED) {
		send_byte(flow);
		return;
	}
	if (connect(flow->file, (struct sockaddr *)&flow->target, sizeof(flow->target)) &&
	    errno != EINPROGRESS)
		end_failed(flow, errno);
	else if (is_datagram(flow))
		send_byte(flow);
}

/* Its socket can be read from, or has been connected, or has an error. */
static void go_on(struct flow *flow)
{
	struct sockaddr_in from = {0};
	socklen_t from_size = sizeof(from);
	unsigned char bytes[2];
	ssize_t size;

	if (!flow->has_sent) {
		int error = 0;
		socklen_t size = sizeof(error);

		getsockopt(flow->file, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error)
			end_failed(flow, error);
		else
			send_byte(flow);
		return;
	}
	size = recvfrom(flow->file, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_size);
	if (size < 0 && errno == EAGAIN)
		return;
	if (size < 0)
		end_failed(flow, errno);
	else if (size != 1 || bytes[0] != flow->byte)
		end_exchange(flow, size == 0 ? "hung up" : "answered with something else");
	else if (flow->kind == UNCONNECTED &&
		 (from.sin_addr.s_addr != flow->target.sin_addr.s_addr ||
		  from.sin_port != flow->target.sin_port))
		end_exchange(flow, "answered by somebody else");
	else
		end_exchange(flow, NULL);
}

/* Returns NULL when all are under way. */
static struct flow *take_flow(enum kind kind)
{
	for (int i = 0; i < MAX_FLOWS; i++) {
		if (flows[i].is_used)
			continue;
		flows[i] = (struct flow){.kind = kind, .file = -1, .is_used = 1};
		return &flows[i];
	}
	return NULL;
}

static void report(void)
{
	printf("report");
	for (int kind = 0; kind < KINDS; kind++)
		printf(" %s %ld %ld", NAMES[kind], exchanges[kind], failed[kind]);
	printf(" longest %ld\n", longest_ns);
}

/* Returns whether `go` was among the orders. */
static int read_orders(void)
{
	static char text[1 << 16];
	static size_t filled;
	char *line = text, *end, address[INET_ADDRSTRLEN];
	ssize_t size = read(STDIN_FILENO, text + filled, sizeof(text) - 1 - filled);
	int port, is_to_go = 0;

	if (size <= 0) {
		is_over = 1;
		return 0;
	}
	filled += size;
	text[filled] = '\0';
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (sscanf(line, "tcp %15s %d", address, &port) == 2)
			add_target(&tcp, address, port);
		else if (sscanf(line, "udp %15s %d", address, &port) == 2)
			add_target(&udp, address, port);
		else if (strcmp(line, "report") == 0)
			report();
		else if (strcmp(line, "go") == 0)
			is_to_go = 1;
	}
	filled -= line - text;
	memmove(text, line, filled);
	return is_to_go;
}

/* Until `until_ns`, an order, or something that goes on. Returns how many exchanges are under way.
 */
static int wait_and_go_on(long until_ns)
{
	static struct pollfd files[1 + MAX_FLOWS];
	static struct flow *of_file[1 + MAX_FLOWS];
	long now, wait = until_ns - now_ns();
	struct timespec timeout = {0};
	int count = 1;

	files[0] = (struct pollfd){.fd = is_over ? -1 : STDIN_FILENO, .events = POLLIN};
	for (int i = 0; i < MAX_FLOWS; i++) {
		struct flow *flow = &flows[i];

		if (!flow->is_used || !flow->begun_ns)
			continue;
		of_file[count] = flow;
		files[count++] = (struct pollfd){
			.fd = flow->file,
			.events = flow->has_sent ? POLLIN : POLLOUT,
		};
	}
	timeout.tv_nsec = wait > 0 ? wait : 0;
	if (ppoll(files, count, &timeout, NULL) < 0 && errno != EINTR)
		fail("wait");
	now = now_ns();
	for (int i = 1; i < count; i++) {
		if (files[i].revents)
			go_on(of_file[i]);
		else if (now - of_file[i]->begun_ns > patience_ns)
			end_exchange(of_file[i], "not answered");
	}
	if (files[0].revents)
		read_orders();
	return count - 1;
}

int main(int argc, char **argv)
{
	long period_ns, now, next_new_ns;
	int open;

	if (argc != 4) {
		fprintf(stderr, "usage: steady-load NEW_PER_SECOND OPEN PATIENCE_S\n");
		return 2;
	}
	period_ns = 1000000000L / atoi(argv[1]);
	open = atoi(argv[2]);
	patience_ns = atol(argv[3]) * 1000000000L;
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (!read_orders()) {
		if (is_over)
			return 0;
	}
	errno = EINVAL;
	if (tcp.count == 0 || udp.count == 0)
		fail("have no target of both protocols");
	next_new_ns = now_ns();
	for (int kind = OPEN; kind < KINDS; kind++) {
		for (int i = 0; i < open; i++) {
			struct flow *flow = take_flow(kind);

			errno = EINVAL;
			if (!flow)
				fail("keep %d of each kind open", open);
			flow->due_ns = next_new_ns + period_ns * i;
		}
	}
	for (;;) {
		long until_ns;

		now = now_ns();
		if (!is_over && now >= next_new_ns) {
			struct flow *flow = take_flow(NEW);

			if (flow)
				begin_exchange(flow, now);
			next_new_ns = now - next_new_ns > LATE_NS ? now : next_new_ns + period_ns;
		}
		for (int i = 0; !is_over && i < MAX_FLOWS; i++) {
			struct flow *flow = &flows[i];

			if (!flow->is_used || flow->begun_ns || flow->due_ns > now)
				continue;
			flow->due_ns = now + period_ns * open;
			begin_exchange(flow, now);
		}
		until_ns = next_new_ns;
		if (is_over)
			until_ns = now + period_ns;
		if (wait_and_go_on(until_ns) == 0 && is_over)
			break;
	}
	report();
	if (last_failure[0])
		fprintf(stderr, "steady-load: the last one that failed: %s\n", last_failure);
	return 0;
}
