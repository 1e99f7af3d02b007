// SPDX-License-Identifier: Apache-2.0
/*
 * The other end of traffic-client.c, for both families. Started in a pod.
 *
 *	traffic-server CPU echo|sink|datagrams PORT
 *
 * echo		sends back what comes by TCP, one connection at a time
 * sink		reads what comes by TCP, one connection at a time, and closes when that has ended
 * datagrams	answers those that begin with a byte other than 0, from the address that they came
 *to
 *
 * Prints a line when it listens.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measuring.h"

#define READ_SIZE (256 << 10)

static int open_socket(int type, int port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int file = socket(AF_INET6, type, 0), yes = 1, no = 0;

	setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(file, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(file, (struct sockaddr *)&any, sizeof(any)))
		fail("bind");
	return file;
}

static void serve_tcp(int listener, int echoes)
{
	static char bytes[READ_SIZE];

	for (;;) {
		int connection = accept(listener, NULL, NULL), yes = 1;
		ssize_t size;

		if (connection < 0)
			continue;
		setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		while ((size = read(connection, bytes, sizeof(bytes))) > 0)
			if (echoes && write(connection, bytes, size) != size)
				break;
		close(connection);
	}
}

/* The socket has every address of the namespace, so the answer must be told which one to come from.
 */
static void serve_datagrams(int file)
{
	int yes = 1;

	setsockopt(file, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof(yes));
	for (;;) {
		char datagram[2048], control[256];
		struct sockaddr_in6 peer;
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

		if (size < 1 || !datagram[0] || !header || header->cmsg_type != IPV6_PKTINFO)
			continue;
		/* Not bound to the device that it came in by. */
		((struct in6_pktinfo *)CMSG_DATA(header))->ipi6_ifindex = 0;
		body.iov_len = size;
		sendmsg(file, &message, 0);
	}
}

/* Reads what has come when the client waits for an answer: to be woken by each datagram, on the CPU
 * that still sends, costs more than the datagram. */
static void be_patient(void)
{
	const struct sched_param none = {};

	if (sched_setscheduler(0, SCHED_BATCH, &none))
		fail("run as a batch");
}

int main(int argc, char **argv)
{
	int file, is_datagrams;

	if (argc != 4) {
		fprintf(stderr, "usage: traffic-server CPU echo|sink|datagrams PORT\n");
		return 2;
	}
	pin_to_cpu(atoi(argv[1]));
	is_datagrams = strcmp(argv[2], "datagrams") == 0;
	file = open_socket(is_datagrams ? SOCK_DGRAM : SOCK_STREAM, atoi(argv[3]));
	if (!is_datagrams && listen(file, 128))
		fail("listen");
	printf("listening\n");
	fflush(stdout);
	if (is_datagrams) {
		be_patient();
		serve_datagrams(file);
	}
	serve_tcp(file, strcmp(argv[2], "echo") == 0);
}
