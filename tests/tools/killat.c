// SPDX-License-Identifier: GPL-2.0-only
/*
 * killat.c - kills a process at a system call of our choice.
 *
 * usage: killat PID N
 *
 * Says "ready" once it follows PID, then kills it at its N-th stop before or
 * after a system call from there. If this program is ended first, PID goes on.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int status, stops = 0, n = argc == 3 ? atoi(argv[2]) : -1;
	pid_t pid = argc == 3 ? atoi(argv[1]) : 0;

	if (n < 0 || pid <= 0 || ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACESYSGOOD) || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) ||
	    waitpid(pid, &status, __WALL) != pid) {
		perror("killat");
		return 99;
	}
	/* It waits in epoll_wait, whose return is the first stop. */
	puts("ready");
	fflush(stdout);
	while (stops < n) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) || waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
			return 1;
		stops += WSTOPSIG(status) == (SIGTRAP | 0x80);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, __WALL);
	return 0;
}
