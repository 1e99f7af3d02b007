// SPDX-License-Identifier: Apache-2.0
/*
 * Loads compiled BPF objects, without attaching or pinning anything, and prints what the kernel's
 * verifier found of each program. Compiled and started by measure.ts; needs what loading needs.
 *
 *	load-object OBJECT...
 *
 * A line for each program:
 *
 *	OBJECT NAME INSTRUCTIONS VERIFIED TRANSLATED-BYTES JITED-BYTES STACK[+STACK...] VERIFY-US
 *
 * Ends with 1 and the verifier's last words when an object does not load.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* BPF_LOG_STATS of the kernel's bpf_verifier.h: a few lines, whatever the program. */
#define STATISTICS 4
#define LOG_SIZE (64 << 10)
#define MAX_PROGRAMS 64

#define STACK_LINE "stack depth "
#define TIME_LINE "verification time "

static void fail(const char *what, const char *object, int error)
{
	fprintf(stderr, "load-object: %s %s: %s\n", what, object, strerror(error));
	exit(1);
}

/* What follows a word of the verifier's, up to the end of its line. */
static const char *after(const char *log, const char *word)
{
	const char *found = strstr(log, word);

	return found ? found + strlen(word) : "0";
}

/* What a refusal is told with; libbpf's chatter is of no use. */
static int print_warning(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

static void print_program(const char *object, const struct bpf_program *program, const char *log)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	/* Kernels of today tell of the deepest chain of calls behind it. */
	const char *stack = after(log, STACK_LINE);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
		fail("read what became of", object, errno);
	printf("%s %s %zu %u %u %u %.*s %lu\n", object, bpf_program__name(program),
	       bpf_program__insn_cnt(program), info.verified_insns, info.xlated_prog_len,
	       info.jited_prog_len, (int)strcspn(stack, " \n"), stack,
	       strtoul(after(log, TIME_LINE), NULL, 10));
}

/* With no wish of ours about its log, libbpf has the verifier say why. */
static void explain(const char *path, int error)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);

	if (object)
		bpf_object__load(object);
	fail("load", path, -error);
}

static void load(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	char *logs[MAX_PROGRAMS];
	struct bpf_program *program;
	int count = 0, error;

	if (!object)
		fail("open", path, errno);
	bpf_object__for_each_program(program, object)
	{
		if (count == MAX_PROGRAMS || !(logs[count] = calloc(1, LOG_SIZE)))
			fail("make room for programs of", path, ENOMEM);
		bpf_program__set_log_level(program, STATISTICS);
		bpf_program__set_log_buf(program, logs[count++], LOG_SIZE);
	}
	error = bpf_object__load(object);
	if (error)
		explain(path, error);
	count = 0;
	bpf_object__for_each_program(program, object) print_program(path, program, logs[count++]);
	bpf_object__close(object);
}

int main(int argc, char **argv)
{
	libbpf_set_print(print_warning);
	for (int i = 1; i < argc; i++)
		load(argv[i]);
	return 0;
}
