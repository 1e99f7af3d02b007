// SPDX-License-Identifier: Apache-2.0
/*
 * The other end of measure-client.c and of who looks which backend a Service leads to, for both
 * families and any number of connections at once. Started by measure-servers.ts in a pod.
 *
 *	measure-server CPU tcp|datagrams PORT
 *
 * tcp: what a connection brings decides: one that begins with 0 is read to its end and then closed;
 * of any other each byte is sent back, but for '?', which is answered by the address that the
 * connection came to and a line feed. datagrams: those that begin with 0 are not answered, those
 * with '?' by the address that they came to, all others by themselves; from that address.
 *
 * Prints a line when it listens. Is in nobody's way: but see measure-servers.ts.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "measuring.h"

#define READ_SIZE (256 << 10)
#define STACK_SIZE (READ_SIZE + (256 << 10))
#define MAX_FILES 65536
#define FIRST_THREADS 4
#define MOST_WAITING_THREADS 8
/* "ADDRESS\n" */
#define ANSWER_SIZE (INET6_ADDRSTRLEN + 1)

static atomic_int waiting_threads;

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

/* Until the other end closes it, or goes. */
static void serve_connection(int connection)
{
	char bytes[READ_SIZE];
	ssize_t size = recv(connection, bytes, sizeof(bytes), 0);
	bool is_sink = size > 0 && bytes[0] == 0;

	while (size > 0 && (is_sink || answer(connection, bytes, size)))
		size = recv(connection, bytes, sizeof(bytes), 0);
	close(connection);
}

static void start_thread(int listener);

/*
 * A thread waits for what one connection brings, and for nothing else: to wait for many at once
 * takes a tenth of the time of a round trip. There is always one left that waits for the next
 * connection.
 */
static void *serve_connections(void *listener_number)
{
	int listener = (intptr_t)listener_number;

	for (;;) {
		int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0) {
			if (errno == EMFILE || errno == ENFILE)
				fail("accept");
			continue;
		}
		if (atomic_fetch_sub(&waiting_threads, 1) == 1)
			start_thread(listener);
		serve_connection(connection);
		if (atomic_fetch_add(&waiting_threads, 1) >= MOST_WAITING_THREADS) {
			atomic_fetch_sub(&waiting_threads, 1);
			return NULL;
		}
	}
}

static void start_thread(int listener)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	atomic_fetch_add(&waiting_threads, 1);
	errno = pthread_create(&thread, &attributes, serve_connections, (void *)(intptr_t)listener);
	if (errno)
		fail("start a thread");
	pthread_attr_destroy(&attributes);
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
	for (int i = 0; i < FIRST_THREADS; i++)
		start_thread(file);
	for (;;)
		pause();
}
