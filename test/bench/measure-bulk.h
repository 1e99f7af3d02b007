// SPDX-License-Identifier: Apache-2.0
// How much CPU and time a block of data takes one way, wherever the CPUs have worked on it: in the
// client, in the server, or in the kernel's threads for packets.
#ifndef MEASURE_BULK_H
#define MEASURE_BULK_H

#include <time.h>

#include "measure-arm.h"

#define MAX_CPU_FILES 1024
#define WRITE_SIZE (256 << 10)
#define MEGABYTE 1000000L
#define WARM_UP_BYTES (4 * MEGABYTE)
/* Fits any socket's buffer. */
#define BURST 32
#define BURST_DATAGRAM_SIZE 16
#define WARM_UP_BURSTS 20

static char cpu_files[MAX_CPU_FILES][256];
static int cpu_file_count;

static inline void read_cpu_files(const char *path)
{
	FILE *file = fopen(path, "r");

	if (!file)
		fail("open %s", path);
	while (cpu_file_count < MAX_CPU_FILES &&
	       fscanf(file, "%255s", cpu_files[cpu_file_count]) == 1)
		cpu_file_count++;
	fclose(file);
}

/*
 * Nanoseconds. A cgroup's cpu.stat and a thread's schedstat say how long they ran, /proc/stat how
 * long all CPUs were in interrupts.
 */
static inline long cpu_ns_in(const char *path)
{
	unsigned long value, irq, softirq;
	char text[512];
	int file = open(path, O_RDONLY | O_CLOEXEC);
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
static inline long cpu_ns(void)
{
	const struct timespec a_moment = {.tv_nsec = 1000000};
	long total = 0;

	nanosleep(&a_moment, NULL);
	for (int i = 0; i < cpu_file_count; i++)
		total += cpu_ns_in(cpu_files[i]);
	return total;
}

/* Whose first byte is 0, measure-server.c reads to its end, and then closes. */
static inline void send_stream(const struct arm *arm, const union address *target, long left)
{
	static const char bytes[WRITE_SIZE];
	int file = open_socket(target, SOCK_STREAM);
	char byte;

	dial(arm, file, target);
	expect_connected_to(arm, file, target);
	while (left > 0) {
		ssize_t size =
			send(file, bytes, left < WRITE_SIZE ? left : WRITE_SIZE, MSG_NOSIGNAL);

		if (size < 0)
			fail_arm(arm, "write to", target);
		left -= size;
	}
	errno = EPROTO;
	if (shutdown(file, SHUT_WR) || recv(file, &byte, 1, 0) != 0)
		fail_arm(arm, "end of a stream to", target);
	close(file);
}

static inline void keep_bulk(struct arm *arm, long units, long ns, long cpu)
{
	arm->samples[arm->sample_count++] = (struct sample){.ns = ns, .cpu_ns = cpu};
	arm->exchanges += units;
}

/* @count megabytes, on one connection; making it is in it. */
static inline void run_stream(struct arm *arm, long count)
{
	const union address any = random_target(arm), *target = &any;
	long cpu, begun, ns;

	send_stream(arm, target, WARM_UP_BYTES);
	cpu = cpu_ns();
	begun = now_ns();
	send_stream(arm, target, count * MEGABYTE);
	ns = now_ns() - begun;
	keep_bulk(arm, count + WARM_UP_BYTES / MEGABYTE, ns, cpu_ns() - cpu);
}

/* The next burst leaves when the last one has been answered: nothing overflows, nothing is lost. */
static inline void send_bursts(const struct arm *arm, int file, const union address *target,
			       long count)
{
	char datagram[BURST_DATAGRAM_SIZE] = {};

	for (long i = 1; i <= count; i++) {
		datagram[0] = i % BURST == 0 || i == count ? 'x' : 0;
		if (send(file, datagram, sizeof(datagram), 0) != sizeof(datagram))
			fail_arm(arm, "send to", target);
		if (datagram[0] && recv(file, datagram, sizeof(datagram), 0) != sizeof(datagram))
			fail_arm(arm, "the answer to a burst:", target);
	}
}

/* @count datagrams, of one connected socket. */
static inline void run_datagrams(struct arm *arm, long count)
{
	const union address any = random_target(arm), *target = &any;
	int file = open_socket(target, SOCK_DGRAM);
	long cpu, begun, ns;

	dial(arm, file, target);
	send_bursts(arm, file, target, WARM_UP_BURSTS * BURST);
	cpu = cpu_ns();
	begun = now_ns();
	send_bursts(arm, file, target, count);
	ns = now_ns() - begun;
	keep_bulk(arm, count + WARM_UP_BURSTS * BURST, ns, cpu_ns() - cpu);
	close(file);
}

#endif
