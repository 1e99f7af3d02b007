// SPDX-License-Identifier: Apache-2.0
/*
 * Says when a Service leads where it should, by nothing but connections to it: prober.ts starts it
 * in a client pod and talks to it by lines. Every try is a socket of its own, which sends '?' and
 * is told by measure-server.c who answers.
 *
 *   prober TIMEOUT_MS
 *
 *   watch ID tcp|udp ADDRESS PORT [!]WHO[,WHO...]
 *     Tries until one of these answers; with !, any other. Says of it:
 *     begun ID            the first try is over, and was not right
 *     landed ID NS SINCE_NS TRIES WHO
 *                         begin of the first try that was right, on CLOCK_MONOTONIC, and how long
 *                         before it the last one began that was not
 *     settled ID BACK FAILED
 *                         of the few tries after it: answered by a wrong one; not answered
 *   look ID tcp|udp ADDRESS PORT [!]WHO[,WHO...]
 *     The same, with no try after the first that was right: `settled` is not said.
 *   forget ID
 *     forgotten ID WHO    and nothing more; who answered last, or the name of the error
 *   first PID, batch PID CPU
 *     done PID            a server comes before others; waits for them again, on that CPU
 *   cpu PID
 *     cpu PID NS          of all its threads so far, of ended ones too; -1: no such process
 *
 * Whether something has landed is not asked more exactly than it can matter: tries of one Service
 * begin a 64th of the time since its watch apart, and not within 0.2 ms of the last one's end. So
 * neither a proxy that needs a millisecond is measured too coarsely, nor has one that needs seconds
 * to share its CPU with thousands of tries. A try that is not answered within that 64th, at least
 * TIMEOUT_MS, was none. The more are watched, the longer it is between two tries of any, up to half
 * a millisecond; unless one has just landed: then others may have, too.
 *
 * The prober and the servers come before others: else they would not run just when the proxy does.
 * That is by an ordinary policy: one of real time waits for a CPU whose kernel is at work for
 * somebody else, as nft's is for seconds, where kernels are not preempted. Ends with its standard
 * input.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/prctl.h>

#include "measuring.h"
#include "prober-watch.h"

/* Between any two tries: for each that is watched, and at most. */
#define PACE_NS 25000L
#define MAX_PACE_NS 500000L
#define MIN_PACE_NS 100000L
#define MAX_UNDER_WAY 256
#define TRIES_AFTER 5
#define LINE_SIZE 4096
/* The shorter it is, the sooner it is given: from Linux 6.12 on (sched_setattr(2)). */
#define SLICE_NS 100000

/* Where to look for the next one to try. */
static size_t cursor;

/* Begins one that is due, in turns. */
static bool begin_next(long now)
{
	for (size_t looked = 0; looked < watch_count; looked++) {
		struct watch *watch = &watches[cursor++ % watch_count];

		if (watch->file >= 0 || watch->due_ns > now)
			continue;
		begin_try(watch);
		return true;
	}
	return false;
}

static void add_watch(long id, const char *protocol, const char *address, int port,
		      const char *expected, int tries_after)
{
	struct watch *watch;
	long now = now_ns();

	if (watch_count == watch_room) {
		watch_room = watch_room ? watch_room * 2 : 64;
		watches = realloc(watches, watch_room * sizeof(*watches));
		if (!watches)
			fail("remember a watch");
	}
	watch = &watches[watch_count];
	*watch = (struct watch){
		.id = id,
		.type = strcmp(protocol, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM,
		.begun_ns = now,
		.before_ns = now,
		.due_ns = now,
		.file = -1,
		.left = tries_after,
		.is_inverted = *expected == '!',
		.last = "no try",
	};
	errno = EINVAL;
	if (!set_address(watch, address, port))
		fail("watch %s", address);
	if (asprintf(&watch->expected, ",%s,", expected + watch->is_inverted) < 0)
		fail("remember a watch");
	watch_count++;
	/* Whoever waits for it to have begun waits for nobody else's turn. */
	if (under_way() < MAX_UNDER_WAY)
		begin_try(watch);
}

static void forget(long id)
{
	struct watch *watch = find_watch(id);

	printf("forgotten %ld %s\n", id, watch ? watch->last : "");
	if (watch)
		remove_watch(watch);
}

static void say_cpu(long pid)
{
	struct timespec spent;
	clockid_t clock;
	long ns = -1;

	if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &spent) == 0)
		ns = spent.tv_sec * 1000000000L + spent.tv_nsec;
	printf("cpu %ld %ld\n", pid, ns);
}

/* Of <linux/sched/types.h>, which old C libraries' headers are at odds with. */
struct scheduling {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void schedule(pid_t pid, int policy, long slice_ns)
{
	const struct scheduling scheduling = {
		.size = sizeof(scheduling),
		.policy = policy,
		.runtime = slice_ns,
	};

	if (syscall(SYS_sched_setattr, pid, &scheduling, 0))
		fail("schedule process %d", pid);
}

/*
 * On any CPU, and as heavy as others: where one of them holds a CPU within a kernel that is not
 * preempted, the scheduler moves whoever waits behind it.
 */
static void come_first(pid_t pid)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	if (sched_setaffinity(pid, sizeof(all), &all))
		fail("run process %d on all CPUs", pid);
	schedule(pid, SCHED_OTHER, SLICE_NS);
}

/* As measure-server.c starts. */
static void go_to_batch(pid_t pid, int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(pid, sizeof(one), &one))
		fail("run process %d on CPU %d", pid, cpu);
	schedule(pid, SCHED_BATCH, 0);
}

static void obey(const char *line)
{
	char order[8], protocol[8], address[INET6_ADDRSTRLEN], expected[LINE_SIZE];
	long number;
	int port, words;

	words = sscanf(line, "%7s %ld %7s %45s %d %4095s", order, &number, protocol, address, &port,
		       expected);
	if (words == 6 && strcmp(order, "watch") == 0) {
		add_watch(number, protocol, address, port, expected, TRIES_AFTER);
	} else if (words == 6 && strcmp(order, "look") == 0) {
		add_watch(number, protocol, address, port, expected, 0);
	} else if (words == 2 && strcmp(order, "forget") == 0) {
		forget(number);
	} else if (words == 2 && strcmp(order, "first") == 0) {
		come_first(number);
		printf("done %ld\n", number);
	} else if (sscanf(line, "batch %ld %d", &number, &port) == 2) {
		go_to_batch(number, port);
		printf("done %ld\n", number);
	} else if (words == 2 && strcmp(order, "cpu") == 0) {
		say_cpu(number);
	} else {
		errno = EINVAL;
		fail("obey '%s'", line);
	}
}

/* Returns whether the input goes on. */
static bool read_orders(void)
{
	static char text[1 << 16];
	static size_t filled;
	char *line = text, *end;
	ssize_t size = read(STDIN_FILENO, text + filled, sizeof(text) - 1 - filled);

	if (size <= 0)
		return false;
	filled += size;
	text[filled] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		obey(line);
		line = end + 1;
	}
	filled -= line - text;
	memmove(text, line, filled);
	return true;
}

/*
 * Waits for an order, a socket of a try, or until something is to be done. Returns whether the
 * input goes on.
 */
static bool wait_and_go_on(long pace_ns)
{
	static struct pollfd files[1 + MAX_UNDER_WAY];
	static size_t of_file[1 + MAX_UNDER_WAY];
	long now = now_ns(), until = now + 1000000000L, wait;
	struct timespec timeout;
	int count = 1;

	files[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	for (size_t i = 0; i < watch_count; i++) {
		struct watch *watch = &watches[i];
		long at = watch->file >= 0 ? deadline_of(watch) : at_least(watch->due_ns, pace_ns);

		until = at < until ? at : until;
		if (watch->file < 0)
			continue;
		of_file[count] = i;
		files[count++] = (struct pollfd){
			.fd = watch->file,
			.events = watch->has_asked ? POLLIN : POLLOUT,
		};
	}
	wait = count > MAX_UNDER_WAY ? MIN_PACE_NS : at_least(until - now, 0);
	timeout = (struct timespec){wait / 1000000000L, wait % 1000000000L};
	if (ppoll(files, count, &timeout, NULL) < 0 && errno != EINTR)
		fail("wait");
	now = now_ns();
	/* Backwards: what is removed has the last one put in its place. */
	for (int i = count - 1; i > 0; i--) {
		struct watch *watch = &watches[of_file[i]];

		if (files[i].revents)
			go_on(watch);
		else if (deadline_of(watch) <= now)
			end_failed(watch, ETIMEDOUT);
	}
	return files[0].revents == 0 || read_orders();
}

static long pace(void)
{
	long ns = watch_count * PACE_NS;

	if (hurry > 0) {
		hurry--;
		return MIN_PACE_NS;
	}
	return at_least(ns < MAX_PACE_NS ? ns : MAX_PACE_NS, MIN_PACE_NS);
}

int main(int argc, char **argv)
{
	long pace_ns = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: prober TIMEOUT_MS\n");
		return 2;
	}
	come_first(0);
	timeout_ns = atol(argv[1]) * 1000000L;
	prctl(PR_SET_TIMERSLACK, 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (;;) {
		long now = now_ns();

		if (now >= pace_ns && under_way() < MAX_UNDER_WAY && begin_next(now))
			pace_ns = now_ns() + pace();
		if (!wait_and_go_on(pace_ns))
			return 0;
	}
}
