// SPDX-License-Identifier: Apache-2.0
// What the programs that measure have in common.
#ifndef MEASURING_H
#define MEASURING_H

#ifndef _GNU_SOURCE
#error "define _GNU_SOURCE before the first header"
#endif

#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Ends with what was attempted and what errno says of it. */
__attribute__((format(printf, 1, 2), noreturn)) static inline void fail(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

static inline long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static inline void pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("run on CPU %d", cpu);
}

/* Ends with this process, however that ends. */
static inline void enable_program_statistics(void)
{
	union bpf_attr attributes = {.enable_stats.type = BPF_STATS_RUN_TIME};

	if (syscall(SYS_bpf, BPF_ENABLE_STATS, &attributes, sizeof(attributes)) < 0)
		fail("enable BPF statistics");
}

#endif
