// SPDX-License-Identifier: Apache-2.0
// Makes socket calls on demand and says what the kernel answered: every errno, every address. One
// command per line of standard input, one line of JSON for each. socket-probe.ts speaks with it.
//
// An address is written as the sockaddr it becomes: 10.96.0.1 is AF_INET, ::ffff:10.96.0.1 is
// AF_INET6, `unspec` is AF_UNSPEC. Blocking receives give up with EAGAIN after PATIENCE_SECONDS,
// blocking connects with EINPROGRESS.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_SECONDS 2
#define MAX_WORDS 64
#define MAX_DATA 128
#define MAX_BATCH 16
#define MAX_BYTES 65536

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct target {
	// UDP is connected; SENDTO is not; KEPT is not either, and is one socket for all attempts.
	enum { TCP, UDP, SENDTO, KEPT } kind;
	union address address;
	socklen_t length;
	int kept;
};

static socklen_t parse_address(const char *text, const char *port, union address *address)
{
	memset(address, 0, sizeof(*address));
	if (!strcmp(text, "unspec"))
		return sizeof(address->v4);
	if (strchr(text, ':')) {
		address->v6.sin6_family = AF_INET6;
		address->v6.sin6_port = htons(atoi(port));
		inet_pton(AF_INET6, text, &address->v6.sin6_addr);
		return sizeof(address->v6);
	}
	address->v4.sin_family = AF_INET;
	address->v4.sin_port = htons(atoi(port));
	inet_pton(AF_INET, text, &address->v4.sin_addr);
	return sizeof(address->v4);
}

// Writes 10.96.0.1:80 or [fd00::1]:80; "" for no address.
static const char *format_address(const union address *address, char *text)
{
	char host[INET6_ADDRSTRLEN];

	if (address->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
		sprintf(text, "%s:%d", host, ntohs(address->v4.sin_port));
	} else if (address->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
		sprintf(text, "[%s]:%d", host, ntohs(address->v6.sin6_port));
	} else {
		*text = '\0';
	}
	return text;
}

// The answer to a call that has nothing to tell but how it went.
static void answer(int result)
{
	printf("{\"errno\":\"%s\"}\n", result < 0 ? strerrorname_np(errno) : "");
}

static int open_socket(int family, int type)
{
	struct timeval timeout = {.tv_sec = PATIENCE_SECONDS};
	int fd = socket(family, type, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	return fd;
}

// open tcp|udp 4|6 [nonblocking]
static void do_open(char **words, int count)
{
	int fd = open_socket(words[2][0] == '6' ? AF_INET6 : AF_INET,
			     words[1][0] == 't' ? SOCK_STREAM : SOCK_DGRAM);

	if (fd >= 0 && count > 3)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	printf("{\"errno\":\"%s\",\"socket\":%d}\n", fd < 0 ? strerrorname_np(errno) : "", fd);
}

static void do_accept(int listener)
{
	struct timeval timeout = {.tv_sec = PATIENCE_SECONDS};
	int fd = accept(listener, NULL, NULL);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	printf("{\"errno\":\"%s\",\"socket\":%d}\n", fd < 0 ? strerrorname_np(errno) : "", fd);
}

static void answer_address(int result, const union address *address)
{
	char text[64];

	if (result < 0)
		answer(result);
	else
		printf("{\"errno\":\"\",\"address\":\"%s\"}\n", format_address(address, text));
}

// DATA is itself, or *1000 for as many bytes.
static struct iovec parse_data(char *word)
{
	static char bytes[MAX_BYTES];

	if (*word != '*')
		return (struct iovec){.iov_base = word, .iov_len = strlen(word)};
	memset(bytes, '*', sizeof(bytes));
	return (struct iovec){.iov_base = bytes, .iov_len = atoi(&word[1]) % MAX_BYTES};
}

// discover SOCKET: its datagrams are never cut, neither here nor on the way
static void do_discover(int fd)
{
	int how = IP_PMTUDISC_DO, family;
	socklen_t length = sizeof(family);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length);
	answer(family == AF_INET
		       ? setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how))
		       : setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how, sizeof(how)));
}

// sendto SOCKET DATA ADDRESS PORT [ADDRESS PORT]...: one datagram for each, in one system call
static void do_sendto(int fd, char **words, int count)
{
	struct mmsghdr messages[MAX_BATCH] = {0};
	union address addresses[MAX_BATCH];
	struct iovec data = parse_data(words[2]);
	int sent, batch = 0;

	for (int i = 3; i + 1 < count && batch < MAX_BATCH; i += 2, batch++) {
		struct msghdr *message = &messages[batch].msg_hdr;

		message->msg_namelen = parse_address(words[i], words[i + 1], &addresses[batch]);
		message->msg_name = &addresses[batch];
		message->msg_iov = &data;
		message->msg_iovlen = 1;
	}
	sent = batch == 1 ? (int)sendmsg(fd, &messages[0].msg_hdr, 0)
			  : sendmmsg(fd, messages, batch, 0);
	answer(sent);
}

// sendfrom SOCKET DATA SOURCE ADDRESS PORT: a datagram that names its own source
static void do_sendfrom(int fd, char **words)
{
	union address source, destination;
	struct iovec data = {.iov_base = words[2], .iov_len = strlen(words[2])};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = {0};
	struct msghdr message = {.msg_name = &destination,
				 .msg_namelen = parse_address(words[4], words[5], &destination),
				 .msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control};

	parse_address(words[3], "0", &source);
	if (source.any.sa_family == AF_INET) {
		struct in_pktinfo *info = (void *)CMSG_DATA(&control.header);

		control.header.cmsg_level = IPPROTO_IP;
		control.header.cmsg_type = IP_PKTINFO;
		control.header.cmsg_len = CMSG_LEN(sizeof(*info));
		info->ipi_spec_dst = source.v4.sin_addr;
	} else {
		struct in6_pktinfo *info = (void *)CMSG_DATA(&control.header);

		control.header.cmsg_level = IPPROTO_IPV6;
		control.header.cmsg_type = IPV6_PKTINFO;
		control.header.cmsg_len = CMSG_LEN(sizeof(*info));
		info->ipi6_addr = source.v6.sin6_addr;
	}
	message.msg_controllen = CMSG_ALIGN(control.header.cmsg_len);
	answer((int)sendmsg(fd, &message, 0));
}

// recvfrom SOCKET COUNT: with a COUNT above 1 by recvmmsg
static void do_recvfrom(int fd, int count)
{
	struct mmsghdr messages[MAX_BATCH] = {0};
	union address sources[MAX_BATCH] = {0};
	char data[MAX_BATCH][MAX_DATA], text[64];
	struct iovec parts[MAX_BATCH];
	int received = 1;

	for (int i = 0; i < count; i++) {
		parts[i] = (struct iovec){.iov_base = data[i], .iov_len = MAX_DATA};
		messages[i].msg_hdr = (struct msghdr){.msg_name = &sources[i],
						      .msg_namelen = sizeof(sources[i]),
						      .msg_iov = &parts[i],
						      .msg_iovlen = 1};
	}
	if (count == 1) {
		ssize_t length = recvmsg(fd, &messages[0].msg_hdr, 0);

		messages[0].msg_len = length;
		received = length < 0 ? -1 : 1;
	} else {
		received = recvmmsg(fd, messages, count, 0, NULL);
	}
	if (received < 0) {
		answer(received);
		return;
	}
	printf("{\"errno\":\"\",\"received\":[");
	for (int i = 0; i < received; i++)
		printf("%s{\"data\":\"%.*s\",\"from\":\"%s\"}", i ? "," : "",
		       (int)messages[i].msg_len, data[i], format_address(&sources[i], text));
	printf("]}\n");
}

static int open_for(const struct target *target)
{
	return open_socket(target->address.any.sa_family,
			   target->kind == TCP ? SOCK_STREAM : SOCK_DGRAM);
}

// Reaches the target, by a new socket unless one is kept, and hears from the backend which one it
// is.
static void attempt(const struct target *target, char *backend)
{
	struct linger reset = {.l_onoff = 1};
	const struct sockaddr *address = &target->address.any;
	int fd = target->kind == KEPT ? target->kept : open_for(target);
	ssize_t length = -1;

	// A port must not wait for its old connection: thousands come from one address.
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (target->kind == SENDTO || target->kind == KEPT) {
		if (sendto(fd, "?", 1, 0, address, target->length) == 1)
			length = recv(fd, backend, MAX_DATA - 1, 0);
	} else if (!connect(fd, address, target->length)) {
		if (target->kind == TCP || send(fd, "?", 1, 0) == 1)
			length = recv(fd, backend, MAX_DATA - 1, 0);
	}
	if (length <= 0)
		strcpy(backend, length ? strerrorname_np(errno) : "EOF");
	else
		backend[length] = '\0';
	if (target->kind != KEPT)
		close(fd);
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static bool is_input_waiting(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) > 0;
}

// tcp|udp|sendto|kept ADDRESS PORT
static struct target parse_target(char **words)
{
	struct target target = {.kind = words[0][0] == 't'   ? TCP
					: words[0][0] == 'u' ? UDP
					: words[0][0] == 's' ? SENDTO
							     : KEPT};

	target.length = parse_address(words[1], words[2], &target.address);
	target.kept = target.kind == KEPT ? open_for(&target) : -1;
	return target;
}

// repeat COUNT MILLISECONDS PAUSE_US TARGET...: goes round the targets until the count or the time
// is over or a line comes in. Answers [start ns, end ns, target, backend or errno] for each
// attempt, then {}.
static void do_repeat(char **words, int count)
{
	struct target targets[MAX_WORDS / 3];
	long long end_ns = now_ns() + atoll(words[2]) * 1000000;
	int total = 0;

	for (int i = 4; i + 2 < count; i += 3)
		targets[total++] = parse_target(&words[i]);
	for (long i = 0; i < atol(words[1]) && now_ns() < end_ns && !is_input_waiting(); i++) {
		char backend[MAX_DATA];
		long long start_ns = now_ns();

		attempt(&targets[i % total], backend);
		printf("[%lld,%lld,%ld,\"%s\"]\n", start_ns, now_ns(), i % total, backend);
		if (atoi(words[3]))
			usleep(atoi(words[3]));
	}
	for (int i = 0; i < total; i++)
		if (targets[i].kind == KEPT)
			close(targets[i].kept);
	printf("{}\n");
}

// enter FILE: from then on, new sockets are of that network namespace
static void do_enter(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	answer(fd < 0 ? fd : setns(fd, CLONE_NEWNET));
	close(fd);
}

static void do_command(char **words, int count)
{
	const char *command = words[0];
	int fd = count > 1 ? atoi(words[1]) : -1;
	union address address = {0};
	socklen_t length = sizeof(address);

	if (!strcmp(command, "open")) {
		do_open(words, count);
	} else if (!strcmp(command, "connect")) {
		length = parse_address(words[2], words[3], &address);
		answer(connect(fd, &address.any, length));
	} else if (!strcmp(command, "bind")) {
		int shared = count > 4;

		length = parse_address(words[2], words[3], &address);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &shared, sizeof(shared));
		answer(bind(fd, &address.any, length));
	} else if (!strcmp(command, "listen")) {
		answer(listen(fd, 16));
	} else if (!strcmp(command, "accept")) {
		do_accept(fd);
	} else if (!strcmp(command, "device")) {
		answer(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, words[2], strlen(words[2])));
	} else if (!strcmp(command, "send")) {
		struct iovec data = parse_data(words[2]);

		answer(send(fd, data.iov_base, data.iov_len, MSG_NOSIGNAL));
	} else if (!strcmp(command, "discover")) {
		do_discover(fd);
	} else if (!strcmp(command, "sendto")) {
		do_sendto(fd, words, count);
	} else if (!strcmp(command, "sendfrom")) {
		do_sendfrom(fd, words);
	} else if (!strcmp(command, "recvfrom")) {
		do_recvfrom(fd, atoi(words[2]));
	} else if (!strcmp(command, "getpeername")) {
		answer_address(getpeername(fd, &address.any, &length), &address);
	} else if (!strcmp(command, "getsockname")) {
		answer_address(getsockname(fd, &address.any, &length), &address);
	} else if (!strcmp(command, "repeat")) {
		do_repeat(words, count);
	} else if (!strcmp(command, "enter")) {
		do_enter(words[1]);
	} else if (!strcmp(command, "close")) {
		answer(close(fd));
	} else {
		printf("{\"errno\":\"no such command\"}\n");
	}
}

// Reads a line without reading ahead, so that is_input_waiting() sees all that was not taken.
static bool read_line(char *line, size_t size)
{
	size_t length = 0;

	while (length + 1 < size && read(STDIN_FILENO, &line[length], 1) == 1) {
		if (line[length] == '\n') {
			line[length] = '\0';
			return true;
		}
		length++;
	}
	return false;
}

int main(void)
{
	static char line[4096];

	while (read_line(line, sizeof(line))) {
		char *words[MAX_WORDS];
		int count = 0;

		for (char *word = strtok(line, " "); word && count < MAX_WORDS;
		     word = strtok(NULL, " "))
			words[count++] = word;
		if (count)
			do_command(words, count);
		fflush(stdout);
	}
	return 0;
}
