// SPDX-License-Identifier: GPL-2.0-only
/*
 * broker.c - the process that keeps root for the manager of devices, and how it is asked.
 *
 * vmid gives up root and reads what users write; what needs root is done by this
 * child of it, which reads no XML and opens nothing but what do.c says.
 * Questions and answers are packets on a socket, one after another; descriptors
 * come along with them.
 *
 * Trust: the asker may be taken over. Then it can have any domain's memory and
 * ports, which vmid has anyway, taps, bridges with addresses, and processes of domains' users, and end any
 * process. It cannot become root.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker.h"

static int sock = -1;

/* Descriptors next to one packet. */
union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(BROKER_MAX_FDS * sizeof(int))];
};

static ssize_t put(int to, void *data, size_t len, const int *fds, unsigned int nr)
{
	union control c = { 0 };
	struct iovec v = { data, len };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	if (nr) {
		m.msg_control = c.space;
		m.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		c.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(nr * sizeof(int)) };
		memcpy(CMSG_DATA(&c.head), fds, nr * sizeof(int));
	}
	return sendmsg(to, &m, MSG_NOSIGNAL);
}

static ssize_t get(int from, void *data, size_t len, int *fds, unsigned int *nr)
{
	union control c;
	struct iovec v = { data, len };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.space, .msg_controllen = sizeof(c.space) };
	ssize_t n;

	do {
		n = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	*nr = 0;
	for (struct cmsghdr *h = n < 0 ? NULL : CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_type == SCM_RIGHTS) {
			*nr = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds, CMSG_DATA(h), *nr * sizeof(int));
		}
	}
	return n;
}

static _Noreturn void serve(int s)
{
	struct broker_request r;
	int fds[BROKER_MAX_FDS], fd;
	unsigned int nr;

	while (get(s, &r, sizeof(r), fds, &nr) == sizeof(r)) {
		struct broker_answer a = { .rc = -EINVAL };

		fd = -1;
		if (nr == r.nr_fds && r.len <= sizeof(r.args))
			a = broker_do(&r, fds, &fd);
		put(s, &a, sizeof(a), &fd, fd >= 0);
		for (unsigned int i = 0; i < nr; i++)
			close(fds[i]);
		if (fd >= 0)
			close(fd);
	}
	_exit(0);
}

int broker_start(void)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return -errno;
	}
	if (!pid) {
		/* A terminal's signals are for the asker; what was spawned is nobody's to wait for. */
		setsid();
		signal(SIGTERM, SIG_IGN);
		signal(SIGCHLD, SIG_IGN);
		prctl(PR_SET_NAME, "vmid-broker");
		dup2(pair[1], 3);
		close_range(4, ~0u, 0);
		serve(3);
	}
	close(pair[1]);
	return sock = pair[0];
}

static int ask(struct broker_request *r, const int *fds, struct broker_answer *a)
{
	unsigned int nr = 0;
	int fd[BROKER_MAX_FDS] = { -1 };

	if (sock < 0) {
		*a = broker_do(r, fds, fd);
	} else {
		if (put(sock, r, sizeof(*r), fds, r->nr_fds) != sizeof(*r) || get(sock, a, sizeof(*a), fd, &nr) != sizeof(*a))
			return -EPIPE;
		if (!nr)
			fd[0] = -1;
	}
	return a->rc ? a->rc : fd[0] < 0 ? 0 : fd[0];
}

int broker_port(uint32_t domid, uint32_t port)
{
	struct broker_request r = { .op = BROKER_PORT, .domid = domid, .port = port };

	return ask(&r, NULL, &(struct broker_answer){ 0 });
}

int broker_alloc(uint32_t domid)
{
	struct broker_request r = { .op = BROKER_ALLOC, .domid = domid };

	return ask(&r, NULL, &(struct broker_answer){ 0 });
}

int broker_lend(uint32_t domid, uint64_t gpa, uint64_t size)
{
	struct broker_request r = { .op = BROKER_LEND, .domid = domid, .gpa = gpa, .size = size };

	return ask(&r, NULL, &(struct broker_answer){ 0 });
}

int broker_balloon(uint32_t domid)
{
	struct broker_request r = { .op = BROKER_BALLOON, .domid = domid };

	return ask(&r, NULL, &(struct broker_answer){ 0 });
}

int broker_clear(uint32_t domid)
{
	struct broker_request r = { .op = BROKER_CLEAR, .domid = domid };

	return ask(&r, NULL, &(struct broker_answer){ 0 });
}

int broker_budget(uint32_t domid, uint64_t bytes)
{
	struct broker_request r = { .op = BROKER_BUDGET, .domid = domid, .size = bytes };

	return ask(&r, NULL, &(struct broker_answer){ 0 });
}

int broker_tap(const char *name, const char *bridge, const uint8_t mac[6], unsigned int pairs, unsigned int *mtu)
{
	struct broker_request r = { .op = BROKER_TAP, .mtu = *mtu, .pairs = pairs };
	struct broker_answer a;
	int rc;

	strncpy(r.name, name, sizeof(r.name) - 1);
	strncpy(r.bridge, bridge, sizeof(r.bridge) - 1);
	memcpy(r.mac, mac, 6);
	rc = ask(&r, NULL, &a);
	*mtu = rc < 0 ? 0 : a.mtu;
	return rc;
}

int broker_tap_queue(const char *name)
{
	struct broker_request r = { .op = BROKER_TAP_QUEUE };

	strncpy(r.name, name, sizeof(r.name) - 1);
	return ask(&r, NULL, &(struct broker_answer){ 0 });
}

int broker_vhost(void)
{
	struct broker_request r = { .op = BROKER_VHOST };

	return ask(&r, NULL, &(struct broker_answer){ 0 });
}

static int run(enum broker_op op, uint32_t domid, const char *args, size_t len, const int *fds, unsigned int nr, pid_t *pid)
{
	struct broker_request r = { .op = op, .domid = domid, .nr_fds = nr, .len = len };
	struct broker_answer a;
	int rc;

	if (len > sizeof(r.args) || nr > BROKER_MAX_FDS)
		return -E2BIG;
	memcpy(r.args, args, len);
	rc = ask(&r, fds, &a);
	*pid = rc < 0 ? 0 : a.pid;
	return rc;
}

int broker_spawn(uint32_t domid, const char *args, size_t len, const int *fds, unsigned int nr, pid_t *pid)
{
	return run(BROKER_SPAWN, domid, args, len, fds, nr, pid);
}

int broker_serve(uint32_t domid, const char *args, size_t len, const int *fds, unsigned int nr, pid_t *pid)
{
	return run(BROKER_SERVE, domid, args, len, fds, nr, pid);
}

int broker_user_net(uint32_t domid, const char *args, size_t len, const int *fds, unsigned int nr, pid_t *pid)
{
	return run(BROKER_USER_NET, domid, args, len, fds, nr, pid);
}

int broker_network(const char *args, size_t len, int out)
{
	pid_t pid;

	return run(BROKER_NETWORK, 0, args, len, &out, 1, &pid);
}

int broker_kill(int pidfd)
{
	struct broker_request r = { .op = BROKER_KILL, .nr_fds = 1 };

	return ask(&r, &pidfd, &(struct broker_answer){ 0 });
}
