// SPDX-License-Identifier: Apache-2.0
/*
 * The other end of connect-client.c: accepts every TCP connection and holds it until the client
 * hangs up, or sends every datagram back from the address that it came to. Started in a pod.
 *
 *   echo-server CPU tcp|udp PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measuring.h"

static int open_socket(int type, int port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	int file = socket(AF_INET, type, 0), yes = 1;

	setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(file, (struct sockaddr *)&any, sizeof(any)))
		fail("bind");
	return file;
}

static void serve_tcp(int listener)
{
	char byte;

	for (;;) {
		int connection = accept(listener, NULL, NULL);

		if (connection < 0)
			continue;
		while (read(connection, &byte, 1) > 0)
			;
		close(connection);
	}
}

/* The socket has every address of the namespace, so the answer must be told which one to come from.
 */
static void serve_udp(int file)
{
	int yes = 1;

	setsockopt(file, IPPROTO_IP, IP_PKTINFO, &yes, sizeof(yes));
	for (;;) {
		char datagram[2048], control[256];
		struct sockaddr_in peer;
		struct iovec body = {.iov_base = datagram, .iov_len = sizeof(datagram)};
		struct msghdr message = {
			.msg_name = &peer,
			.msg_namelen = sizeof(peer),
			.msg_iov = &body,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		ssize_t size = recvmsg(file, &message, 0);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);

		if (size < 0 || !header || header->cmsg_type != IP_PKTINFO)
			continue;
		/* Not bound to the device that it came in by. */
		((struct in_pktinfo *)CMSG_DATA(header))->ipi_ifindex = 0;
		body.iov_len = size;
		sendmsg(file, &message, 0);
	}
}

int main(int argc, char **argv)
{
	int listener;

	if (argc != 4) {
		fprintf(stderr, "usage: echo-server CPU tcp|udp PORT\n");
		return 2;
	}
	pin_to_cpu(atoi(argv[1]));
	if (strcmp(argv[2], "udp") == 0)
		serve_udp(open_socket(SOCK_DGRAM, atoi(argv[3])));
	listener = open_socket(SOCK_STREAM, atoi(argv[3]));
	if (listen(listener, 4096))
		fail("listen");
	serve_tcp(listener);
}
