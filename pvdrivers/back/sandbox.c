// SPDX-License-Identifier: GPL-2.0-only
/*
 * sandbox.c - what a back end may still do when it begins to serve.
 *
 * The manager has dropped the user already. Here: no new privilege, and a short
 * list of system calls; any other ends the process (SIGSYS), and the manager says
 * so. No call of the list names a file. io_uring has its own list (loop.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include <seccomp.h>
#include <vmi/dev.h>

#include "dev.h"

/* The loop, doorbells, the control socket; what malloc(), abort() and the end need. */
static const int common[] = {
	SCMP_SYS(io_uring_enter), SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	SCMP_SYS(clock_gettime), SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(close),
	SCMP_SYS(exit_group), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill), -1,
};

static void check(int rc, const char *what)
{
	if (rc < 0)
		die("no sandbox (%s): %s; the kernel needs CONFIG_SECCOMP_FILTER", what, strerror(-rc));
}

void sandbox_enter(const struct dev_ops *ops)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (!ctx)
		die("no sandbox: no memory");
	for (const int *nr = common; *nr >= 0; nr++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, *nr, 0), "rule");
	for (const int *nr = ops->syscalls; nr && *nr >= 0; nr++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, *nr, 0), "rule");
	/* The one that is made often and has arguments to look at: first. */
	check(seccomp_syscall_priority(ctx, SCMP_SYS(ioctl), 255), "priority");
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, VMI_DEV_PORT_NOTIFY)), "rule");
	for (const int *cmd = ops->ioctls; cmd && *cmd; cmd++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, (uint32_t)*cmd)), "rule");
	/* Memory of its own, nothing executable. */
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0),
			       SCMP_A4(SCMP_CMP_MASKED_EQ, 0xffffffff, 0xffffffff)), "rule");
	check(-prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0, "no_new_privs");
	check(seccomp_load(ctx), "load");
	seccomp_release(ctx);
}
