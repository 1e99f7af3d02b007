// SPDX-License-Identifier: Apache-2.0
// echo-backends PORT...: a backend on every address of its network namespace, TCP and UDP, IPv4 and
// IPv6. Says which one was reached: each TCP connection is greeted with the backend's address and
// port and then echoed; each datagram is answered with them.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

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

static int open_port(int type, int port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, type, 0), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof(yes));
	// The addresses are local by route; without this no datagram may leave from one of them.
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    (type == SOCK_STREAM && listen(fd, 1024))) {
		perror("echo-backends");
		exit(1);
	}
	return fd;
}

static void greet(int epoll, const struct watched *listener)
{
	struct sockaddr_in6 own;
	socklen_t length = sizeof(own);
	int fd = accept(listener->fd, NULL, NULL);
	char text[64];

	if (fd < 0)
		return;
	getsockname(fd, (struct sockaddr *)&own, &length);
	send(fd, text, format_backend(&own.sin6_addr, listener->port, text), MSG_NOSIGNAL);
	watch(epoll, fd, listener->port, CONNECTION);
}

static void echo(struct watched *connection)
{
	char data[512];
	ssize_t length = recv(connection->fd, data, sizeof(data), 0);

	if (length > 0) {
		send(connection->fd, data, length, MSG_NOSIGNAL);
		return;
	}
	close(connection->fd);
	free(connection);
}

// Answers from the address that the datagram came to: the control message that names it goes back.
static void reply(const struct watched *socket)
{
	char data[512], text[64];
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

	if (recvmsg(socket->fd, &message, 0) < 0)
		return;
	reached->ipi6_ifindex = 0;
	part.iov_base = text;
	part.iov_len = format_backend(&reached->ipi6_addr, socket->port, text);
	sendmsg(socket->fd, &message, 0);
}

int main(int argc, char **argv)
{
	int epoll = epoll_create1(0);

	for (int i = 1; i < argc; i++) {
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
