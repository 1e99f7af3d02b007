// SPDX-License-Identifier: Apache-2.0
// ping ADDRESS PATIENCE_MS: one ICMP echo request, as ping(8) -c 1. Says who answered and after how
// many milliseconds and ends with 0; with 1 when nobody did.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* An echo request is alike in both families (RFC 792, RFC 4443 4.1); with IPv6 the kernel makes the
 * checksum. */
struct echo {
	unsigned char type, code;
	unsigned short checksum, id, sequence;
	char data[32];
};

static unsigned short internet_checksum(const void *data, size_t size)
{
	const unsigned short *words = data;
	unsigned int sum = 0;

	for (size_t i = 0; i < size / 2; i++)
		sum += words[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *to;
	struct sockaddr_storage from;
	struct echo request = {.id = getpid(), .data = "signal box"};
	int patience, is_ipv6, fd;
	double begun, left;

	if (argc != 3 || getaddrinfo(argv[1], NULL, &hints, &to))
		errx(2, "usage: ping ADDRESS PATIENCE_MS");
	patience = atoi(argv[2]);
	is_ipv6 = to->ai_family == AF_INET6;
	fd = socket(to->ai_family, SOCK_RAW, is_ipv6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP);
	if (fd < 0)
		err(2, "socket");
	request.type = is_ipv6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	if (!is_ipv6)
		request.checksum = internet_checksum(&request, sizeof(request));
	begun = now_ms();
	if (sendto(fd, &request, sizeof(request), 0, to->ai_addr, to->ai_addrlen) < 0)
		err(1, "sendto %s", argv[1]);
	while ((left = begun + patience - now_ms()) > 0) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		unsigned char packet[2048];
		socklen_t size = sizeof(from);
		const struct echo *reply;
		char host[NI_MAXHOST];
		ssize_t length, header;

		if (poll(&readable, 1, (int)left + 1) <= 0)
			continue;
		length = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &size);
		header = is_ipv6 ? 0 : (packet[0] & 15) * 4;
		reply = (const void *)(packet + header);
		if (length < header + (ssize_t)sizeof(request) || reply->id != request.id ||
		    reply->type != (is_ipv6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) ||
		    memcmp(reply->data, request.data, sizeof(request.data)))
			continue;
		getnameinfo((struct sockaddr *)&from, size, host, sizeof(host), NULL, 0,
			    NI_NUMERICHOST);
		printf("%s %.1f\n", host, now_ms() - begun);
		return 0;
	}
	return 1;
}
