// SPDX-License-Identifier: GPL-2.0-only
/*
 * args.c - values of the command line, and the descriptors it names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev.h"

#define MAX_FDS	64

static int fds[MAX_FDS];
static unsigned int nr_fds;

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("vmi-back: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

uint64_t arg_u64(const char *name, const char *value, uint64_t min, uint64_t max)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(value, &end, 0);
	if (*value < '0' || *value > '9' || *end || errno || n < min || n > max)
		die("%s=%s: give a number from %llu to %llu", name, value, (unsigned long long)min, (unsigned long long)max);
	return n;
}

bool arg_bool(const char *name, const char *value)
{
	return arg_u64(name, value, 0, 1);
}

int arg_fd(const char *name, const char *value)
{
	int fd = arg_u64(name, value, 3, 1 << 20);

	if (fcntl(fd, F_GETFD) < 0)
		die("%s=%s: the descriptor is not open; the manager opens files and passes them on", name, value);
	if (nr_fds == MAX_FDS)
		die("%s=%s: more than %d descriptors", name, value, MAX_FDS);
	fds[nr_fds++] = fd;
	return fd;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void args_close_others(void)
{
	int next = 3;

	close(0);
	close(1);
	qsort(fds, nr_fds, sizeof(fds[0]), by_number);
	for (unsigned int i = 0; i < nr_fds; i++) {
		if (fds[i] > next)
			close_range(next, fds[i] - 1, 0);
		next = fds[i] + 1;
	}
	close_range(next, ~0u, 0);
}
