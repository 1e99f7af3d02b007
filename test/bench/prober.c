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
 *   cpu PID
 *     cpu PID NS          of all its threads so far, of ended ones too; -1: no such process
 *
 * Whether something has landed is not asked more exactly than it can matter: tries of one Service
 * are a 64th of the time since its watch apart, at least 0.2 ms. So neither a proxy that needs a
 * millisecond is measured too coarsely, nor has one that needs seconds to share its CPU with
 * thousands of tries. The more are watched, the longer it is between two tries of any, up to half a
 * millisecond; unless one has just landed: then others may have, too. A try that is not answered
 * within a 32nd of the time since its watch, at least TIMEOUT_MS, was none. Ends with its standard
 * input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "measuring.h"

#define AGE_SHARE 64
#define PERIOD_NS 200000L
/* Between any two tries: for each that is watched, and at most. */
#define PACE_NS 25000L
#define MAX_PACE_NS 500000L
#define MIN_PACE_NS 100000L
#define MAX_UNDER_WAY 256
#define TRIES_AFTER 5
#define AFTER_PERIOD_NS 1000000L
#define LINE_SIZE 4096
#define ANSWER_SIZE 80

struct watch {
	long id;
	int type; /* SOCK_STREAM, SOCK_DGRAM */
	struct sockaddr_storage address;
	socklen_t address_size;
	char *expected; /* ",A,B," */
	int is_inverted;
	long begun_ns;
	long try_ns;
	long before_ns;
	long due_ns;
	long tries;
	int has_landed;
	int left; /* tries after the first that was right */
	int back;
	int failed;
	int file; /* -1: no try is under way */
	int has_asked;
	char last[ANSWER_SIZE];
};

static struct watch *watches;
static size_t watch_count, watch_room;
/* Where to look for the next one to try. */
static size_t cursor;
/* So many tries without waiting longer than it must. */
static size_t hurry;
static long timeout_ns;

static long at_least(long value, long least)
{
	return value > least ? value : least;
}

static long deadline_of(const struct watch *watch)
{
	return watch->try_ns +
	       at_least((watch->try_ns - watch->begun_ns) * 2 / AGE_SHARE, timeout_ns);
}

static int is_expected(const struct watch *watch, const char *answer)
{
	char wanted[ANSWER_SIZE + 2];

	snprintf(wanted, sizeof(wanted), ",%s,", answer);
	return (strstr(watch->expected, wanted) != NULL) != watch->is_inverted;
}

static void remove_watch(struct watch *watch)
{
	if (watch->file >= 0)
		close(watch->file);
	free(watch->expected);
	*watch = watches[--watch_count];
}

/* @answer: of whoever answered, or the name of an error. May remove the watch: whoever goes through
 * all goes backwards.
 */
static void end_try(struct watch *watch, const char *answer, int was_answered)
{
	int is_right = was_answered && is_expected(watch, answer);
	long now = now_ns();

	close(watch->file);
	watch->file = -1;
	snprintf(watch->last, sizeof(watch->last), "%s", answer);
	if (watch->has_landed) {
		watch->back += was_answered && !is_right;
		watch->failed += !was_answered;
		watch->due_ns = now + AFTER_PERIOD_NS;
		if (--watch->left > 0)
			return;
		printf("settled %ld %d %d\n", watch->id, watch->back, watch->failed);
		remove_watch(watch);
		return;
	}
	if (is_right) {
		hurry = watch_count;
		watch->has_landed = 1;
		watch->due_ns = now + AFTER_PERIOD_NS;
		printf("landed %ld %ld %ld %ld %s\n", watch->id, watch->try_ns,
		       watch->try_ns - watch->before_ns, watch->tries, answer);
		if (watch->left == 0)
			remove_watch(watch);
		return;
	}
	if (watch->tries == 1)
		printf("begun %ld\n", watch->id);
	watch->before_ns = watch->try_ns;
	watch->due_ns = now + at_least((now - watch->begun_ns) / AGE_SHARE, PERIOD_NS);
}

static void end_failed(struct watch *watch, int error)
{
	end_try(watch, strerrorname_np(error) ?: "an error", 0);
}

static void begin_try(struct watch *watch)
{
	struct linger reset = {.l_onoff = 1};

	watch->file =
		socket(watch->address.ss_family, watch->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (watch->file < 0)
		fail("make a socket");
	/* Ports in TIME_WAIT would run out. */
	if (watch->type == SOCK_STREAM)
		setsockopt(watch->file, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	watch->has_asked = 0;
	watch->tries++;
	watch->try_ns = now_ns();
	if (connect(watch->file, (struct sockaddr *)&watch->address, watch->address_size) &&
	    errno != EINPROGRESS)
		end_failed(watch, errno);
}

/* Its socket can be written to or read from, or has an error. */
static void go_on(struct watch *watch)
{
	char answer[ANSWER_SIZE];
	ssize_t size;
	int error = 0;
	socklen_t error_size = sizeof(error);

	if (!watch->has_asked) {
		getsockopt(watch->file, SOL_SOCKET, SO_ERROR, &error, &error_size);
		if (error || send(watch->file, "?", 1, MSG_NOSIGNAL) != 1) {
			end_failed(watch, error ?: errno);
			return;
		}
		watch->has_asked = 1;
		return;
	}
	size = recv(watch->file, answer, sizeof(answer) - 1, 0);
	if (size < 0 && errno == EAGAIN)
		return;
	if (size <= 0) {
		end_failed(watch, size < 0 ? errno : ECONNRESET);
		return;
	}
	answer[size] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
	end_try(watch, answer, 1);
}

/* Begins one that is due, in turns. */
static int begin_next(long now)
{
	for (size_t looked = 0; looked < watch_count; looked++) {
		struct watch *watch = &watches[cursor++ % watch_count];

		if (watch->file >= 0 || watch->due_ns > now)
			continue;
		begin_try(watch);
		return 1;
	}
	return 0;
}

static size_t under_way(void)
{
	size_t count = 0;

	for (size_t i = 0; i < watch_count; i++)
		count += watches[i].file >= 0;
	return count;
}

static struct watch *find_watch(long id)
{
	for (size_t i = 0; i < watch_count; i++) {
		if (watches[i].id == id)
			return &watches[i];
	}
	return NULL;
}

static int set_address(struct watch *watch, const char *text, int port)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)&watch->address;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&watch->address;

	if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port);
		watch->address_size = sizeof(*ipv4);
		return 1;
	}
	ipv6->sin6_family = AF_INET6;
	ipv6->sin6_port = htons(port);
	watch->address_size = sizeof(*ipv6);
	return inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1;
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
	} else if (words == 2 && strcmp(order, "cpu") == 0) {
		say_cpu(number);
	} else {
		errno = EINVAL;
		fail("obey '%s'", line);
	}
}

/* Returns 0 at the end of the input. */
static int read_orders(void)
{
	static char text[1 << 16];
	static size_t filled;
	char *line = text, *end;
	ssize_t size = read(STDIN_FILENO, text + filled, sizeof(text) - 1 - filled);

	if (size <= 0)
		return 0;
	filled += size;
	text[filled] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		obey(line);
		line = end + 1;
	}
	filled -= line - text;
	memmove(text, line, filled);
	return 1;
}

/* Waits for an order, a socket of a try, or until something is to be done. Returns 0 at the end of
 * the input. */
static int wait_and_go_on(long pace_ns)
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
