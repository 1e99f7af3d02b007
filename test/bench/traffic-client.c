// SPDX-License-Identifier: Apache-2.0
/*
 * Measures traffic to the same servers by several ways ("arms"), which take turns in blocks inside
 * this one process, so that whatever else the machine does meets all of them alike. The other end
 *is traffic-server.c. Started by nodeport-traffic.ts outside of the node.
 *
 *	traffic-client [--stats] CPU KIND COUNT BLOCK CPU-FILES NAME,ADDRESS,PORT...
 *
 * KIND	connections	a connection, and one byte there and back
 *	round-trips	one byte there and back, on a connection that stands
 *	datagrams	small datagrams, one way; each burst is answered once
 *	megabytes	one way, on one connection
 *
 * COUNT of them for each arm, in blocks of BLOCK; of a last block that is not full, nothing. Prints
 *a line for each arm: its name, then for the first two kinds the nanoseconds of each, for the
 *others for each block "CPU-NANOSECONDS/NANOSECONDS". CPU-FILES, separated by commas, tell how much
 *the CPUs have worked on it: see nodeport-cpu.ts. Who does not answer in time ends this with 1.
 * --stats has the kernel count the runs of all BPF programs for as long as this runs, and does
 *nothing that is not counted in COUNT.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "measuring.h"

#define MAX_ARMS 32
#define MAX_CPU_FILES 1024
/* At the start of a block, not measured. */
#define WARM_UP 20
#define ANSWER_WITHIN_SECONDS 5
/* Fits any socket's buffer. */
#define BURST 32
#define DATAGRAM_SIZE 16
#define WRITE_SIZE (256 << 10)

enum kind { CONNECTIONS, ROUND_TRIPS, DATAGRAMS, MEGABYTES, KINDS };

static const char *const KIND_NAMES[KINDS] = {"connections", "round-trips", "datagrams",
					      "megabytes"};

struct sample {
	long ns;
	long cpu_ns;
};

struct arm {
	const char *name;
	const char *host;
	struct sockaddr_storage target;
	socklen_t target_size;
	struct sample *samples;
	long sample_count;
};

static enum kind kind;
static long warm_up = WARM_UP;
static char *cpu_files[MAX_CPU_FILES];
static int cpu_file_count;

/*
 * Nanoseconds. A cgroup's cpu.stat and a thread's schedstat say how long they ran, /proc/stat how
 * long all CPUs were in interrupts.
 */
static long cpu_ns_in(const char *path)
{
	unsigned long value, irq, softirq;
	char text[512];
	int file = open(path, O_RDONLY);
	ssize_t size = file < 0 ? -1 : read(file, text, sizeof(text) - 1);

	if (size < 0)
		fail("read %s", path);
	close(file);
	text[size] = '\0';
	if (sscanf(text, "usage_usec %lu", &value) == 1)
		return value * 1000;
	if (sscanf(text, "cpu %*u %*u %*u %*u %*u %lu %lu", &irq, &softirq) == 2)
		return (irq + softirq) * (1000000000L / sysconf(_SC_CLK_TCK));
	if (sscanf(text, "%lu", &value) == 1)
		return value;
	errno = EINVAL;
	fail("understand %s", path);
}

/* The kernel counts what a thread has run when it stops running: hence the sleep. */
static long cpu_ns(void)
{
	const struct timespec a_moment = {.tv_nsec = 1000000};
	long total = 0;

	nanosleep(&a_moment, NULL);
	for (int i = 0; i < cpu_file_count; i++)
		total += cpu_ns_in(cpu_files[i]);
	return total;
}

static int open_connection(const struct arm *arm)
{
	/* Ends with a reset: nothing stays in TIME_WAIT. */
	const struct linger abort_on_close = {.l_onoff = 1};
	const struct timeval patience = {.tv_sec = ANSWER_WITHIN_SECONDS};
	int yes = 1;
	int file = socket(arm->target.ss_family, kind == DATAGRAMS ? SOCK_DGRAM : SOCK_STREAM, 0);

	if (file < 0)
		fail("socket");
	setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (kind != DATAGRAMS) {
		setsockopt(file, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
		setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	}
	return file;
}

static void dial(int file, const struct arm *arm)
{
	if (connect(file, (const struct sockaddr *)&arm->target, arm->target_size))
		fail("%s: connect to %s", arm->name, arm->host);
}

static void byte_there_and_back(int file, const struct arm *arm)
{
	char byte = 'x';

	if (write(file, &byte, 1) != 1 || read(file, &byte, 1) != 1)
		fail("%s: one byte to %s and back", arm->name, arm->host);
}

static void note(struct arm *arm, long ns, long cpu)
{
	arm->samples[arm->sample_count++] = (struct sample){.ns = ns, .cpu_ns = cpu};
}

static void run_connections(struct arm *arm, long count)
{
	for (long i = -warm_up; i < count; i++) {
		int file = open_connection(arm);
		long begun = now_ns();

		dial(file, arm);
		byte_there_and_back(file, arm);
		if (i >= 0)
			note(arm, now_ns() - begun, 0);
		close(file);
	}
}

static void run_round_trips(struct arm *arm, long count)
{
	int file = open_connection(arm);

	dial(file, arm);
	for (long i = -warm_up; i < count; i++) {
		long begun = now_ns();

		byte_there_and_back(file, arm);
		if (i >= 0)
			note(arm, now_ns() - begun, 0);
	}
	close(file);
}

/* The next burst leaves when the last one has been answered: nothing overflows, nothing is lost. */
static void send_bursts(int file, const struct arm *arm, long count)
{
	char datagram[DATAGRAM_SIZE] = {};

	for (long i = 1; i <= count; i++) {
		datagram[0] = i % BURST == 0 || i == count;
		if (send(file, datagram, sizeof(datagram), 0) != sizeof(datagram))
			fail("%s: send to %s", arm->name, arm->host);
		if (datagram[0] && recv(file, datagram, sizeof(datagram), 0) < 0)
			fail("%s: answer of %s", arm->name, arm->host);
	}
}

static void run_datagrams(struct arm *arm, long count)
{
	int file = open_connection(arm);
	long cpu, begun, ended;

	dial(file, arm);
	send_bursts(file, arm, warm_up * BURST);
	cpu = cpu_ns();
	begun = now_ns();
	send_bursts(file, arm, count);
	ended = now_ns();
	note(arm, ended - begun, cpu_ns() - cpu);
	close(file);
}

static void run_megabytes(struct arm *arm, long count)
{
	static char bytes[WRITE_SIZE];
	int file = open_connection(arm);
	long left = count * 1000000, cpu = cpu_ns(), begun = now_ns(), ended;

	dial(file, arm);
	while (left > 0) {
		ssize_t size = left < WRITE_SIZE ? left : WRITE_SIZE;

		size = write(file, bytes, size);
		if (size < 0)
			fail("%s: write to %s", arm->name, arm->host);
		left -= size;
	}
	/* The other end closes when it has read everything. */
	if (shutdown(file, SHUT_WR) || read(file, bytes, 1) != 0)
		fail("%s: end of stream to %s", arm->name, arm->host);
	ended = now_ns();
	note(arm, ended - begun, cpu_ns() - cpu);
	close(file);
}

static void run_block(struct arm *arm, long count)
{
	static void (*const run[KINDS])(struct arm *, long) = {run_connections, run_round_trips,
							       run_datagrams, run_megabytes};

	run[kind](arm, count);
}

static void parse_arm(struct arm *arm, char *text, long samples)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)&arm->target;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&arm->target;

	arm->name = strsep(&text, ",");
	arm->host = strsep(&text, ",");
	errno = EINVAL;
	if (!arm->host || !text)
		fail("not NAME,ADDRESS,PORT: %s", arm->name);
	if (inet_pton(AF_INET, arm->host, &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(atoi(text));
		arm->target_size = sizeof(*ipv4);
	} else if (inet_pton(AF_INET6, arm->host, &ipv6->sin6_addr) == 1) {
		ipv6->sin6_family = AF_INET6;
		ipv6->sin6_port = htons(atoi(text));
		arm->target_size = sizeof(*ipv6);
	} else {
		fail("address %s", arm->host);
	}
	arm->samples = calloc(samples, sizeof(*arm->samples));
	if (!arm->samples)
		fail("memory for %ld samples", samples);
}

static void parse_kind(const char *text)
{
	while (kind < KINDS && strcmp(text, KIND_NAMES[kind]))
		kind++;
	errno = EINVAL;
	if (kind == KINDS)
		fail("kind %s", text);
}

static void parse_cpu_files(char *text)
{
	char *file;

	while ((file = strsep(&text, ",")))
		if (*file && cpu_file_count < MAX_CPU_FILES)
			cpu_files[cpu_file_count++] = file;
}

static void print_arm(const struct arm *arm)
{
	bool has_cpu = kind == DATAGRAMS || kind == MEGABYTES;

	printf("%s", arm->name);
	for (long i = 0; i < arm->sample_count; i++) {
		if (has_cpu)
			printf(" %ld/%ld", arm->samples[i].cpu_ns, arm->samples[i].ns);
		else
			printf(" %ld", arm->samples[i].ns);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	struct arm arms[MAX_ARMS] = {};
	long count, block;
	int arm_count;

	if (argc > 1 && strcmp(argv[1], "--stats") == 0) {
		enable_program_statistics();
		warm_up = 0;
		argv++;
		argc--;
	}
	arm_count = argc - 6;
	if (arm_count < 1 || arm_count > MAX_ARMS) {
		fprintf(stderr, "usage: traffic-client [--stats] CPU KIND COUNT BLOCK CPU-FILES "
				"NAME,ADDRESS,PORT...\n");
		return 2;
	}
	pin_to_cpu(atoi(argv[1]));
	parse_kind(argv[2]);
	count = atol(argv[3]);
	block = atol(argv[4]);
	parse_cpu_files(argv[5]);
	for (int i = 0; i < arm_count; i++)
		parse_arm(&arms[i], argv[6 + i], count);
	for (int turn = 0; (turn + 1) * block <= count; turn++) {
		/* Each turn begins with another arm, and every other one goes backwards, so that
		 * none always follows the same one's heat. */
		for (int i = 0; i < arm_count; i++) {
			int forth = (turn / 2 + i) % arm_count;

			run_block(&arms[turn & 1 ? arm_count - 1 - forth : forth], block);
		}
	}
	for (int i = 0; i < arm_count; i++)
		print_arm(&arms[i]);
	return 0;
}
