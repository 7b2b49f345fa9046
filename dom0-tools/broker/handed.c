// SPDX-License-Identifier: GPL-2.0-only
/*
 * handed.c - a program that opens files by name gets descriptors instead.
 *
 * qemu-storage-daemon takes images by name alone, and runs as a user who may open
 * none of them. So its open() is referred to this process (seccomp's user
 * notification): for /proc/self/fd/N it gets descriptor N, which the manager
 * opened; everything else it may read as anybody may, for the loader and libraries,
 * and write nothing. Once it runs it starts no other program and no other process, opens no
 * socket, and has no io_uring, which would open behind the filter's back.
 *
 * This process is the program's parent and the manager's child: told to end, or killed, it takes
 * the program along. So the program has no children that could stay, cannot undo that it dies with
 * its parent, and sends signals to itself alone. vmi-user-net sees to that by itself; here it has only its parent.
 *
 * Trust: the program may have been taken over by the guest whose disk it serves. The name that it
 * passes is read from its memory once; whatever that becomes meanwhile, it gets one of its own
 * descriptors, or an open() with its own rights.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/seccomp.h>

#include "handed.h"
#include "../lib/util.h"

#define FIRST		3
#define END_TIME	1500000000ull	/* ns: to write down what it has, when it is to end */
#define PREFIX		"/proc/self/fd/"

/* What a program that serves descriptors has no use for. */
static const int refused[] = {
	SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd), SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(pidfd_send_signal), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(unshare),
	SCMP_SYS(setns), SCMP_SYS(chroot), SCMP_SYS(pivot_root), SCMP_SYS(fsopen), SCMP_SYS(open_tree), SCMP_SYS(move_mount),
	SCMP_SYS(io_uring_setup), SCMP_SYS(userfaultfd), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(keyctl), SCMP_SYS(add_key),
	SCMP_SYS(request_key), SCMP_SYS(execveat), SCMP_SYS(openat2), SCMP_SYS(creat), SCMP_SYS(open_by_handle_at), SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat), SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(truncate), SCMP_SYS(chmod),
	SCMP_SYS(fchmodat), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(inotify_init1), SCMP_SYS(fanotify_init), -1,
};

static void say(int ctl, const char *what, int rc)
{
	dprintf(ctl, "cannot be started: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
}

/* What decides over this process's calls from now on; negative errno. */
static int filter(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	static const int asked[] = { SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(execve) };
	int rc = ctx ? 0 : -ENOMEM;

	for (const int *nr = refused; !rc && *nr != -1; nr++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), *nr, 0);
	/* Threads, and neither processes nor namespaces, which would give it rights there. */
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, PR_SET_PDEATHSIG));
	/* Its number stays the same. */
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_NE, getpid()));
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_SETSIG));
	/* glibc then uses clone(), whose flags can be seen. */
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	for (size_t i = 0; !rc && i < sizeof(asked) / sizeof(asked[0]); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, asked[i], 0);
	if (!rc)
		rc = seccomp_load(ctx);
	return rc ? rc : seccomp_notify_fd(ctx);
}

static void begin(int ctl)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(ctl, 2);
}

static _Noreturn void child(char *const *argv, int ctl, int tell)
{
	int fd;

	begin(ctl);
	/* Now, so that a peer is told this process's number (SO_PEERCRED). */
	if (listen(FIRST, 1))
		_exit(127);
	fd = filter();
	(void)!write(tell, &fd, sizeof(fd));
	if (fd >= 0)
		execve(argv[0], argv, (char *[]){ NULL });
	_exit(127);
}

/* The descriptor that a call of the program names, else -1. */
static int named(const struct seccomp_notif *n, unsigned int nr)
{
	uint64_t at = n->data.nr == SYS_openat ? n->data.args[1] : n->data.args[0];
	char name[sizeof(PREFIX) + 8] = "", *end;
	/* Not over the end of a page: the next one may not be there. */
	size_t room = 4096 - (at & 4095), len = room < sizeof(name) - 1 ? room : sizeof(name) - 1;
	struct iovec to[1] = { { name, len } }, from[2] = { { (void *)at, len } };
	unsigned long fd;

	if (process_vm_readv(n->pid, to, 1, from, 1, 0) <= 0)
		return -1;
	if (len < sizeof(name) - 1 && !memchr(name, 0, len)) {
		to[0] = (struct iovec){ name + len, sizeof(name) - 1 - len };
		from[0] = (struct iovec){ (void *)(at + len), sizeof(name) - 1 - len };
		(void)!process_vm_readv(n->pid, to, 1, from, 1, 0);
	}
	if (strncmp(name, PREFIX, strlen(PREFIX)))
		return -1;
	fd = strtoul(name + strlen(PREFIX), &end, 10);
	return *end || end == name + strlen(PREFIX) || fd < FIRST || fd >= FIRST + nr ? -1 : (int)fd;
}

static void answer(int notify, unsigned int nr, bool *running)
{
	struct seccomp_notif n = { 0 };
	struct seccomp_notif_resp r;
	int fd, flags;

	if (ioctl(notify, SECCOMP_IOCTL_NOTIF_RECV, &n))
		return;			/* the caller is gone */
	r = (struct seccomp_notif_resp){ .id = n.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	if (n.data.nr == SYS_execve) {
		if (*running)
			r = (struct seccomp_notif_resp){ .id = n.id, .error = -EPERM };
		*running = true;
	} else {
		fd = named(&n, nr);
		flags = n.data.nr == SYS_openat ? n.data.args[2] : n.data.args[1];
		if (fd >= 0) {
			struct seccomp_notif_addfd add = { .id = n.id, .flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = fd, .newfd_flags = O_CLOEXEC };

			if (ioctl(notify, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0)
				return;
			r = (struct seccomp_notif_resp){ .id = n.id, .error = -EMFILE };
		} else if ((flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC)) {
			r = (struct seccomp_notif_resp){ .id = n.id, .error = -EACCES };
		}
	}
	ioctl(notify, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

/* Until the program ends. */
static void serve(int notify, int pidfd, int ctl, unsigned int nr)
{
	struct pollfd p[] = { { .fd = pidfd, .events = POLLIN }, { .fd = notify, .events = POLLIN }, { .fd = ctl, .events = POLLRDHUP } };
	bool running = false;
	uint64_t end = 0;		/* when it is killed */

	for (;;) {
		uint64_t now = now_ns();

		if (end && now >= end)
			break;
		if (poll(p, 3, end ? (int)((end - now) / 1000000) + 1 : -1) < 0) {
			if (errno != EINTR)
				break;
			continue;
		}
		if (p[0].revents)
			return;
		if (p[1].revents & POLLIN)
			answer(notify, nr, &running);
		else if (p[1].revents)
			p[1].fd = -1;
		if (p[2].revents) {
			syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
			p[2].fd = -1;
			end = now + END_TIME;
		}
	}
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

static int ended(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int kept_run(char *const *argv, unsigned int nr)
{
	int ctl = FIRST + nr - 1, pidfd = -1, rc;
	pid_t pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);

	if (!pid) {
		begin(ctl);
		close(ctl);
		execve(argv[0], argv, (char *[]){ NULL });
		say(2, argv[0], errno);
		_exit(127);
	}
	if (pid < 0)
		return 127;
	/* Who is at the far end is to see that the program has ended. */
	close_range(FIRST, ctl - 1, 0);
	serve(-1, pidfd, ctl, 0);
	rc = ended(pid);
	if (rc > 128)
		dprintf(ctl, "log %s was ended by signal %d\n", argv[0], rc - 128);
	return rc;
}

int handed_run(char *const *argv, unsigned int nr)
{
	int ctl = FIRST + nr - 1, pipefd[2], notify = -1, pidfd = -1;
	pid_t pid;

	if (access(argv[0], X_OK)) {
		say(ctl, argv[0], errno);
		return 127;
	}
	if (pipe2(pipefd, O_CLOEXEC))
		return 127;
	/* One table of descriptors until it executes the program: the filter's is ours as it is. */
	pid = syscall(SYS_clone, CLONE_FILES | CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
	if (!pid)
		child(argv, ctl, pipefd[1]);
	if (pid < 0 || read(pipefd[0], &notify, sizeof(notify)) != sizeof(notify) || notify < 0) {
		say(ctl, "its sandbox", notify);
		return 127;
	}
	serve(notify, pidfd, ctl, nr);
	return ended(pid);
}
