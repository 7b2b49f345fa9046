// SPDX-License-Identifier: GPL-2.0-only
/* debuggee.c - something for a debugger: calls, variables, a fork, threads, signals, a crash. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int counter, watched;
static volatile int sink;

__attribute__((noinline)) int factorial(int n)
{
	counter++;
	if (n < 2)
		return 1;
	return n * factorial(n - 1);
}

__attribute__((noinline)) static void change(int to)
{
	for (int i = 0; i < 3; i++) {
		sink += i;
		watched = to + i;
	}
}

static void *thread(void *name)
{
	change(10);
	return name;
}

static void on_usr1(int n)
{
	counter += n;
}

int main(int argc, char **argv)
{
	pthread_t t;
	int status;
	pid_t pid;

	signal(SIGUSR1, on_usr1);
	printf("factorial %d\n", factorial(6));
	change(1);
	raise(SIGUSR1);
	pthread_create(&t, NULL, thread, argv[0]);
	pthread_join(t, NULL);
	pid = fork();
	if (!pid) {
		change(100);
		_exit(watched & 0x7f);
	}
	waitpid(pid, &status, 0);
	printf("counter %d watched %d child %d\n", counter, watched, WEXITSTATUS(status));
	fflush(stdout);
	if (argc > 1 && !strcmp(argv[1], "crash"))
		*(volatile int *)16 = factorial(3);
	if (argc > 1 && !strcmp(argv[1], "abort"))
		abort();
	return 0;
}
