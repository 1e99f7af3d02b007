// SPDX-License-Identifier: Apache-2.0
/*
 * The other end of measure-client.c and of who looks which backend a Service leads to, for both
 * families and any number of connections at once. Started by servers.ts in a pod.
 *
 *	measure-server CPU tcp|datagrams PORT
 *
 * tcp: what a connection brings decides: one that begins with 0 is read to its end and then closed;
 * of any other each byte is sent back, but for '?', which is answered by the address that the
 * connection came to and a line feed. datagrams: those that begin with 0 are not answered, those
 * with '?' by the address that they came to, all others by themselves; from that address.
 *
 * Prints a line when it listens. Never takes the CPU from who is at work there, but waits until
 * that one waits: else the answering of one thing gets in the way of asking the next.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "measuring.h"

#define READ_SIZE (256 << 10)
#define MAX_FILES 65536
#define MAX_EVENTS 64
/* "ADDRESS\n" */
#define ANSWER_SIZE (INET6_ADDRSTRLEN + 1)

enum use { UNKNOWN, ECHO, SINK };

/* Of each connection, by the number of its file. */
static unsigned char uses[MAX_FILES];

static int open_socket(int type, int port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int file = socket(AF_INET6, type | SOCK_CLOEXEC, 0), yes = 1, no = 0;

	setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(file, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(file, (struct sockaddr *)&any, sizeof(any)))
		fail("bind port %d", port);
	return file;
}

/* Returns its size, with the line feed. */
static size_t say_address(char *answer, const struct in6_addr *address)
{
	if (IN6_IS_ADDR_V4MAPPED(address))
		inet_ntop(AF_INET, &address->s6_addr[12], answer, ANSWER_SIZE);
	else
		inet_ntop(AF_INET6, address, answer, ANSWER_SIZE);
	strcat(answer, "\n");
	return strlen(answer);
}

static bool send_all(int connection, const char *bytes, size_t size)
{
	return send(connection, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* Returns whether all could be sent. */
static bool answer(int connection, const char *bytes, size_t size)
{
	struct sockaddr_in6 local;
	socklen_t local_size = sizeof(local);
	char text[ANSWER_SIZE];

	if (!memchr(bytes, '?', size))
		return send_all(connection, bytes, size);
	if (getsockname(connection, (struct sockaddr *)&local, &local_size))
		return false;
	for (size_t i = 0; i < size; i++) {
		bool is_question = bytes[i] == '?';
		size_t length = is_question ? say_address(text, &local.sin6_addr) : 1;

		if (!send_all(connection, is_question ? text : &bytes[i], length))
			return false;
	}
	return true;
}

/* Reads what is there, or learns that nothing is. Returns whether the connection lasts. */
static bool serve(int connection)
{
	static char bytes[READ_SIZE];
	ssize_t size = recv(connection, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (size < 0)
		return errno == EAGAIN;
	if (size == 0)
		return false;
	if (uses[connection] == UNKNOWN)
		uses[connection] = bytes[0] ? ECHO : SINK;
	return uses[connection] == SINK || answer(connection, bytes, size);
}

/* Who has connected has often sent already: what it sent is answered before anything else. */
static void welcome(int listener, int poll)
{
	int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = connection};

	if (connection < 0 && (errno == EMFILE || errno == ENFILE))
		fail("accept");
	if (connection < 0)
		return;
	if (connection >= MAX_FILES) {
		close(connection);
		return;
	}
	uses[connection] = UNKNOWN;
	if (!serve(connection) || epoll_ctl(poll, EPOLL_CTL_ADD, connection, &event))
		close(connection);
}

static void serve_tcp(int listener)
{
	struct epoll_event events[MAX_EVENTS] = {{.events = EPOLLIN, .data.fd = listener}};
	int poll = epoll_create1(EPOLL_CLOEXEC);

	if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, events))
		fail("epoll");
	for (;;) {
		int count = epoll_wait(poll, events, MAX_EVENTS, -1);

		for (int i = 0; i < count; i++) {
			int file = events[i].data.fd;

			if (file == listener)
				welcome(listener, poll);
			else if (!serve(file))
				close(file);
		}
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
		struct in6_pktinfo *arrived;

		if (size < 1 || !datagram[0] || !header || header->cmsg_type != IPV6_PKTINFO)
			continue;
		arrived = (struct in6_pktinfo *)CMSG_DATA(header);
		body.iov_len = size;
		if (datagram[0] == '?')
			body.iov_len = say_address(datagram, &arrived->ipi6_addr);
		/* Not bound to the device that it came in by. */
		arrived->ipi6_ifindex = 0;
		sendmsg(file, &message, 0);
	}
}

static void allow_many_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		fail("getrlimit");
	files.rlim_cur = files.rlim_max < MAX_FILES ? files.rlim_max : MAX_FILES;
	if (setrlimit(RLIMIT_NOFILE, &files))
		fail("setrlimit");
}

int main(int argc, char **argv)
{
	const struct sched_param none = {};
	bool is_datagrams;
	int file, yes = 1;

	if (argc != 4) {
		fprintf(stderr, "usage: measure-server CPU tcp|datagrams PORT\n");
		return 2;
	}
	pin_to_cpu(atoi(argv[1]));
	if (sched_setscheduler(0, SCHED_BATCH, &none))
		fail("run as a batch");
	is_datagrams = strcmp(argv[2], "datagrams") == 0;
	file = open_socket(is_datagrams ? SOCK_DGRAM : SOCK_STREAM, atoi(argv[3]));
	/* Every connection has it from its listener. */
	if (!is_datagrams && setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)))
		fail("send at once");
	if (!is_datagrams && listen(file, SOMAXCONN))
		fail("listen");
	printf("listening\n");
	fflush(stdout);
	if (is_datagrams)
		serve_datagrams(file);
	allow_many_files();
	serve_tcp(file);
}
