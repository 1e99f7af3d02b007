// SPDX-License-Identifier: Apache-2.0
// Somebody else's program on the hooks that Signalbox uses: lets everything through.
#include <linux/bpf.h>

__attribute__((section("cgroup/connect4"), used)) int allow(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return 1;
}
