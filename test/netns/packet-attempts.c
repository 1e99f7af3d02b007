// SPDX-License-Identifier: Apache-2.0
// packet-attempts PATIENCE_MS: makes the attempts that standard input lists, one a line, all at the
// same time, and says in one line each what came of them. packet-attempts.ts writes and reads them.
//
//	KIND SOURCE SOURCE_PORT ADDRESS PORT SIZE
//
// tcp		connects, is greeted; then SIZE bytes go out and come back.
// bulk		the same, and says how many segments were lost, if any.
// udp		a connected socket sends a datagram of SIZE bytes and hears the answer.
// udp-again	the same, again and again while nothing comes back: a datagram that is too large for
//		the path is lost, and both ends have to learn that.
// datagrams	SIZE datagrams go out in bursts that the kernel cuts (UDP_SEGMENT), and come back.
// ping		an ICMP echo request with SIZE bytes; SOURCE_PORT is its id.
//
// Answers are what an echo-backends says, or an errno's name, or `silence` when the patience ends.
// Every socket stays open until all attempts have ended, so that they meet each other.
#define _GNU_SOURCE
#include "one-cpu.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ATTEMPTS 1024
#define MAX_TEXT 256
#define MAX_DATA 65536
#define BURST 32
#define SEGMENT 1200
#define AGAIN_MS 100

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct attempt {
	char kind[16];
	union address source, destination;
	socklen_t length;
	long size;
	char text[MAX_TEXT];
	pthread_t thread;
};

static int patience_ms;
static pthread_barrier_t all_ended;
// What is sent, from any offset: its period is prime, so that no offset looks like another nearby.
static unsigned char pattern[MAX_DATA + 251];

static socklen_t parse_address(const char *text, int port, union address *address)
{
	memset(address, 0, sizeof(*address));
	if (strchr(text, ':')) {
		address->v6.sin6_family = AF_INET6;
		address->v6.sin6_port = htons(port);
		inet_pton(AF_INET6, text, &address->v6.sin6_addr);
		return sizeof(address->v6);
	}
	address->v4.sin_family = AF_INET;
	address->v4.sin_port = htons(port);
	inet_pton(AF_INET, text, &address->v4.sin_addr);
	return sizeof(address->v4);
}

static void fail(struct attempt *attempt)
{
	bool is_silence = errno == EAGAIN || errno == EINPROGRESS || errno == ETIMEDOUT;

	strcpy(attempt->text, is_silence ? "silence" : strerrorname_np(errno));
}

static int open_bound(struct attempt *attempt, int type, int protocol)
{
	struct timeval patience = {.tv_sec = patience_ms / 1000,
				   .tv_usec = patience_ms % 1000 * 1000};
	int fd = socket(attempt->source.any.sa_family, type, protocol), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, &attempt->source.any, attempt->length)) {
		sprintf(attempt->text, "bind(): %s", strerrorname_np(errno));
		close(fd);
		return -1;
	}
	return fd;
}

// Sends while it receives: either side may have to wait for the other.
static bool send_and_compare(int fd, struct attempt *attempt)
{
	static __thread unsigned char data[MAX_DATA];
	long sent = 0, received = 0;

	while (received < attempt->size) {
		struct pollfd ready = {.fd = fd,
				       .events = POLLIN | (sent < attempt->size ? POLLOUT : 0)};

		if (poll(&ready, 1, patience_ms) < 1) {
			sprintf(attempt->text, "silence after %ld bytes", received);
			return false;
		}
		if (ready.revents & POLLOUT) {
			long left = attempt->size - sent;
			ssize_t length =
				send(fd, &pattern[sent % 251], left < MAX_DATA ? left : MAX_DATA,
				     MSG_NOSIGNAL | MSG_DONTWAIT);

			if (length > 0)
				sent += length;
		}
		if (!(ready.revents & ~POLLOUT))
			continue;
		ssize_t length = recv(fd, data, sizeof(data), MSG_DONTWAIT);

		if (length < 0 && errno == EAGAIN)
			continue;
		if (length <= 0) {
			sprintf(attempt->text, "%s after %ld bytes",
				length ? strerrorname_np(errno) : "end", received);
			return false;
		}
		if (memcmp(data, &pattern[received % 251], length)) {
			sprintf(attempt->text, "wrong data after %ld bytes", received);
			return false;
		}
		received += length;
	}
	return true;
}

// What was sent again for nothing is no loss: the kernel probes when an answer takes long, and the
// receiver says so (DSACK, RFC 2883). Losses on the way back show as a gap.
static void tell_losses(int fd, struct attempt *attempt)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
	if (info.tcpi_total_retrans > info.tcpi_dsack_dups)
		sprintf(&attempt->text[strlen(attempt->text)], ", %u segments lost",
			info.tcpi_total_retrans - info.tcpi_dsack_dups);
	if (info.tcpi_rcv_ooopack)
		sprintf(&attempt->text[strlen(attempt->text)], ", %u segments out of order",
			info.tcpi_rcv_ooopack);
}

static int attempt_tcp(struct attempt *attempt)
{
	bool is_bulk = !strcmp(attempt->kind, "bulk");
	ssize_t length;

	if (is_bulk)
		stay_on_one_cpu();
	int fd = open_bound(attempt, SOCK_STREAM, 0);

	if (fd < 0)
		return fd;
	if (connect(fd, &attempt->destination.any, attempt->length) ||
	    (length = recv(fd, attempt->text, MAX_TEXT / 2, 0)) < 0) {
		fail(attempt);
		return fd;
	}
	attempt->text[length] = '\0';
	if (length && send_and_compare(fd, attempt) && is_bulk)
		tell_losses(fd, attempt);
	return fd;
}

// A datagram that was answered has the answer's text over its beginning, and a NUL behind it.
static void take_answer(struct attempt *attempt, const unsigned char *data, long length, long size)
{
	long text = strnlen((const char *)data, length < MAX_TEXT - 32 ? length : MAX_TEXT - 32);

	memcpy(attempt->text, data, text);
	attempt->text[text] = '\0';
	if (size <= text)
		return;
	if (length != size)
		sprintf(&attempt->text[text], ", %ld bytes of %ld", length, size);
	else if (memcmp(&data[text + 1], &pattern[text + 1], size - text - 1))
		strcpy(&attempt->text[text], ", wrong data");
}

static int attempt_udp(struct attempt *attempt)
{
	static __thread unsigned char data[MAX_DATA];
	struct timeval pause = {.tv_usec = AGAIN_MS * 1000};
	bool may_retry = !strcmp(attempt->kind, "udp-again");
	int fd = open_bound(attempt, SOCK_DGRAM, 0);
	ssize_t length = -1;

	if (fd < 0)
		return fd;
	if (may_retry)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof(pause));
	if (connect(fd, &attempt->destination.any, attempt->length)) {
		fail(attempt);
		return fd;
	}
	for (int left_ms = patience_ms; length < 0 && left_ms > 0; left_ms -= AGAIN_MS) {
		errno = 0;
		if (send(fd, pattern, attempt->size, 0) == attempt->size)
			length = recv(fd, data, sizeof(data), 0);
		if (!may_retry || (errno && errno != EAGAIN && errno != EMSGSIZE))
			break;
	}
	if (length < 0)
		fail(attempt);
	else
		take_answer(attempt, data, length, attempt->size);
	return fd;
}

// The next burst leaves when the last one has come back: nothing overflows, so nothing may get
// lost.
static int attempt_datagrams(struct attempt *attempt)
{
	static __thread unsigned char data[MAX_DATA];
	int fd = open_bound(attempt, SOCK_DGRAM, 0), segment = SEGMENT, buffer = 4 << 20;
	long received = 0;

	if (fd < 0)
		return fd;
	setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	if (connect(fd, &attempt->destination.any, attempt->length)) {
		fail(attempt);
		return fd;
	}
	for (int i = 0; i < BURST; i++)
		memcpy(&data[i * SEGMENT], pattern, SEGMENT);
	for (long sent = 0; sent < attempt->size; sent += BURST) {
		static __thread unsigned char answer[MAX_DATA];

		if (send(fd, data, BURST * SEGMENT, 0) < 0) {
			fail(attempt);
			return fd;
		}
		for (int i = 0; i < BURST; i++, received++) {
			ssize_t length = recv(fd, answer, sizeof(answer), 0);

			if (length < 0) {
				fail(attempt);
				sprintf(&attempt->text[strlen(attempt->text)], " after %ld of %ld",
					received, attempt->size);
				return fd;
			}
			take_answer(attempt, answer, length, SEGMENT);
			if (strstr(attempt->text, ", "))
				return fd;
		}
	}
	return fd;
}

static unsigned short checksum(const void *data, long length)
{
	const unsigned char *bytes = data;
	unsigned int sum = 0;

	for (long i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

// IPv4 replies come with their IP header; echo headers of both families are alike but for the type.
static bool is_reply(const unsigned char *packet, ssize_t length, bool is_v4, unsigned short id,
		     const struct icmphdr **reply)
{
	long header = is_v4 ? (packet[0] & 15) * 4 : 0;

	*reply = (const void *)&packet[header];
	return length >= header + (long)sizeof(**reply) &&
	       (*reply)->type == (is_v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) &&
	       (*reply)->un.echo.id == id;
}

static int attempt_ping(struct attempt *attempt)
{
	static __thread unsigned char packet[MAX_DATA], heard[MAX_DATA];
	bool is_v4 = attempt->source.any.sa_family == AF_INET;
	// Ports and ids stand at the same place.
	unsigned short id = attempt->source.v4.sin_port;
	struct icmphdr *request = (void *)packet;
	const struct icmphdr *reply;
	ssize_t length;

	attempt->source.v4.sin_port = attempt->destination.v4.sin_port = 0;
	int fd = open_bound(attempt, SOCK_RAW, is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (fd < 0)
		return fd;
	request->type = is_v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	request->un.echo.id = id;
	memcpy(&request[1], pattern, attempt->size);
	request->checksum = checksum(packet, sizeof(*request) + attempt->size);
	// Connected: what another address says is not heard.
	if (connect(fd, &attempt->destination.any, attempt->length) ||
	    send(fd, packet, sizeof(*request) + attempt->size, 0) < 0) {
		fail(attempt);
		return fd;
	}
	do {
		if ((length = recv(fd, heard, sizeof(heard), 0)) < 0) {
			fail(attempt);
			return fd;
		}
	} while (!is_reply(heard, length, is_v4, id, &reply));
	length -= (const unsigned char *)&reply[1] - heard;
	if (length != attempt->size || memcmp(&reply[1], pattern, length))
		sprintf(attempt->text, "another payload, %ld bytes", (long)length);
	else
		strcpy(attempt->text, "pong");
	return fd;
}

static void *run(void *argument)
{
	struct attempt *attempt = argument;
	int fd = !strncmp(attempt->kind, "udp", 3)     ? attempt_udp(attempt)
		 : !strcmp(attempt->kind, "datagrams") ? attempt_datagrams(attempt)
		 : !strcmp(attempt->kind, "ping")      ? attempt_ping(attempt)
						       : attempt_tcp(attempt);

	pthread_barrier_wait(&all_ended);
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct attempt attempts[MAX_ATTEMPTS];
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	int count = 0, source_port, port;
	pthread_attr_t small;

	patience_ms = argc > 1 ? atoi(argv[1]) : 1000;
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i % 251;
	while (count < MAX_ATTEMPTS &&
	       scanf("%15s %45s %d %45s %d %ld", attempts[count].kind, source, &source_port,
		     destination, &port, &attempts[count].size) == 6) {
		struct attempt *attempt = &attempts[count++];

		attempt->length = parse_address(source, source_port, &attempt->source);
		parse_address(destination, port, &attempt->destination);
	}
	pthread_barrier_init(&all_ended, NULL, count);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 512 << 10);
	for (int i = 0; i < count; i++)
		pthread_create(&attempts[i].thread, &small, run, &attempts[i]);
	for (int i = 0; i < count; i++) {
		pthread_join(attempts[i].thread, NULL);
		puts(attempts[i].text);
	}
	return 0;
}
