// SPDX-License-Identifier: Apache-2.0
// echo-backends [--who] PORT...: a backend on every address of its network namespace, TCP and UDP,
// IPv4 and IPv6. Says which one was reached: each TCP connection is greeted with the backend's
// address and port and then echoed, until it says "bye"; each datagram is answered with them.
// --who adds " from " and the client's address and port, and datagrams that are longer than this
// come back with it written over their beginning.
#define _GNU_SOURCE
#include "one-cpu.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_DATA 65536
#define BUFFER_BYTES (8 << 20)

// Of one thing at a time: nothing here runs beside anything else.
static char data[MAX_DATA];
static bool says_who;

enum role { LISTENER, CONNECTION, DATAGRAMS };

// What epoll hands back.
struct watched {
	int fd;
	int port;
	enum role role;
};

static void watch(int epoll, int fd, int port, enum role role)
{
	struct watched *watched = malloc(sizeof(*watched));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = watched};

	*watched = (struct watched){.fd = fd, .port = port, .role = role};
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// Writes 10.244.1.1:8080 or [fd00::1]:8080.
static int format_backend(const struct in6_addr *address, int port, char *text)
{
	char host[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(address)) {
		inet_ntop(AF_INET, &address->s6_addr[12], host, sizeof(host));
		return sprintf(text, "%s:%d", host, port);
	}
	inet_ntop(AF_INET6, address, host, sizeof(host));
	return sprintf(text, "[%s]:%d", host, port);
}

static int describe(const struct in6_addr *own, int port, const struct sockaddr_in6 *client,
		    char *text)
{
	int length = format_backend(own, port, text);

	if (!says_who)
		return length;
	length += sprintf(&text[length], " from ");
	return length + format_backend(&client->sin6_addr, ntohs(client->sin6_port), &text[length]);
}

static int open_port(int type, int port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, type, 0), yes = 1, buffer = BUFFER_BYTES;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof(yes));
	// The addresses are local by route; without this no datagram may leave from one of them.
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &yes, sizeof(yes));
	// A burst of datagrams waits its turn.
	if (type == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    (type == SOCK_STREAM && listen(fd, 1024))) {
		perror("echo-backends");
		exit(1);
	}
	return fd;
}

static void greet(int epoll, const struct watched *listener)
{
	struct sockaddr_in6 own, client;
	socklen_t length = sizeof(own);
	int fd = accept(listener->fd, (struct sockaddr *)&client, &length);
	char text[160];

	if (fd < 0)
		return;
	length = sizeof(own);
	getsockname(fd, (struct sockaddr *)&own, &length);
	send(fd, text, describe(&own.sin6_addr, listener->port, &client, text), MSG_NOSIGNAL);
	watch(epoll, fd, listener->port, CONNECTION);
}

static void echo(struct watched *connection)
{
	ssize_t length = recv(connection->fd, data, sizeof(data), 0);

	if (length > 0 && !(length == 3 && !memcmp(data, "bye", 3))) {
		send(connection->fd, data, length, MSG_NOSIGNAL);
		return;
	}
	close(connection->fd);
	free(connection);
}

// Answers from the address that the datagram came to: the control message that names it goes back.
static void reply(const struct watched *socket)
{
	char text[160];
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control;
	struct sockaddr_in6 client;
	struct iovec part = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr message = {.msg_name = &client,
				 .msg_namelen = sizeof(client),
				 .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	struct in6_pktinfo *reached = (void *)CMSG_DATA(&control.header);

	ssize_t received = recvmsg(socket->fd, &message, 0);

	if (received < 0)
		return;
	reached->ipi6_ifindex = 0;
	ssize_t length = describe(&reached->ipi6_addr, socket->port, &client, text);

	// The NUL ends the text where more follows.
	memcpy(data, text, length + 1);
	part.iov_len = says_who && received > length ? received : length;
	sendmsg(socket->fd, &message, 0);
}

int main(int argc, char **argv)
{
	int epoll = epoll_create1(0);

	stay_on_one_cpu();
	says_who = argc > 1 && !strcmp(argv[1], "--who");
	for (int i = 1 + says_who; i < argc; i++) {
		watch(epoll, open_port(SOCK_STREAM, atoi(argv[i])), atoi(argv[i]), LISTENER);
		watch(epoll, open_port(SOCK_DGRAM, atoi(argv[i])), atoi(argv[i]), DATAGRAMS);
	}
	puts("listening");
	fflush(stdout);
	for (;;) {
		struct epoll_event event;

		if (epoll_wait(epoll, &event, 1, -1) < 1)
			continue;
		struct watched *watched = event.data.ptr;

		if (watched->role == LISTENER)
			greet(epoll, watched);
		else if (watched->role == CONNECTION)
			echo(watched);
		else
			reply(watched);
	}
}
