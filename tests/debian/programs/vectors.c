// SPDX-License-Identifier: GPL-2.0-only
/* vectors.c - vector arithmetic across system calls, signals and forks; compile with -msse2, -mavx2 ... */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

typedef uint32_t vec __attribute__((vector_size(32)));

static volatile sig_atomic_t hits;
static volatile vec scratch;

static void on_signal(int n)
{
	vec v = { n, 2, 3, 4, 5, 6, 7, 8 };

	for (int i = 0; i < 100; i++)
		v = v * 3 + 1;
	scratch = v;
	hits++;
}

static vec work(vec v, int interrupt)
{
	for (int i = 0; i < 2000; i++) {
		v = v * 1664525u + 1013904223u;
		v ^= v >> 7;
		if (interrupt && i % 100 == 0)
			raise(SIGUSR1);
		if (i % 500 == 0)
			usleep(1000);
	}
	return v;
}

static void print(const char *name, vec v)
{
	printf("%s", name);
	for (int i = 0; i < 8; i++)
		printf(" %08x", v[i]);
	printf("\n");
	fflush(stdout);
}

int main(void)
{
	vec start = { 1, 2, 3, 4, 5, 6, 7, 8 };

	signal(SIGUSR1, on_signal);
	print("plain", work(start, 0));
	print("signals", work(start, 1));
	if (!fork()) {
		print("child", work(start + 1, 1));
		_exit(0);
	}
	wait(NULL);
	print("parent", work(start + 2, 1));
	printf("%d signals\n", (int)hits);
	return 0;
}
