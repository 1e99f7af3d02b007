// SPDX-License-Identifier: Apache-2.0
// For the C programs of tests in which packets must keep their order: each processor has a queue of
// its own for packets between network namespaces, so those of a connection that is served by two
// overtake each other, on plain routes too.
#ifndef ONE_CPU_H
#define ONE_CPU_H

#include <sched.h>

// The calling thread runs on the first processor that it may run on.
static inline void stay_on_one_cpu(void)
{
	cpu_set_t allowed, one;

	CPU_ZERO(&one);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

#endif
