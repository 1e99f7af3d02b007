// SPDX-License-Identifier: Apache-2.0
// Asks the kernel which programs a device has by TCX, and attaches somebody else's. Programs know
// devices of the network namespace that they run in only, and bpftool 7.1 knows no TCX. Started by
// device-programs.ts.
// "tcx query DEVICE" prints {"ingress":[ids],"egress":[ids]}, in the order in which they run;
// "tcx attach DEVICE PIN" puts the program pinned at PIN behind those on ingress.

#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TCX_INGRESS = 46, TCX_EGRESS = 47 };

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

static int print_programs(const char *name, unsigned int ifindex, int type)
{
	__u32 ids[64];
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = ifindex;
	attr.query.attach_type = type;
	attr.query.prog_ids = (__u64)(unsigned long)ids;
	attr.query.prog_cnt = 64;
	if (syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof(attr))) {
		/* Before 6.6 there is no such way of attaching: nothing is there by it. */
		if (errno != ENOENT && errno != EINVAL)
			return fail("query");
		attr.query.prog_cnt = 0;
	}
	printf("\"%s\":[", name);
	for (__u32 i = 0; i < attr.query.prog_cnt; i++)
		printf("%s%u", i ? "," : "", ids[i]);
	printf("]");
	return 0;
}

static int query(unsigned int ifindex)
{
	printf("{");
	if (print_programs("ingress", ifindex, TCX_INGRESS))
		return 1;
	printf(",");
	if (print_programs("egress", ifindex, TCX_EGRESS))
		return 1;
	printf("}\n");
	return 0;
}

static int attach(unsigned int ifindex, const char *pin)
{
	union bpf_attr attr;
	int program;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (__u64)(unsigned long)pin;
	program = syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	if (program < 0)
		return fail(pin);
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = ifindex;
	attr.attach_bpf_fd = program;
	attr.attach_type = TCX_INGRESS;
	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) ? fail("attach") : 0;
}

int main(int argc, char **argv)
{
	unsigned int ifindex = argc > 2 ? if_nametoindex(argv[2]) : 0;

	if (!ifindex)
		return fail("device");
	if (!strcmp(argv[1], "query"))
		return query(ifindex);
	return argc > 3 ? attach(ifindex, argv[3]) : 1;
}
