// SPDX-License-Identifier: Apache-2.0
/*
 * Measures the same exchange by several ways ("arms"), which take turns in blocks inside this one
 * process, so that whatever else the machine does meets all of them alike. The other end is
 * measure-server.c. Started by traffic.ts.
 *
 *	measure-client [--stats] SEED CPU KIND COUNT BLOCK CPU-FILES
 *NAME,TARGETS,NAMESPACE,CGROUP...
 *
 * KIND is a latency, as result.ts calls them (COUNT exchanges for each arm, in blocks of BLOCK), or
 * `stream` (megabytes) or `datagrams`. TARGETS is a file of "address port" lines, one of them is
 * taken at random each time. NAMESPACE is the file of the network namespace to be in meanwhile, and
 * CGROUP the directory of the cgroup; `-` is where this was started. CPU-FILES is a file that names
 * those that tell how much the CPUs have worked on `stream` and `datagrams` (see cpu-files.ts), or
 * `-`.
 *
 * Prints a line for each arm: its name, how many exchanges there were with those that warm up, then
 * for each one the nanoseconds, or for each block of `stream` and `datagrams`
 * "CPU-NANOSECONDS/NANOSECONDS". Who does not answer in time, or not as whom was dialled, ends this
 * with 1, and is named. --stats has the kernel count the runs of all BPF programs for as long as
 * this runs.
 */
#define _GNU_SOURCE
#include "measure-arm.h"
#include "measure-bulk.h"
#include "measure-latency.h"

#define MAX_ARMS 64

struct kind {
	const char *name;
	void (*run_block)(struct arm *arm, long count);
	bool is_bulk;
};

static const struct kind KINDS[] = {
	{"connect", run_connects, false},
	{"connection", run_connections, false},
	{"roundTrip", run_round_trips, false},
	{"firstDatagram", run_first_datagrams, false},
	{"firstDatagramConnected", run_first_connected, false},
	{"nextDatagram", run_next_datagrams, false},
	{"nextDatagramConnected", run_next_connected, false},
	{"stream", run_stream, true},
	{"datagrams", run_datagrams, true},
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(KINDS) / sizeof(*KINDS); i++)
		if (strcmp(name, KINDS[i].name) == 0)
			return &KINDS[i];
	errno = EINVAL;
	fail("kind %s", name);
}

/*
 * By a real-time policy, as measure-servers.ts does with the servers: nobody else gets in between,
 * and neither takes the CPU from the other: it is handed over when one waits. When an ordinary
 * policy would do that depends on what else there is to run. Where it is not allowed, it does.
 */
static void keep_cpu(void)
{
	const struct sched_param lowest = {.sched_priority = 1};

	sched_setscheduler(0, SCHED_FIFO, &lowest);
}

static long number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	errno = EINVAL;
	if (*end || end == text || value < 0)
		fail("number %s", text);
	return value;
}

/*
 * Every other turn has an order of its own, and the one after it the same backwards: no arm always
 * follows the same one's heat, and none is early more often than late.
 */
static void next_order(struct arm **order, int count, int turn)
{
	for (int i = 0; turn % 2 && i < count / 2; i++) {
		struct arm *arm = order[i];

		order[i] = order[count - 1 - i];
		order[count - 1 - i] = arm;
	}
	for (int i = count - 1; turn % 2 == 0 && i > 0; i--) {
		int other = random() % (i + 1);
		struct arm *arm = order[i];

		order[i] = order[other];
		order[other] = arm;
	}
}

static void print_arm(const struct arm *arm, const struct kind *kind)
{
	printf("%s %ld", arm->name, arm->exchanges);
	for (long i = 0; i < arm->sample_count; i++) {
		const struct sample *sample = &arm->samples[i];

		if (kind->is_bulk)
			printf(" %ld/%ld", sample->cpu_ns, sample->ns);
		else
			printf(" %ld", sample->ns);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	static struct arm arms[MAX_ARMS], *order[MAX_ARMS];
	const struct kind *kind;
	long count, block;
	int arm_count;

	if (argc > 1 && strcmp(argv[1], "--stats") == 0) {
		enable_program_statistics();
		argv++;
		argc--;
	}
	arm_count = argc - 7;
	if (arm_count < 1 || arm_count > MAX_ARMS) {
		fprintf(stderr, "usage: measure-client [--stats] SEED CPU KIND COUNT BLOCK "
				"CPU-FILES NAME,TARGETS,NAMESPACE,CGROUP...\n");
		return 2;
	}
	srandom(number(argv[1]));
	pin_to_cpu(number(argv[2]));
	kind = find_kind(argv[3]);
	count = number(argv[4]);
	block = number(argv[5]);
	errno = EINVAL;
	if (block < 1 || count < block)
		fail("%ld in blocks of %ld", count, block);
	if (strcmp(argv[6], HERE))
		read_cpu_files(argv[6]);
	for (int i = 0; i < arm_count; i++) {
		order[i] = &arms[i];
		parse_arm(&arms[i], argv[7 + i], count);
	}
	keep_cpu();
	for (long done = 0, turn = 0; done < count; done += block, turn++) {
		next_order(order, arm_count, turn);
		for (int i = 0; i < arm_count; i++) {
			enter(order[i]);
			kind->run_block(order[i], count - done < block ? count - done : block);
		}
	}
	for (int i = 0; i < arm_count; i++)
		print_arm(&arms[i], kind);
	return 0;
}
