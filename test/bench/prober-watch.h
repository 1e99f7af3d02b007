// SPDX-License-Identifier: Apache-2.0
// A Service that prober.c watches: its tries, one after the other, and what came of them. What it
// says of them is described there.
#ifndef PROBER_WATCH_H
#define PROBER_WATCH_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "measuring.h"

#define AGE_SHARE 64
#define PERIOD_NS 200000L
#define AFTER_PERIOD_NS 1000000L
#define PATIENCE_NS 3000000000L
#define ANSWER_SIZE 80

struct watch {
	long id;
	int type; /* SOCK_STREAM, SOCK_DGRAM */
	struct sockaddr_storage address;
	socklen_t address_size;
	char *expected; /* ",A,B," */
	bool is_inverted;
	long begun_ns;
	long try_ns;
	long before_ns;
	long due_ns;
	long tries;
	bool has_landed;
	int left; /* tries after the first that was right */
	int back;
	int failed;
	int file; /* -1: no try is under way */
	bool has_asked;
	char last[ANSWER_SIZE];
};

static struct watch *watches;
static size_t watch_count, watch_room;
/* So many tries are to come without waiting for longer than they must. */
static size_t hurry;
static long timeout_ns;

static long at_least(long value, long least)
{
	return value > least ? value : least;
}

/* Before it has landed the next try is more use than a late answer; then an answer is to come. */
static long deadline_of(const struct watch *watch)
{
	long age_ns = watch->try_ns - watch->begun_ns;

	if (watch->has_landed)
		return watch->try_ns + PATIENCE_NS;
	return watch->try_ns + at_least(age_ns / AGE_SHARE, timeout_ns);
}

static bool is_expected(const struct watch *watch, const char *answer)
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
static void end_try(struct watch *watch, const char *answer, bool was_answered)
{
	bool is_right = was_answered && is_expected(watch, answer);
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
		watch->has_landed = true;
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
	watch->due_ns =
		at_least(now + PERIOD_NS, watch->try_ns + (now - watch->begun_ns) / AGE_SHARE);
}

static void end_failed(struct watch *watch, int error)
{
	end_try(watch, strerrorname_np(error) ?: "an error", false);
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
	watch->has_asked = false;
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
		watch->has_asked = true;
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
	end_try(watch, answer, true);
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

static bool set_address(struct watch *watch, const char *text, int port)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)&watch->address;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&watch->address;

	if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port);
		watch->address_size = sizeof(*ipv4);
		return true;
	}
	ipv6->sin6_family = AF_INET6;
	ipv6->sin6_port = htons(port);
	watch->address_size = sizeof(*ipv6);
	return inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1;
}

#endif
