// SPDX-License-Identifier: GPL-2.0-only
/*
 * sandbox.c - what vmi-user-net may still do when it begins to serve.
 *
 * The manager has dropped the user already. Here: few descriptors and little memory, and
 * a short list of system calls; all others are refused, for a library of another version may
 * want one that it can do without. A guest that has taken the program over can connect IPv4
 * sockets, as it could before, and take connections at the ports that the manager gave it; it has no process, no other
 * server, no signal for its parent.
 *
 * It may open files for reading, as anybody may: libslirp reads /etc/resolv.conf whenever that
 * has changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <seccomp.h>

#include "user-net.h"

#define MEMORY		(128ul << 20)	/* FILES connections, and as much again */

/* The loop and libslirp; what malloc(), stdio, abort() and the end need. */
static const int allowed[] = {
	SCMP_SYS(poll), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmsg), SCMP_SYS(connect), SCMP_SYS(accept), SCMP_SYS(shutdown), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(close), SCMP_SYS(read), SCMP_SYS(write),
	SCMP_SYS(newfstatat), SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(brk),
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(getrandom), SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(getpid),
	SCMP_SYS(gettid), -1,
};
static const int fcntls[] = { F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, -1 };
static const int ioctls[] = { FIONREAD, FIONBIO, SIOCATMARK, -1 };

static void check(int rc, const char *what)
{
	if (rc < 0)
		die("no sandbox (%s): %s; the kernel needs CONFIG_SECCOMP_FILTER", what, strerror(-rc));
}

void sandbox_enter(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EACCES));
	const unsigned int writes = O_ACCMODE | O_CREAT | O_TRUNC;

	if (!ctx)
		die("no sandbox: no memory");
	for (const int *nr = allowed; *nr != -1; nr++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, *nr, 0), "rule");
	for (const int *cmd = fcntls; *cmd != -1; cmd++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, *cmd)), "rule");
	for (const int *cmd = ioctls; *cmd != -1; cmd++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, *cmd)), "rule");
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_INET)), "rule");
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, writes, O_RDONLY)), "rule");
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, getpid())), "rule");
	/* Memory of its own, nothing executable. */
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0),
			       SCMP_A4(SCMP_CMP_MASKED_EQ, UINT32_MAX, UINT32_MAX)), "rule");
	if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){ FILES, FILES }) || setrlimit(RLIMIT_DATA, &(struct rlimit){ MEMORY, MEMORY }))
		check(-errno, "limits");
	check(seccomp_load(ctx), "load");
	seccomp_release(ctx);
}
