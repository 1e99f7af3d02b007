/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What stale-find.bpf.c says of each socket that it finds; user space reads it. */
#ifndef STALE_SOCKET_H
#define STALE_SOCKET_H

#include <linux/inet_diag.h>
#include <linux/types.h>

/* A connected UDP socket whose backend is gone. */
struct stale_socket {
	__u64 cookie;
	/* Of the network namespace that it is in, as /proc/PID/ns/net shows it. */
	__u32 netns_inode;
	__u32 pad;
	/* The struct inet_diag_req_v2 that names it; user space only passes it on. */
	__u8 request[sizeof(struct inet_diag_req_v2)];
};

#endif
